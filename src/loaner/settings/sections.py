"""Each table of the settings: what it may say, and what that means."""

from __future__ import annotations

import os
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from loaner.errors import SettingsInvalid
from loaner.settings.references import Reference

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class ConnectorSettings(_Section):
    """A registered app at a provider, and who may use it."""

    provider: str
    client_id: str
    client_secret: Reference | None = None
    environments: tuple[str, ...] = ()
    """Environments it serves; none named means every one."""
    agents: tuple[str, ...] = ()
    """Agents it serves; none named means every one. A name is that of a verified agent; ``reported:NAME``,
    ``client:NAME``, ``actor:NAME`` and ``workload:NAME`` say of which kind."""


class IdentitySettings(_Section):
    """The OIDC issuer whose access tokens the HTTP door accepts and where people sign in."""

    issuer: str
    audience: str | None = None
    """The ``aud`` a token must carry exactly; the public URL of ``/mcp`` when not set."""
    client_id: str = "loaner-web"
    """The public client with which the consent pages sign people in (authorization code + PKCE)."""
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    required_scope: str = "tools"
    other_audiences: tuple[str, ...] = ()
    """What else may stand in ``aud``: services that are trusted not to replay a token here."""
    actor_issuers: tuple[str, ...] = ()
    """Issuers besides this one whose actors (``act.iss``, RFC 8693) its tokens may name."""


class WorkloadSettings(_Section):
    """A job that proves itself by its own OIDC token, and what it is here."""

    issuer: str
    audience: str
    """The one ``aud`` of its tokens."""
    claims: dict[str, str] = Field(min_length=1)
    """Claims that must be exactly these, such as ``sub`` or ``repository_id``: the issuer serves strangers too."""
    agent: str
    environments: tuple[str, ...] = Field(min_length=1)
    acts_for: Annotated[str, StringConstraints(pattern=r"[^ ]+ [^ ].*")] | None = None
    """``ISSUER SUB`` of the person whose grants it uses and who is asked; the job itself when not set."""
    trust_domain: Annotated[str, StringConstraints(pattern=r"[a-z0-9._-]{1,255}")] | None = None
    """The SPIFFE trust domain whose keys the issuer publishes: its jobs are ``spiffe://TRUST_DOMAIN/…``, and their
    tokens need not name the issuer."""
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")


class TaskIssuerSettings(_Section):
    """A host that signs what its requests are for: ``docs/tasks.md``."""

    issuer: str
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


class HttpSettings(_Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8787, ge=0, le=65535)
    public_url: str | None = None
    """How people and agents reach it, when not ``http://host:port``."""
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    stateless: bool = False
    """No sessions, so that any of several servers behind a balancer answers any request of the earlier era too.
    Consent is then asked for in words only, since no server may ask a client of that era anything."""


class ToolSettings(_Section):
    toolsets: tuple[str, ...] = ("default",)
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    read_only: bool = False


class ConsentSettings(_Section):
    presence: Literal["none", "passkey", "sign-in"] = "none"
    """What a yes takes besides the browser's session; ``docs/presence.md`` says what each defends against."""
    local_person: str | None = None
    """The ``sub`` that ``identity.issuer`` gives the one person of this computer, to be asked for over stdio."""
    lifetime_seconds: int = Field(default=600, ge=60, le=600)
    """How long a pending consent can be answered; at most ten minutes."""
    pending_per_person: int = Field(default=3, ge=1, le=10)
    hold_seconds: float = Field(default=25, ge=0, le=50)
    """How long a repeated call waits for an answer before it says "not yet"."""
    outside_task: Literal["ask", "refuse"] | None = None
    """What becomes of a call outside the task that runs: the person is asked, or it is refused. When not set, asked
    where the agent proposed the task and refused where its host brought it."""
    idle_grant_days: int = Field(default=90, ge=1, le=3650)
    """A grant that was not used for so many days is ended at the provider."""


class BudgetSettings(_Section):
    """How far loaner goes into a provider's limits."""

    factor: float = Field(default=1, ge=0)
    """Times what the provider documents: less than 1 leaves room for the person's other apps; 0 keeps no budget."""
    wait_seconds: float = Field(default=3, ge=0, le=20)
    """How long one call waits for its turn before it says "retry after"."""
    share_below: float = Field(default=0.25, ge=0, le=1)
    """With this part of the credentials left, or less, identical reads of one task share a loan. 0: never."""
    share_seconds: float = Field(default=5, gt=0, le=15)
    """How long after its mint a shared loan may be taken by another call."""


class VaultSettings(_Section):
    """The HashiCorp Vault that holds the sealing key, where ``key`` names one of its keys."""

    address: str | None = None
    """``VAULT_ADDR`` when not set."""
    token: Reference = "env:VAULT_TOKEN"  # noqa: S105 - where it is kept
    namespace: str | None = None

    def url(self) -> str:
        """Raises :class:`SettingsInvalid` where the token would travel in the clear."""
        address = self.address or os.environ.get("VAULT_ADDR") or ""
        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise SettingsInvalid("Vault's address must be an https:// URL.", do="Set VAULT_ADDR or vault.address.")
        return address.rstrip("/")
