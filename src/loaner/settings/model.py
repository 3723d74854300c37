"""All settings of one loaner, as a value."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from loaner.settings.references import KeyReference, Reference, resolve
from loaner.settings.sections import (
    BudgetSettings,
    ConnectorSettings,
    ConsentSettings,
    HttpSettings,
    IdentitySettings,
    TaskIssuerSettings,
    ToolSettings,
    VaultSettings,
    WorkloadSettings,
)


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
