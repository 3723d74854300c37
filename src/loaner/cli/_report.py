"""What ``loaner doctor`` found: one line for each check, in the order in which they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "failed", "not looked at"]


@dataclass(frozen=True)
class Check:
    name: str
    what: str
    state: State
    found: str = ""
    cure: str = ""
    """The setting that would let it pass, or what to do."""


@dataclass(frozen=True)
class Report:
    about: str
    checks: Sequence[Check]
    facts_found: Sequence[tuple[str, str]] = ()
    """What is known at the end, where all is well."""

    @property
    def first_failed(self) -> Check | None:
        return next((check for check in self.checks if check.state == "failed"), None)

    def facts(self) -> dict[str, Any]:
        failed = self.first_failed
        return {
            "ok": failed is None,
            "about": self.about,
            "failed": failed.name if failed else None,
            "cure": failed.cure if failed else None,
            "checks": [asdict(check) for check in self.checks],
            "facts": dict(self.facts_found),
        }

    def lines(self) -> list[str]:
        lines = [self.about]
        for check in self.checks:
            mark = {"ok": "ok", "failed": "FAILED", "not looked at": "-"}[check.state]
            found = f": {check.found}" if check.found else ""
            lines.append(f"  {mark:7} {check.name:12} {check.what}{found}")
            if check.cure:
                lines.append(f"  {'':7} {'':12} → {check.cure}")
        lines += [f"  {name}: {value}" for name, value in self.facts_found]
        failed = self.first_failed
        return [*lines, f"the first check that fails: {failed.name}" if failed else "nothing stands in the way"]
