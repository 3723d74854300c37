"""All settings of one loaner, as a value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import Field, PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from loaner.settings import urls
from loaner.settings.anchored import Anchor
from loaner.settings.identity import IdentitySettings
from loaner.settings.limits import LimitSettings, StoppingSettings
from loaner.settings.network import NetworkSettings
from loaner.settings.paths import absolute
from loaner.settings.project import Project
from loaner.settings.providers import Hosts, ProviderName, ProviderSettings
from loaner.settings.references import KeyReference, Reference, resolve
from loaner.settings.sections import (
    ConnectorSettings,
    ConsentSettings,
    HttpSettings,
    LimiterSettings,
    RetentionSettings,
    TaskIssuerSettings,
    ToolSettings,
    VaultSettings,
    WorkloadSettings,
)


def whole_store_url(written: str, setting: str, base: Path | None) -> str:
    """The store with the whole path of its file, where it is SQLite's or a reference to a file."""
    if written.startswith("file:"):
        return f"file:{absolute(written.removeprefix('file:'), setting=setting, base=base)}"
    scheme, slashes, rest = written.partition(":///")
    if not slashes or not scheme.startswith("sqlite") or not rest or rest.startswith(":memory:"):
        return written
    path, question, options = rest.partition("?")
    return f"{scheme}:///{absolute(path, setting=setting, base=base)}{question}{options}"


StoreUrl = Annotated[str, Anchor(whole_store_url)]


def _home() -> Path:
    return absolute(platformdirs.user_state_dir("loaner"), setting="XDG_STATE_HOME", base=None)


class Settings(BaseSettings):
    """All settings of one loaner."""

    model_config = SettingsConfigDict(
        env_prefix="LOANER_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True, frozen=True
    )

    home: Path = Field(default_factory=_home)
    """Where the store, the key and the run files live."""
    environment: str = "development"
    """What rules, records and connectors call the place that this loaner serves."""
    store: StoreUrl | None = None
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
    limiter: LimiterSettings = LimiterSettings()
    limits: LimitSettings = LimitSettings()
    network: NetworkSettings = NetworkSettings()
    stopping: StoppingSettings = StoppingSettings()
    retention: RetentionSettings = RetentionSettings()
    hosts: dict[str, Hosts] = Field(default_factory=dict)
    """Other base URLs for all hosts of a provider, or its one address: a GitHub Enterprise Server."""
    providers: dict[ProviderName, ProviderSettings] = Field(default_factory=dict)
    """Further instances of a provider, beside the public one."""
    connectors: dict[str, ConnectorSettings] = Field(default_factory=dict)
    task: Path | None = None
    """A task (TOML) that a person has to agree to before anything else is done; see ``loaner_propose_task``."""
    policy: Path | None = None
    """A folder of ``*.cedar`` rules in place of the built-in ones; ``policy/`` beside the settings file if not set."""
    extra_connectors: Path | None = None
    """A folder of further connector files, beside the shipped ones."""

    _file: Path | None = PrivateAttr(None)
    _read: bool = PrivateAttr(False)
    _project: Project | None = PrivateAttr(None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - a value: it is `load` that reads
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    def came_from(self, file: Path, *, read: bool) -> None:
        """Keep which file of the operator's own was looked for, and whether it was there."""
        self._file, self._read = file, read

    def narrowed(self, project: Project) -> Settings:
        """The same, with what a project takes away. Which tools it leaves is looked at where the tools are known."""
        tools = self.tools.model_copy(
            update={
                "exclude": (*self.tools.exclude, *project.says.exclude_tools),
                "read_only": self.tools.read_only or project.says.read_only,
            }
        )
        narrower = self.model_copy(update={"tools": tools})
        narrower._project = project  # noqa: SLF001 - a copy of itself
        return narrower

    @property
    def project(self) -> Project | None:
        """The trusted project whose file narrows these settings."""
        return self._project

    @property
    def files(self) -> tuple[Path, ...]:
        """The settings files that were read."""
        return (self._file,) if self._file and self._read else ()

    @property
    def looked_for(self) -> Path | None:
        """The file that would be read, also where it is not there."""
        return self._file

    @property
    def store_url(self) -> str:
        if self.store and self.store.startswith(("env:", "file:", "keyring:")):
            return whole_store_url(resolve(self.store, setting="store").reveal(), f"store ({self.store})", None)
        return self.store or f"sqlite:///{self.home / 'loaner.db'}"

    @property
    def public_url(self) -> str:
        return self.http.public_url or f"http://{urls.in_url(self.http.host)}:{self.http.port}"

    @property
    def policy_folder(self) -> Path | None:
        """Where the rules are: as set, or beside the operator's own file; ``None`` for the built-in ones."""
        if self.policy or self._file is None:
            return self.policy
        beside = self._file.parent / "policy"
        return beside if beside.is_dir() else None
