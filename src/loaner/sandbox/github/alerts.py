"""What GitHub found in the code of a repository: code-scanning and secret-scanning alerts, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class CodeAlert:
    number: int
    rule: str
    description: str
    severity: Literal["low", "medium", "high", "critical"]
    path: str
    line: int
    at: datetime
    state: Literal["open", "dismissed", "fixed"] = "open"
    tool: str = "CodeQL"
    message: str = ""


@dataclass(frozen=True)
class SecretAlert:
    number: int
    kind: str
    shown_kind: str
    secret: str = field(repr=False)
    path: str
    line: int
    at: datetime
    state: Literal["open", "resolved"] = "open"
    resolution: str | None = None
    validity: Literal["active", "inactive", "unknown"] = "unknown"
    publicly_leaked: bool = False


@dataclass
class Alerts:
    """``None``: that kind of scanning is switched off."""

    code: list[CodeAlert] | None = None
    secrets: list[SecretAlert] | None = None


def seeded(at: datetime) -> Alerts:
    """Those of acme/web."""
    return Alerts(
        code=[
            CodeAlert(1, "py/sql-injection", "SQL query of user-controlled sources", "high", "src/app.py", 2, at,
                      message="This query depends on a user-provided value."),
            CodeAlert(2, "py/unused-import", "Unused import", "low", "src/app.py", 1, at, state="fixed"),
        ],
        secrets=[
            SecretAlert(1, "example_api_key", "Example API Key", "exk_live_7Qm2ZsLx90vB", "src/app.py", 1, at,
                        validity="active"),
            SecretAlert(2, "example_webhook", "Example Webhook URL", "https://hooks.example/s3cr3t", "README.md", 3, at,
                        state="resolved", resolution="revoked", validity="inactive"),
        ],
    )  # fmt: skip
