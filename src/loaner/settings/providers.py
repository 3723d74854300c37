"""Where providers are: in place of the public ones, or beside them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from loaner.settings import urls
from loaner.settings.sections import _Section


def _one_address(written: Any) -> Any:
    return {"address": written} if isinstance(written, str) else written


Hosts = Annotated[
    dict[str, Annotated[str, AfterValidator(urls.private_base_url)]], Field(min_length=1), BeforeValidator(_one_address)
]
"""Base URLs by host key; or one address, from which the provider's definition knows them."""
ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,19}$")]
"""The first word of its tools' names."""


class ProviderSettings(_Section):
    """``[providers.ghes]``: another instance of a provider, with tools, connectors, grants and records of its own."""

    like: str
    """The provider whose definition it shares, such as ``github``."""
    host: Hosts
    """Its address, such as ``https://ghe.corp.example``; or all its base URLs by host key."""
    title: Annotated[str, StringConstraints(pattern=r"^[^\W_][\w .()-]{0,39}$")]
    """What people and agents see it called; unlike any other provider's."""
