"""How loaner proves to the issuer which client it is (RFC 6749 §2.3.1, OpenID Connect Core 1.0 §9)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from loaner.secret import Secret
from loaner.settings.identity import ClientAuth


@dataclass(frozen=True)
class Client:
    """A client that is registered with the issuer. Without a secret it is a public one."""

    id: str
    secret: Secret | None = None
    method: ClientAuth | None = None
    """As it was registered; when not set, what the issuer offers, Basic first."""

    def proven(self, form: Mapping[str, str], offered: Any = None) -> tuple[dict[str, str], dict[str, str]]:
        """What to send as the body and as headers. ``offered``: the methods that the issuer's metadata lists."""
        if self.secret is None:
            return {**form, "client_id": self.id}, {}
        if self.uses(offered) == "client_secret_post":
            return {**form, "client_id": self.id, "client_secret": self.secret.reveal()}, {}
        # Both are encoded before they are joined: a colon or a space in one would otherwise be read as something else.
        pair = f"{quote_plus(self.id)}:{quote_plus(self.secret.reveal())}"
        return dict(form), {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def uses(self, offered: Any = None) -> str:
        """The method: ``none`` for a public client."""
        if self.secret is None:
            return "none"
        only_post = isinstance(offered, list) and "client_secret_basic" not in offered
        return self.method or ("client_secret_post" if only_post else "client_secret_basic")
