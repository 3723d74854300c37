"""The parts of a provider's file: how consent is asked for, how a key is narrowed and given back, how it refuses."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from loaner.catalog.base import Definition
from loaner.catalog.reason import CODES
from loaner.scope import Enforcer

WHERE = re.compile(r"(?P<host>[a-z]+):(?P<path>/[A-Za-z0-9_\-./{}@]*)")
_REQUEST = re.compile(r"(?P<method>GET|POST|PUT|PATCH|DELETE) (?P<at>\S+)")

Refusal = Literal["final", "client", "passing"]
"""What a refused refresh is about: the grant, which is over; the connector's registration; or this moment."""


def is_where(at: str) -> str:
    if not WHERE.fullmatch(at):
        raise ValueError(f"{at!r} is not host-key:/path")
    return at


def _is_request(request: str) -> str:
    found = _REQUEST.fullmatch(request)
    if not found:
        raise ValueError(f"{request!r} is not METHOD host-key:/path")
    is_where(found["at"])
    return request


Where = Annotated[
    str, AfterValidator(is_where), Field(json_schema_extra={"pattern": r"^[a-z]+:/[A-Za-z0-9_\-./{}@]*$"})
]
"""``api:/oauth/token``: a key of ``hosts`` and a path."""
Request = Annotated[
    str,
    AfterValidator(_is_request),
    Field(json_schema_extra={"pattern": r"^(GET|POST|PUT|PATCH|DELETE) [a-z]+:/[A-Za-z0-9_\-./{}@]*$"}),
]
"""``DELETE api:/applications/{client_id}/token``."""


def _is_meaning(meaning: str, info: ValidationInfo) -> str:
    if meaning not in CODES and meaning not in {reason.name for reason in info.data.get("reasons", ())}:
        raise ValueError(f"{meaning!r} is no code and no reason")
    return meaning


Meaning = Annotated[str, AfterValidator(_is_meaning)]


class ProviderConsent(Definition):
    """How a person's approval becomes a grant."""

    style: Literal["device", "code"]
    """``device``: the provider speaks RFC 8628. ``code``: authorization code + PKCE behind loaner's device page."""
    token: Where
    """Where codes are exchanged for tokens."""
    device_authorization: Where | None = None
    """Where a device code is requested (RFC 8628)."""
    authorize: Where | None = None
    """The page that a person is sent to."""
    scope_param: str | None = "scope"
    """Name of the parameter that carries permissions; none where the app's registration fixes them (GitHub Apps)."""
    scope_separator: str = " "
    """What stands between permissions."""
    params: dict[str, str] = Field(default_factory=dict)
    """Added to the authorization request as they are."""
    pkce: bool = False
    """Whether the provider takes PKCE (RFC 7636)."""
    client_auth: Literal["none", "basic", "post"] = "none"
    """How the client proves itself at ``token``; ``basic`` and ``post`` are left out where no secret is configured
    and the provider takes PKCE instead."""
    comes_along: frozenset[str] = frozenset()
    """Permissions that the provider may add unasked and that reach nothing; anything else unasked is refused."""
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


class AccountRequest(Definition):
    """Asks whose grant it is. ``id``, ``name`` and ``team`` are dotted paths into the JSON answer."""

    method: Literal["GET", "POST"]
    """Of the request."""
    at: Where
    """Where it goes."""
    id: str
    """Path to the account's id, which never changes."""
    name: str
    """Path to its name, as people know it."""
    claimed: Literal["id", "name"] = "id"
    """What an issuer's claim names an account by: its name only where no other account can take it."""
    team: str | None = None
    """Path to its workspace, where one account can be in several."""
    one_team: str = ""
    """Pattern of a ``team`` that is one workspace; another is a whole organisation with several."""
    graphql: str | None = None
    """A document to post, where the API is GraphQL."""


class ProviderGrant(Definition):
    """How a grant is kept alive, named and ended."""

    account: AccountRequest
    """How the account of a grant is found."""
    refresh: Where | None = None
    """Where a grant is refreshed; left out where its tokens do not expire."""
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
    """How a grant is ended at the provider; left out where there is no such request."""
    revoke_auth: Literal["basic", "bearer", "none"] = "bearer"
    """How that request proves itself."""
    revoke_token_field: str | None = None
    """Field of the body that names the token; none where the bearer is the token meant."""
    revoke_body: Literal["json", "form"] = "json"
    """How its body is sent."""
    gone: tuple[str, ...] = ()
    """The provider's own words for a token that is dead, where it says so by another status than 401."""
    revoke_ends: Literal["grant", "token"] = "grant"
    """What the provider promises to have ended afterwards."""


class Replication(Definition):
    """How a provider refuses a credential that it does not know everywhere yet."""

    waits: tuple[float, ...] = ()
    """Seconds before each repetition of the refused request."""
    within: float = 5
    """Seconds since the mint; later, a refusal counts."""
    forbidden: str | None = None
    """The message of a 403 where the credential is known already and its permissions are not."""


class ProviderLending(Definition):
    """How a grant is narrowed to one call. A new provider is data; a new *style* is code."""

    style: Literal["down_scoped", "pass_through"]
    """``down_scoped``: a new credential for the call, narrowed by the provider. ``pass_through``: the grant's own:
    the provider narrows nothing."""
    mint: Request | None = None
    """Makes a credential for one call."""
    give_back: Request | None = None
    """Revokes it."""
    check: Request | None = None
    """Asks whether a token is still alive: 200 or 404."""
    targets: Request | None = None
    """Lists the accounts where the app is installed, for an operation that names no repository."""
    token_field: str = "access_token"  # noqa: S105 - the name of a field
    """Field of the body that names the token."""
    accept: Where | None = None
    """The page where the owner of a target accepts what the app asks for; ``{target}`` is its name."""
    accept_own: Where | None = None
    """The same for a person's own account."""
    app: Request | None = None
    """Tells which permissions ``{app}`` asks for, accepted or not."""
    replication: Replication = Replication()
    """How new credentials may be refused at first."""

    @model_validator(mode="after")
    def _is_returnable(self) -> ProviderLending:
        if self.style != "pass_through" and not (self.mint and self.give_back):
            # A style that mints what it cannot return would leave keys alive after every call.
            raise ValueError(f"style {self.style!r} needs mint and give_back")
        return self


class ProviderLimits(Definition):
    """Who enforces each limit of a loan. Pages and records repeat this, so it must be true."""

    permissions: Enforcer
    """Who holds a credential to its permissions."""
    resource: Enforcer
    """Who holds it to one repository, channel or team."""
    call: Enforcer = "loaner"
    """Who holds it to one call."""


class ProviderReads(Definition):
    """How reading there is put to the person."""

    private: str
    """What "anything that you can see" includes that people forget: ``private repositories too``."""
    kinds: dict[str, str] = Field(default_factory=dict)
    """What a reading permission is for, as people say it: ``issues:read`` is for ``issues``."""


class ProviderAnswers(Definition):
    """How the API tells success from failure."""

    style: Literal["status", "ok_field", "graphql"]
    """``status``: by the HTTP status. ``ok_field``: by the boolean ``ok``. ``graphql``: by ``errors``."""
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


class Instance(Definition):
    """Where one address in the settings leads: that of an instance which is hosted elsewhere."""

    address: str
    """Pattern of the whole address; its named groups are the placeholders of ``hosts``."""
    hosts: dict[str, str]
    """Base URLs by host key, with these placeholders."""
