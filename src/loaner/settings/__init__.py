"""What the operator decided. Each table is in ``sections``; where the values come from is in ``loading``."""

from loaner.settings.connector import Connector
from loaner.settings.identity import IdentitySettings
from loaner.settings.limits import LimitSettings, StoppingSettings
from loaner.settings.loading import load, with_project
from loaner.settings.model import Settings
from loaner.settings.network import NetworkSettings
from loaner.settings.providers import ProviderSettings
from loaner.settings.references import resolve
from loaner.settings.sections import (
    ConnectorSettings,
    ConsentSettings,
    HttpSettings,
    LimiterSettings,
    TaskIssuerSettings,
    ToolSettings,
    VaultSettings,
    WorkloadSettings,
)

__all__ = [
    "Connector",
    "ConnectorSettings",
    "ConsentSettings",
    "HttpSettings",
    "IdentitySettings",
    "LimitSettings",
    "LimiterSettings",
    "NetworkSettings",
    "ProviderSettings",
    "Settings",
    "StoppingSettings",
    "TaskIssuerSettings",
    "ToolSettings",
    "VaultSettings",
    "WorkloadSettings",
    "load",
    "resolve",
    "with_project",
]
