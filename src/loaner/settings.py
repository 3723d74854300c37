"""What the operator decided: flags, then ``LOANER_*``, then ``loaner.toml``, then the user's config, then defaults.

Secrets are only ever references (``env:NAME``, ``file:/path``, ``keyring:service/name``), so that the file can be
reviewed and committed. An unknown key stops the start: a typo must not silently loosen anything.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from loaner.errors import SettingsInvalid
from loaner.secret import Secret

Reference = Annotated[str, StringConstraints(pattern=r"(env|file|keyring):.+")]
"""Where a secret is kept, never the secret."""
KeyReference = Annotated[str, StringConstraints(pattern=r"(env|file|keyring):.+|vault:.+/keys/.+")]
"""Where the sealing key is kept; or which key of Vault it is, that never leaves it."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


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
    """Agent names it serves; none named means every one."""


class IdentitySettings(_Section):
    """The OIDC issuer whose access tokens the HTTP door accepts and where people sign in."""

    issuer: str
    audience: str | None = None
    """The ``aud`` a token must carry exactly; the public URL of ``/mcp`` when not set."""
    client_id: str = "loaner-web"
    """The public client with which the consent pages sign people in (authorization code + PKCE)."""
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    required_scope: str = "tools"


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
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise SettingsInvalid("Vault's address must be an https:// URL.", do="Set VAULT_ADDR or vault.address.")
        return address.rstrip("/")


class Settings(BaseSettings):
    """All settings of one loaner."""

    model_config = SettingsConfigDict(
        env_prefix="LOANER_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True, frozen=True
    )

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_state_dir("loaner")))
    """Where the store, the key and the run files live."""
    environment: str = "development"
    store: str | None = None
    """A database URL, or a reference to one that has a password in it; ``sqlite`` under ``home`` when not set."""
    key: KeyReference | None = None
    """The sealing key; a 0600 file under ``home`` when not set."""
    other_keys: tuple[KeyReference, ...] = ()
    """Keys that still open what was sealed under them, while the key is being changed."""
    vault: VaultSettings = VaultSettings()
    sandbox: str | None = None
    """Base URL of a running sandbox that stands in for every provider."""
    http: HttpSettings = HttpSettings()
    identity: IdentitySettings | None = None
    workloads: tuple[WorkloadSettings, ...] = ()
    task_issuers: tuple[TaskIssuerSettings, ...] = ()
    tools: ToolSettings = ToolSettings()
    consent: ConsentSettings = ConsentSettings()
    checkpoint_key: Reference | None = None
    """The key that signs checkpoints of the records, to be shared by servers over one store; a file under ``home``
    when not set."""
    budget: BudgetSettings = BudgetSettings()
    hosts: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Other base URLs for a provider's hosts: a GitHub Enterprise Server, or the sandbox."""
    connectors: dict[str, ConnectorSettings] = Field(default_factory=dict)
    task: Path | None = None
    """A task (TOML) that a person has to agree to before anything else is done; see ``loaner_propose_task``."""
    policy: Path | None = None
    """A folder of ``*.cedar`` rules, in place of the built-in ones; ``policy/`` beside ``loaner.toml`` when not set."""
    extra_connectors: Path | None = None
    """A folder of further connector files, beside the shipped ones."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - a .env file is not one of our sources
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor is a secrets folder
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, *(TomlConfigSettingsSource(settings_cls, file) for file in config_files()))

    @property
    def store_url(self) -> str:
        if self.store and self.store.startswith(("env:", "file:", "keyring:")):
            return resolve(self.store).reveal()
        return self.store or f"sqlite:///{self.home / 'loaner.db'}"

    @property
    def public_url(self) -> str:
        return (self.http.public_url or f"http://{self.http.host}:{self.http.port}").rstrip("/")

    @property
    def policy_folder(self) -> Path | None:
        """Where the rules are; ``None`` for the built-in ones."""
        beside = (file.parent / "policy" for file in config_files() if file.is_file())
        return self.policy or next((folder for folder in beside if folder.is_dir()), None)


def config_files() -> list[Path]:
    """The files that are read, the stronger first. ``LOANER_CONFIG`` names one in place of both."""
    if named := os.environ.get("LOANER_CONFIG"):
        return [Path(named)]
    return [Path("loaner.toml"), Path(platformdirs.user_config_dir("loaner")) / "config.toml"]


def load(**flags: Any) -> Settings:
    """Read all sources and prepare ``home`` (0700). Raises :class:`SettingsInvalid`, never with a value in it."""
    named = os.environ.get("LOANER_CONFIG")
    if named and not Path(named).is_file():
        raise SettingsInvalid("LOANER_CONFIG names a file that does not exist.", do=f"Looked for: {named}")
    try:
        settings = Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as problems:
        raise SettingsInvalid("; ".join(_told(problem) for problem in problems.errors(include_input=False))) from None
    except tomllib.TOMLDecodeError as failure:
        raise SettingsInvalid(f"loaner.toml cannot be read: {failure}") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise SettingsInvalid(f"loaner.toml cannot be read ({type(failure).__name__}).") from None
    _refuse_unknown_environment()
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as failure:
        raise SettingsInvalid(
            f"the folder {settings.home} cannot be used: {failure.strerror}.", do="Set LOANER_HOME to one that can."
        ) from None
    return settings


def _told(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {where!r}{_did_you_mean(str(problem['loc'][-1]), _known(problem['loc']))}"
    return f"{where}: {problem['msg']}"


def _known(loc: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in loc[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = ConnectorSettings if part == "connectors" or field is None else field.annotation
        if part == "identity":
            model = IdentitySettings
    return list(getattr(model, "model_fields", Settings.model_fields))


def _refuse_unknown_environment() -> None:
    """A misspelt ``LOANER_`` variable would otherwise be ignored."""
    ours = {"CONFIG", "HOME", "SANDBOX"}  # read before or outside the settings
    known = {name.upper() for name in Settings.model_fields} | ours
    for variable in os.environ:
        if variable.startswith("LOANER_"):
            first = variable.removeprefix("LOANER_").split("__")[0]
            if first not in known:
                raise SettingsInvalid(f"unknown variable {variable}{_did_you_mean(first, sorted(known))}")


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(known)})"


def resolve(reference: str) -> Secret:
    """Fetch the secret that a reference names. Raises :class:`SettingsInvalid` when it is not there."""
    kind, _, rest = reference.partition(":")
    value: str | None = None
    if kind == "env":
        value = os.environ.get(rest)
    elif kind == "file":
        path = Path(rest)
        value = path.read_text().strip() if path.is_file() else None
    elif kind == "keyring":
        import keyring

        service, _, name = rest.partition("/")
        value = keyring.get_password(service, name)
    if not value:
        raise SettingsInvalid(f"the secret {reference!r} is empty or not there.", do="Set it, then start again.")
    return Secret(value)


@dataclass(frozen=True)
class Connector:
    """A registered app at a provider, attached to environments and agents; its secret is in memory only."""

    name: str
    provider: str
    client_id: str
    client_secret: Secret | None
    environments: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()

    def serves(self, environment: str, agent: str) -> bool:
        return (not self.environments or environment in self.environments) and (not self.agents or agent in self.agents)
