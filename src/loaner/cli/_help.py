"""The list of verbs, in groups: by what somebody wants to do with them."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperGroup

USE: Final = "Use"
INSPECT: Final = "Inspect"
STOP: Final = "Stop and keep"
DEVELOP: Final = "Develop"
OTHERS: Final = "Others"
_ORDER: Final = (USE, INSPECT, STOP, DEVELOP, OTHERS)


class Grouped(TyperGroup):
    """Each verb stands under the panel that it is registered with."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        verbs = [(name, self.commands[name]) for name in self.list_commands(ctx) if not self.commands[name].hidden]
        widest = max(len(name) for name, _ in verbs)
        for title in _ORDER:
            rows = [
                (name.ljust(widest), verb.get_short_help_str(formatter.width - widest - 6))
                for name, verb in verbs
                if (getattr(verb, "rich_help_panel", None) or OTHERS) == title
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
