"""What a provider allows of itself in a time, and where its answers say so."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from loaner.catalog.base import Definition


class RateLimit(Definition):
    """One limit of a provider, as a bucket that flows back evenly: what of it each request costs."""

    name: str
    """For the status and the record."""
    source: str = Field(pattern=r"^https://")
    """The page that documents it."""
    limit: int = Field(ge=1)
    """How much it is."""
    seconds: int = Field(ge=1)
    """In which ``limit`` comes back."""
    mint: int = Field(default=0, ge=0)
    """What it costs to mint a credential."""
    give_back: int = Field(default=0, ge=0)
    """What each further attempt costs to revoke one; the first is a part of ``mint``."""
    refresh: int = Field(default=0, ge=0)
    """What it costs to refresh a grant."""
    read: int = Field(default=0, ge=0)
    """What each request costs that changes nothing."""
    write: int = Field(default=0, ge=0)
    """What each request costs that changes something."""
    paths: tuple[str, ...] = ()
    """Counts only requests whose path begins with one of these; every one if none is named."""
    limit_header: str | None = None
    """Header with its size."""
    remaining_header: str | None = None
    """Header with what is left."""
    reset_header: str | None = None
    """Where an answer says how this limit stands: its size, what is left, and when all of it is back."""
    resource: str | None = None
    """Only answers count whose ``resource_header`` says this."""


class EachRateLimit(Definition):
    """A limit of one path for each value of a parameter: messages in each channel."""

    name: str
    """For the status and the record."""
    source: str = Field(pattern=r"^https://")
    """The page that documents it."""
    path: str
    """The path that is limited."""
    param: str
    """The parameter, each value of which has a limit of its own."""
    limit: int = Field(ge=1)
    """Requests."""
    seconds: int = Field(ge=1)
    """In which they come back."""

    def of(self, value: str) -> RateLimit:
        named = f"{self.name} {value}"
        return RateLimit(name=named, source=self.source, limit=self.limit, seconds=self.seconds, read=1, write=1)


class ProviderRate(Definition):
    """What the provider allows, and where it says how long to wait."""

    retry_after: str | None = None
    """Header with whole seconds."""
    remaining: str | None = None
    """Header with the requests that are left."""
    reset: str | None = None
    """Header with an instant since the epoch, in ``unit``."""
    unit: Literal["s", "ms"] = "s"
    """Of ``reset``: seconds or milliseconds."""
    at_least: int = 60
    """Seconds to wait when the provider gives no time."""
    at_most: int = 3600
    """Seconds; no limit of the provider's takes longer to come back, so what an answer says beyond is not believed."""
    pages: tuple[str, ...] = ()
    """Patterns of the ``documentation_url`` of a refusal that is about a limit, where the headers do not say so."""
    message: str | None = None
    """Pattern of the message of such a refusal, where it points to no page."""
    resource_header: str | None = None
    """Header that names which of several limits an answer speaks of."""
    tiers: dict[str, int] = Field(default_factory=dict)
    """Requests a minute, by tier."""
    tiers_source: str = Field(default="", pattern=r"^(https://.*)?$")
    """The page that documents the tiers."""
    methods: dict[str, str] = Field(default_factory=dict)
    """The tier of each path that has a limit of its own."""
    limits: tuple[RateLimit, ...] = ()
    """Limits of all requests, or of some paths."""
    each: tuple[EachRateLimit, ...] = ()
    """Limits for each value of a parameter."""
    per: Literal["account", "workspace"] = "account"
    """Who shares these limits: a person's account, or everybody in its workspace."""

    @model_validator(mode="after")
    def _tiers_exist(self) -> ProviderRate:
        if self.tiers and not self.tiers_source:
            raise ValueError("tiers need tiers_source")
        if unknown := sorted(set(self.methods.values()) - set(self.tiers)):
            raise ValueError(f"no such tier: {', '.join(unknown)}")
        return self

    def of_method(self, path: str) -> RateLimit | None:
        """The limit of one path alone, where it has one."""
        tier = self.methods.get(path)
        if tier is None:
            return None
        return RateLimit(
            name=path.rpartition("/")[2], source=self.tiers_source, limit=self.tiers[tier], seconds=60, read=1, write=1
        )
