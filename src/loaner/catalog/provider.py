"""A provider as data: how consent is had there, how a key is narrowed and given back, how it fails.

Read from ``connectors/<provider>/provider.toml``. Endpoints are written ``host-key:/path`` or
``METHOD host-key:/path``; the only placeholder in them is ``{client_id}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, cast
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from loaner.catalog.described import Described
from loaner.catalog.form import Form
from loaner.catalog.identify import Identify
from loaner.catalog.lookup import Lookup
from loaner.catalog.rate import ProviderRate
from loaner.catalog.reason import CODES, FailureCode, Reason
from loaner.catalog.wider import Wider
from loaner.scope import Enforcer

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_WHERE = re.compile(r"(?P<host>[a-z]+):(?P<path>/[A-Za-z0-9_\-./{}]*)")
_REQUEST = re.compile(r"(?P<method>GET|POST|PUT|PATCH|DELETE) (?P<at>\S+)")

Refusal = Literal["final", "client", "passing"]
"""What a refused refresh is about: the grant, which is over; the connector's registration; or this moment."""


def _is_where(at: str) -> str:
    if not _WHERE.fullmatch(at):
        raise ValueError(f"{at!r} is not host-key:/path")
    return at


def _is_request(request: str) -> str:
    found = _REQUEST.fullmatch(request)
    if not found:
        raise ValueError(f"{request!r} is not METHOD host-key:/path")
    _is_where(found["at"])
    return request


Where = Annotated[str, AfterValidator(_is_where)]
"""``api:/oauth/token``: a key of ``hosts`` and a path."""
Request = Annotated[str, AfterValidator(_is_request)]
"""``DELETE api:/applications/{client_id}/token``."""


def _is_meaning(meaning: str, info: ValidationInfo) -> str:
    if meaning not in CODES and meaning not in {reason.name for reason in info.data.get("reasons", ())}:
        raise ValueError(f"{meaning!r} is no code and no reason")
    return meaning


Meaning = Annotated[str, AfterValidator(_is_meaning)]


class ProviderConsent(Described):
    """How a person's yes becomes a grant."""

    style: Literal["device", "code"]
    """``device``: the provider speaks RFC 8628. ``code``: authorization code + PKCE behind loaner's device page."""
    token: Where
    device_authorization: Where | None = None
    authorize: Where | None = None
    scope_param: str | None = "scope"
    """Name of the parameter that carries permissions; none where the app's registration fixes them (GitHub Apps)."""
    scope_separator: str = " "
    params: dict[str, str] = Field(default_factory=dict)
    """Added to the authorization request as they are."""
    pkce: bool = False
    client_auth: Literal["none", "basic", "post"] = "none"
    """How the client proves itself at ``token``; ``basic`` and ``post`` are left out where no secret is configured
    and the provider takes PKCE instead."""
    comes_along: frozenset[str] = frozenset()
    """Permissions that the provider may add by itself and that reach nothing; anything else unasked is refused."""
    ok_field: str | None = None
    """A boolean in the answer that says whether it is an error, whatever the HTTP status (Slack's ``ok``)."""

    @model_validator(mode="after")
    def _is_complete(self) -> ProviderConsent:
        if self.style == "device" and not self.device_authorization:
            raise ValueError("style 'device' needs device_authorization")
        if self.style == "code" and not (self.authorize and self.pkce):
            # An authorization code without PKCE can be redeemed by whoever intercepts it (RFC 9700 §2.1.1).
            raise ValueError("style 'code' needs authorize and pkce = true")
        return self


class AccountRequest(Described):
    """Asks whose grant it is. ``id``, ``name`` and ``team`` are dotted paths into the JSON answer."""

    method: Literal["GET", "POST"]
    at: Where
    id: str
    name: str
    claimed: Literal["id", "name"] = "id"
    """What an issuer's claim names an account by: its name only where no other account can take it."""
    team: str | None = None
    one_team: str = ""
    """Pattern of a ``team`` that is one workspace; another is a whole organisation with several."""
    graphql: str | None = None


class ProviderGrant(Described):
    """How a grant is kept alive, named and ended."""

    account: AccountRequest
    refresh: Where | None = None
    rotates: bool = True
    """Refreshing hands out a new refresh token and the old one is dead."""
    kills_previous: bool = True
    """Refreshing also ends the access token that came before."""
    lifetime: int
    """Seconds an access token lives when the answer does not say."""
    refresh_lifetime: int | None = None
    """Seconds; none where the provider does not say."""
    refusals: dict[str, Refusal] = Field(default_factory=dict)
    """The provider's own words in answer to a refresh, where they are not those of RFC 6749 §5.2 or of ``errors``."""
    revoke: Request | None = None
    revoke_auth: Literal["basic", "bearer", "none"] = "bearer"
    revoke_token_field: str | None = None
    """Field of the body that names the token; none where the bearer is the token meant."""
    revoke_body: Literal["json", "form"] = "json"
    revoke_ends: Literal["grant", "token"] = "grant"
    """What the provider promises to have ended afterwards."""


class Replication(Described):
    """How a provider refuses a credential that it does not know everywhere yet."""

    waits: tuple[float, ...] = ()
    """Seconds before each repetition of the refused request."""
    within: float = 5
    """Seconds since the mint; later, a refusal counts."""
    forbidden: str | None = None
    """The message of a 403 where the credential is known already and its permissions are not."""


class ProviderLending(Described):
    """How a grant is narrowed to one call. A new provider is data; a new *style* is code."""

    style: Literal["token_scoped", "held"]
    mint: Request | None = None
    give_back: Request | None = None
    check: Request | None = None
    """Asks whether a token is still alive: 200 or 404."""
    targets: Request | None = None
    """Lists the accounts where the app is installed, for an operation that names no repository."""
    token_field: str = "access_token"  # noqa: S105 - the name of a field
    accept: Where | None = None
    """The page where the owner of a target accepts what the app asks for; ``{target}`` is its name."""
    accept_own: Where | None = None
    """The same for a person's own account."""
    app: Request | None = None
    """Tells which permissions ``{app}`` asks for, accepted or not."""
    replication: Replication = Replication()

    @model_validator(mode="after")
    def _is_returnable(self) -> ProviderLending:
        if self.style != "held" and not (self.mint and self.give_back):
            # A style that mints what it cannot return would leave keys alive after every call.
            raise ValueError(f"style {self.style!r} needs mint and give_back")
        return self


class ProviderLimits(Described):
    """Who enforces each limit of a loan. Pages and records repeat this, so it must be true."""

    permissions: Enforcer
    resource: Enforcer
    call: Enforcer = "loaner"


class ProviderReads(Described):
    """How reading there is put to the person."""

    private: str
    """What "anything that you can see" includes that people forget: ``private repositories too``."""
    kinds: dict[str, str] = Field(default_factory=dict)
    """What a reading permission is for, as people say it: ``issues:read`` is for ``issues``."""


class ProviderAnswers(Described):
    """How the API tells success from failure."""

    style: Literal["status", "ok_field", "graphql"]
    accepted: str | None = None
    """Header that names the permissions this request accepts."""
    granted: str | None = None
    """Header that names the permissions the credential has."""
    partial: str | None = None
    """Header that begins with ``partial-results`` where organisations that want a sign-in first are left out."""
    documentation: str | None = None
    """Pattern of the ``documentation_url`` of a refusal; its one group goes to the log and the record."""
    scope_message: str | None = None
    """Pattern of an error message that names, in its one group, the permission that was missing."""
    not_found_message: str | None = None
    """Pattern of an error message that says that something does not exist. Neither message is ever repeated."""


class Instance(Described):
    """Where one address in the settings leads: that of an instance which is hosted elsewhere."""

    address: str
    """Pattern of the whole address; its named groups are the placeholders of ``hosts``."""
    hosts: dict[str, str]


class Provider(Described):
    """GitHub, Slack or Linear: everything about it that is not one operation."""

    name: str
    title: str
    source: str
    hosts: dict[str, str]
    instances: tuple[Instance, ...] = ()
    """The first that fits an address counts."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every API request, as they are; no argument ever reaches a header."""
    consent: ProviderConsent
    grant: ProviderGrant
    lending: ProviderLending
    limits: ProviderLimits
    reads: ProviderReads
    answers: ProviderAnswers
    rate: ProviderRate
    levels: tuple[str, ...] = ()
    """From least to most, for permissions spelled ``name:level``."""
    implies: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What a permission includes besides itself."""
    always: frozenset[str] = frozenset()
    """Comes with every credential, asked for or not."""
    reasons: tuple[Reason, ...] = ()
    """Why it refuses, where the status does not say enough; the first that fits counts."""
    errors: dict[str, Meaning] = Field(default_factory=dict)
    """The provider's error words, and what each means: a :data:`FailureCode`, or the reason that tells it."""
    forms: dict[str, Form] = Field(default_factory=dict)
    found: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By the name of a parameter: the fields of results, as dotted paths, that give what it takes."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    identify: dict[str, Identify] = Field(default_factory=dict)
    """By kind of resource: how its canonical name is found out, where another one reaches it as well."""
    ids: dict[str, str] = Field(default_factory=dict)
    """By kind of resource: the pattern of the provider's own ids. A kind that is not here has none."""
    wider: tuple[Wider, ...] = ()
    unfurls: tuple[str, ...] = ()
    """Fields that, when false, keep it from fetching links of a text that is posted."""
    api: str = "api"
    """The host key that operations' paths belong to."""
    graphql: Where | None = None

    @field_validator("hosts")
    @classmethod
    def _hosts_are_plain(cls, hosts: dict[str, str]) -> dict[str, str]:
        for key, base in hosts.items():
            parts = urlsplit(base)
            loopback = parts.hostname in _LOOPBACK
            if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
                raise ValueError(f"host {key!r} must be https (http only on loopback)")
            if not parts.hostname or parts.username or parts.query or parts.fragment or base.endswith("/"):
                raise ValueError(f"host {key!r} must be a bare base URL without a trailing slash")
        return hosts

    @model_validator(mode="after")
    def _endpoints_use_known_hosts(self) -> Provider:
        for part in (self.consent, self.grant, self.grant.account, self.lending):
            for field, value in part:
                found = _WHERE.search(value) if isinstance(value, str) else None
                if found and field not in {"scope_separator", "graphql"} and found["host"] not in self.hosts:
                    raise ValueError(f"{field}: unknown host key {found['host']!r}")
        for reason in self.reasons:
            if reason.link and _is_where(reason.link).partition(":")[0] not in self.hosts:
                raise ValueError(f"reason {reason.name}: unknown host key in {reason.link!r}")
            if not reason.statuses and reason.name not in self.errors.values():
                raise ValueError(f"reason {reason.name}: nothing leads to it")
        return self

    @property
    def place(self) -> str:
        """All its base URLs, in one fixed order: what is granted at one place is nothing to another."""
        return " ".join(self.hosts[key] for key in sorted(self.hosts))

    def means(self, word: str) -> FailureCode | None:
        """What an error word means; ``None`` for one that is not listed."""
        meaning = self.errors.get(word)
        reason = self.reason(meaning) if meaning else None
        return reason.means if reason else cast("FailureCode | None", meaning)

    def reason(self, name: str) -> Reason | None:
        return next((one for one in self.reasons if one.name == name), None)

    def url(self, at: str, **values: str) -> str:
        """``web:/login/device/code`` as a URL; placeholders are percent-encoded as one segment each."""
        found = _WHERE.fullmatch(at)
        if not found or found["host"] not in self.hosts:
            raise ValueError(f"{self.name}: {at!r} is not host-key:/path")
        path = re.sub(r"\{([a-z_]+)\}", lambda m: quote(values[m[1]], safe=""), found["path"])
        return self.hosts[found["host"]] + path

    def told(self, reason: Reason, target: str) -> tuple[str, str]:
        """What happened and what to do about it, where ``target`` is the account that the call is about."""
        at = target or "the account"
        link = self.url(reason.link, target=target) if reason.link and target else ""
        return reason.cause.format(target=at), reason.do.format(target=at, link=link or "its page at the provider")

    def request(self, request: str, **values: str) -> tuple[str, str]:
        """``DELETE api:/applications/{client_id}/token`` as method and URL."""
        method, _, at = request.partition(" ")
        return method, self.url(at, **values)

    def covers(self, granted: frozenset[str], needed: frozenset[str]) -> bool:
        """Does a credential with ``granted`` suffice for ``needed``?"""
        return needed <= self._spread(granted | self.always)

    def excess(self, granted: frozenset[str], needed: frozenset[str]) -> frozenset[str]:
        """What of ``granted`` goes beyond ``needed``: what the credential could have done besides the call."""
        return frozenset(granted - self._spread(needed))

    def team_of(self, account_id: str) -> str:
        """The workspace of an account, as a grant names that (``team/user``); empty where it does not say which."""
        team, named, _ = account_id.partition("/")
        return team if named and re.fullmatch(self.grant.account.one_team, team) else ""

    def identifies(self, resource: str) -> Identify | None:
        """How to find out the canonical name of a resource; ``None`` where it has that already."""
        kind, named, name = resource.partition(":")
        identify = self.identify.get(kind) if named else None
        return identify if identify and identify.is_for(name) else None

    def id_in(self, resource: str) -> str:
        """The provider's own id, where the resource goes by that; empty where it goes by another name."""
        kind, _, name = resource.partition(":")
        return name if kind in self.ids and re.fullmatch(self.ids[kind], name) else ""

    def wider_than(self, resource: str) -> str:
        """What the resource says by its name that it is a part of; empty if nothing."""
        found = ((one, re.fullmatch(one.pattern, resource)) for one in self.wider)
        return next((f"{one.kind}:{match[1]}" for one, match in found if match), "")

    def _spread(self, permissions: frozenset[str]) -> frozenset[str]:
        """With everything that each permission includes, to the end."""
        reached: set[str] = set()
        waiting = list(permissions)
        while waiting:
            permission = waiting.pop()
            if permission in reached:
                continue
            reached.add(permission)
            waiting += self.implies.get(permission, ())
            name, _, level = permission.rpartition(":")
            if name and level in self.levels:
                waiting += [f"{name}:{lower}" for lower in self.levels[: self.levels.index(level)]]
        return frozenset(reached)

    def at(self, hosts: Mapping[str, str]) -> Provider:
        """The same provider elsewhere: on ``hosts``, all of them or none would be safe; or at ``{"address": …}``.

        Raises :class:`ValueError` where a host is missing, or one address does not tell them all.
        """
        if "address" in hosts:
            hosts = self._led_to(hosts["address"])
        if wrong := sorted(set(self.hosts) ^ set(hosts)):
            what = "is missing" if wrong[0] in self.hosts else "is no host of it"
            raise ValueError(f"{wrong[0]} {what}")
        return Provider.model_validate(self.model_dump() | {"hosts": {key: hosts[key] for key in self.hosts}})

    def _led_to(self, address: str) -> dict[str, str]:
        for instance in self.instances:
            if found := re.fullmatch(instance.address, address):
                return {key: base.format(**found.groupdict()) for key, base in instance.hosts.items()}
        raise ValueError(f"one address does not say where {' and '.join(self.hosts)} are")
