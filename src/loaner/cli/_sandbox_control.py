"""``loaner sandbox fault`` and ``switch``: what goes wrong in the sandbox, and how its providers behave."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from loaner.cli._json import OBJECT
from loaner.errors import UsageError

fault = typer.Typer(help="Faults of an emulated provider, on purpose.")


@fault.callback()
def faults() -> None:
    """Faults of an emulated provider, on purpose."""


@fault.command()
def add(
    provider: Annotated[str, typer.Argument(help="github, slack, linear or idp.")],
    kind: Annotated[
        str,
        typer.Argument(
            help="status:503, after:503 (once it has acted), rate_limit, hang, slow_drip, half_close or wrong_scope."
        ),
    ],
    path: Annotated[str, typer.Option(help="Only requests whose path holds this.")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="How many times; until cleared if not given.")] = None,
) -> None:
    """Let the next requests to a provider fail.

    \b
    Examples:
      loaner sandbox fault add github rate_limit --count 2
    """
    from loaner.sandbox.app import PROVIDERS

    if provider not in PROVIDERS:
        raise UsageError(f"the sandbox has no provider {provider!r}.", do=f"Known: {', '.join(PROVIDERS)}.")
    _show(_asked("POST", "faults", {"provider": provider, "kind": kind, "path": path, "count": count}))


@fault.command()
def clear(provider: Annotated[str | None, typer.Argument(help="Every provider if not given.")] = None) -> None:
    """Forget the faults.

    Requests that hang are let go.

    \b
    Examples:
      loaner sandbox fault clear
    """
    _show(_asked("DELETE", "faults" + (f"?provider={provider}" if provider else "")))


@fault.command("list")
def listed(as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False) -> None:
    """List what is still to go wrong.

    \b
    Examples:
      loaner sandbox fault list
    """
    waiting = _asked("GET", "faults")
    print(json.dumps(waiting)) if as_json else _show(waiting)


def switch(
    name: Annotated[str | None, typer.Argument(help="A switch; all of them are listed if not given.")] = None,
    value: Annotated[str | None, typer.Argument(help="true, false, a number or a word.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Show or change how the sandbox behaves.

    Where the providers' documents leave it open.

    \b
    Examples:
      loaner sandbox switch
    """
    switches = _asked("GET", "switches")
    if name is not None and name not in switches:
        raise UsageError(f"there is no switch {name!r}.", do=f"Known: {', '.join(switches)}.")
    if name is not None and value is not None:
        switches = _asked("PUT", "switches", {name: _read(value, switches[name])})
    shown = {name: switches[name]} if name is not None else switches
    if as_json:
        print(json.dumps(shown))
        return
    for one, state in shown.items():
        print(f"{one} = {json.dumps(state)}")


def _read(value: str, now: object) -> object:
    """``value`` in the kind that the switch has now."""
    if isinstance(now, str):
        return value
    try:
        return json.loads(value.lower())
    except ValueError:
        raise UsageError(f"{value!r} is not {'true or false' if isinstance(now, bool) else 'a number'}.") from None


def _asked(method: str, what: str, body: object = None) -> dict[str, Any]:
    import httpx2

    from loaner import settings
    from loaner.cli import _sandboxed

    url = f"{_sandboxed.running(settings.load().home)}/sandbox/{what}"
    answer = httpx2.request(method, url, json=body, trust_env=False)
    told: dict[str, Any] = answer.json()
    if answer.is_error:
        raise UsageError(f"the sandbox refused: {told.get('error', 'no reason given')}")
    return told


def _show(waiting: dict[str, Any]) -> None:
    for provider, faults in waiting.items():
        for one in faults:
            times = "until cleared" if one["count"] is None else f"{one['count']}×"
            print(f"{provider:8} {one['kind']:12} {one['path'] or 'every path'} ({times})")
    if not waiting:
        print("nothing is to go wrong")
