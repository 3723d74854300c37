"""Each table of the settings: what it may say, and what that means."""

from __future__ import annotations

import os
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from loaner.errors import SettingsInvalid
from loaner.loopback import is_loopback
from loaner.settings import urls
from loaner.settings.references import Reference

_OUT_LOUD = ". Whoever may read all that travels can set http.dangerously_plain_http = true"
Issuer = Annotated[str, AfterValidator(urls.issuer)]
OF_CLIENTS = frozenset({"azp", "client_id", "appid", "cid", "scope", "scp"})
"""Claims of a token that an OAuth client asked for, for itself or for a person."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class ConnectorSettings(_Section):
    """A registered app at a provider, and who may use it."""

    provider: str
    """Whose app it is: the name of a provider, such as ``github``."""
    client_id: str
    """The id of the app, as the provider shows it."""
    client_secret: Reference | None = None
    """Where the secret of the app is kept."""
    environments: tuple[str, ...] = ()
    """Environments it serves; none named means every one."""
    agents: tuple[str, ...] = ()
    """Agents it serves; none named means every one. A name is that of a verified agent; ``reported:NAME``,
    ``client:NAME``, ``actor:NAME`` and ``workload:NAME`` say of which kind."""
    team: Annotated[str, StringConstraints(pattern=r"^T[A-Z0-9]{2,20}$")] | None = None
    """Slack: the workspace that calls are about, where an account is connected for a whole organisation."""
    shared_accounts: bool = False
    """Whether several people may connect the same account there, such as a bot's. Otherwise it is refused to all but
    the first: a device code that was mailed to a colleague would link their account to whoever asked."""


class WorkloadSettings(_Section):
    """A job that proves itself by its own OIDC token, and what it is here."""

    issuer: Issuer
    """Who signs the job's tokens."""
    audience: str
    """The one ``aud`` of its tokens."""
    claims: dict[str, str] = Field(min_length=1)
    """Claims that must be exactly these, such as ``sub`` or ``repository_id``: the issuer serves strangers too."""
    agent: str
    """What the job is called in rules, records and pages."""
    environments: tuple[str, ...] = Field(min_length=1)
    """The environments in which it may call."""
    acts_for: Annotated[str, StringConstraints(pattern=r"[^ ]+ [^ ].*")] | None = None
    """``ISSUER SUB`` of the person whose grants it uses and who is asked; the job itself when not set."""
    trust_domain: Annotated[str, StringConstraints(pattern=r"[a-z0-9._-]{1,255}")] | None = None
    """The SPIFFE trust domain whose keys the issuer publishes: its jobs are ``spiffe://TRUST_DOMAIN/…``, and their
    tokens need not name the issuer."""
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    """How its tokens may be signed."""

    @field_validator("claims")
    @classmethod
    def _name_a_job(cls, claims: dict[str, str]) -> dict[str, str]:
        """Which client asked for a token does not say for whom: people's tokens carry the same."""
        if "sub" not in claims and (of_client := sorted(OF_CLIENTS & claims.keys())):
            raise ValueError(f"must name sub: {', '.join(of_client)} stands in the tokens of people too")
        return claims


class TaskIssuerSettings(_Section):
    """A host that signs what its requests are for: ``docs/tasks.md``."""

    issuer: str
    """Who signs the tasks."""
    public_key: str | None = None
    """PEM; when not set, the keys that the issuer publishes (OpenID Connect Discovery, RFC 8414)."""
    audience: str | None = None
    """The one ``aud`` of its tasks; the public URL of ``/mcp`` when not set."""
    subjects: str | None = None
    """Whose ``sub`` it names: an issuer, or ``local`` for the person of this computer. When not set,
    ``identity.issuer``, and ``local`` without one."""
    agrees: bool = False
    """It speaks for the person: what it signs is agreed to, and nobody is asked."""
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    """How its tokens may be signed."""

    @model_validator(mode="after")
    def _keys_come_safely(self) -> Self:
        """Where its key is given, the issuer is only a name, and nothing is fetched from it."""
        if self.public_key is None:
            try:
                urls.issuer(self.issuer)
            except ValueError as wrong:
                raise ValueError(f"issuer {wrong}; or give its public_key") from None
        return self


class HttpSettings(_Section):
    """Where loaner listens, and how people and agents reach it."""

    dangerously_plain_http: bool = False
    """Serve other machines over http: whoever is on the way reads access tokens and sessions, and uses them."""
    host: Annotated[str, AfterValidator(urls.bindable)] = "127.0.0.1"
    """What to listen on. Anything but loopback needs an https ``public_url``."""
    stdio_host: Annotated[str, AfterValidator(urls.bindable)] = "127.0.0.1"
    """What the pages beside a stdio server listen on; ``0.0.0.0`` in a container. Anything but loopback needs
    ``consent.presence = "sign-in"`` and a ``public_url``."""
    port: int = Field(default=8787, ge=0, le=65535)
    """What to listen on; 0 takes a free port."""
    public_url: Annotated[str, AfterValidator(urls.origin)] | None = Field(default=None, validate_default=True)
    """How people and agents reach it, when not ``http://host:port``: https, except on loopback."""
    allowed_hosts: tuple[Annotated[str, AfterValidator(urls.authority)], ...] = ()
    """Further ``Host`` headers to answer to, beside that of the public URL."""
    allowed_origins: tuple[Annotated[str, AfterValidator(urls.foreign_origin)], ...] = ()
    """Further ``Origin`` headers that may call ``/mcp``: a page, or an editor."""
    stateless: bool = False
    """No sessions, so that any of several servers behind a balancer answers any request of the earlier era too.
    Consent is then asked for in words only, since no server may ask a client of that era anything."""

    @field_validator("public_url")
    @classmethod
    def _not_in_the_clear(cls, public_url: str | None, others: ValidationInfo) -> str | None:
        host, plain = others.data.get("host"), others.data.get("dangerously_plain_http")
        if host is None or plain is None:
            return public_url  # what is wrong with those is told already
        if public_url is None and urls.is_wildcard(host):
            raise ValueError(
                f"must say how people and agents reach loaner (https://…), since http.host is {host}: "
                "that is only an address to listen on"
            )
        if not plain and not is_loopback(host) and not (public_url or "").startswith("https:"):
            raise ValueError(
                f"must begin with https://, since http.host ({host}) can be reached from other machines: put a proxy "
                f"with TLS before it{_OUT_LOUD}"
            )
        if public_url and not plain and not urls.is_private(public_url):
            raise ValueError(f"must begin with https:// (http only on loopback){_OUT_LOUD}")
        return public_url


class ToolSettings(_Section):
    """What agents are shown. ``loaner tools --toolsets all`` lists everything."""

    toolsets: tuple[str, ...] = ()
    """What is shown; ``default`` where neither this nor ``only`` is set."""
    only: tuple[str, ...] = ()
    """Exactly these tools; beside ``toolsets``, those in either."""
    exclude: tuple[str, ...] = ()
    """Tools that are never shown."""
    read_only: bool = False
    """Show only tools that change nothing."""


class ConsentSettings(_Section):
    """What an approval takes, how long a consent request lives, and what reading needs."""

    presence: Literal["none", "passkey", "sign-in"] = "none"
    """What an approval takes besides the browser's session; ``docs/presence.md`` says what each defends against."""
    local_person: str | None = None
    """The ``sub`` that ``identity.issuer`` gives the one person of this computer, to be asked for over stdio."""
    lifetime_seconds: int = Field(default=600, ge=60, le=600)
    """How long a pending consent can be answered; at most ten minutes."""
    pending_per_person: int = Field(default=3, ge=1, le=10)
    """How many consent requests may be pending for one person."""
    hold_seconds: float = Field(default=25, ge=0, le=50)
    """How long a repeated call waits for an answer before it says "not yet"."""
    outside_task: Literal["ask", "refuse"] | None = None
    """What becomes of a call outside the task that runs: the person is asked, or it is refused. When not set, asked
    where the agent proposed the task and refused where its host brought it."""
    reads: Literal["each", "account"] = "each"
    """``each``: a read needs what a person agreed to, by default for one agent in one repository, channel or team.
    ``account``: once an account is connected, every agent of the person reads there whatever they can see."""
    idle_grant_days: int = Field(default=90, ge=1, le=3650)
    """A grant that was not used for so many days is ended at the provider."""


class LimiterSettings(_Section):
    """How far loaner goes into a provider's limits."""

    factor: float = Field(default=1, ge=0)
    """Times what the provider documents: less than 1 leaves room for the person's other apps; 0 sets no limit."""
    wait_seconds: float = Field(default=3, ge=0, le=20)
    """How long one call waits for its turn before it says "retry after"."""
    share_below: float = Field(default=0.25, ge=0, le=1)
    """With this part of the credentials left, or less, identical reads of one task share a loan. 0: never."""
    share_seconds: float = Field(default=5, gt=0, le=15)
    """How long after its mint a shared loan may be taken by another call."""


class RetentionSettings(_Section):
    """What ``loaner prune`` takes out of the store. Nothing is taken out automatically."""

    closed_days: int | None = Field(default=None, ge=1)
    """Closed loans and answered consent requests are kept for so many days; for ever when not set."""
    records_days: int | None = Field(default=None, ge=1)
    """Records are kept for so many days, and then stand in an export only; for ever when not set."""


class VaultSettings(_Section):
    """The HashiCorp Vault that holds the sealing key, where ``key`` names one of its keys."""

    address: str | None = None
    """``VAULT_ADDR`` when not set."""
    token: Reference = "env:VAULT_TOKEN"  # noqa: S105 - where it is kept
    """Where the token for Vault is kept."""
    namespace: str | None = None
    """The namespace in Vault Enterprise."""

    def url(self) -> str:
        """Raises :class:`SettingsInvalid` where the token would travel in the clear."""
        address = self.address or os.environ.get("VAULT_ADDR") or ""
        try:
            return urls.private_base_url(address)
        except ValueError as wrong:
            raise SettingsInvalid(
                f"Vault's address {wrong}.", do="Set vault.address or VAULT_ADDR to its https:// URL."
            ) from None
