"""``loaner inventory``: long-lived keys that lie about on this computer, and loaner in their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli._json import LINES
from loaner.cli._say import say
from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.inventory.findings import Finding
    from loaner.inventory.probe import Reach
    from loaner.settings import Settings


def inventory(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Where projects are; this folder if none is named.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Ask each key's own provider what it could reach. The only network call.")
    ] = False,
    swap: Annotated[
        str | None, typer.Option(metavar="HOST/SERVER", help="Put loaner in the place of this entry.")
    ] = None,
    undo: Annotated[str | None, typer.Option(metavar="HOST/SERVER", help="Put back what a swap replaced.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """Find long-lived keys on this computer.

    Of GitHub, Slack and Linear: in the files of MCP hosts, environment files and shell profiles, the stores of gh and
    git, and this shell's environment. A key is told by its last four characters and its fingerprint, and never shown.

    \b
    Examples:
      loaner inventory ~/src
      loaner inventory --probe
      loaner inventory --swap cursor/github    # --undo cursor/github puts it back
    """
    from loaner.cli import _opened

    if (swap is not None) + (undo is not None) + probe > 1:
        raise UsageError("--probe, --swap and --undo are for one each.")
    settings, _ = _opened.settings_for_a_verb()
    if undo is not None:
        _undo(undo, settings, as_json=as_json)
    elif swap is not None:
        _swap(swap, settings, as_json=as_json)
    else:
        _look(folders or [Path.cwd()], settings, probe=probe, as_json=as_json)


def _look(folders: list[Path], settings: Settings, *, probe: bool, as_json: bool) -> None:
    import anyio

    from loaner.inventory.findings import Finding, look

    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder.")
    found = list(look(folders))
    keys = [one for one in found if isinstance(one, Finding)]
    reached = anyio.run(_reached, keys, settings) if probe else {}
    for one in found:
        reach = reached.get(_which(one)) if isinstance(one, Finding) else None
        if as_json:
            print(json.dumps(one.facts() | ({"reach": reach.facts()} if reach else {})))
        elif isinstance(one, Finding):
            _tell(one, reach)
        else:
            say(f"! not looked at: {one.where}: {one.why}")
    if not as_json:
        _sum(keys, probe=probe)


def _tell(one: Finding, reach: Reach | None) -> None:
    line = f":{one.line}" if one.line else ""
    say(f"{one.key.kind.provider:7} {one.key.kind.title}, …{one.key.ends_with}, good {one.key.kind.lives}")
    say(f"        in {one.where}{line}" + (f"  {one.name}" if one.name else ""))
    say(f"        fingerprint {one.key.fingerprint[:16]}" + (f"; swap it: --swap {one.entry}" if one.entry else ""))
    if reach:
        say(f"        {reach.told()}")


def _sum(keys: list[Finding], *, probe: bool) -> None:
    different = len({one.key.fingerprint for one in keys})
    if not keys:
        say("no long-lived key was found")
        return
    say(f"{different} keys in {len({one.where for one in keys})} places")
    if not probe:
        say("What each could reach: loaner inventory --probe (asks its provider)")


def _which(one: Finding) -> tuple[str, str]:
    return one.key.fingerprint, one.belongs_to


async def _reached(keys: list[Finding], settings: Settings) -> dict[tuple[str, str], Reach]:
    from loaner.assembly import whole_catalog
    from loaner.inventory.belongs import provider_of
    from loaner.inventory.probe import Reach, reach
    from loaner.network import Network

    providers = list(whole_catalog(settings).providers.values())
    network = Network.of(settings.network)
    reached: dict[tuple[str, str], Reach] = {}
    for one in keys:
        if _which(one) in reached:
            continue
        provider = provider_of(one.key, one.belongs_to, providers)
        whose = one.belongs_to or "github.com, as far as is said"
        unknown = Reach(None, why=f"not asked: it is for {whose}, which is no host of a provider in the settings")
        reached[_which(one)] = await reach(one.key, provider, network) if provider else unknown
    return reached


def _swap(entry: str, settings: Settings, *, as_json: bool) -> None:
    from loaner.cli import _own_command
    from loaner.inventory import swap
    from loaner.inventory.findings import Finding, look

    keys = [one for one in look([]) if isinstance(one, Finding) and one.entry == entry]
    if not keys:
        raise UsageError(
            f"there is no entry {entry[:80]!r} with a key in it.",
            do="loaner inventory names those that can be replaced.",
        )
    providers = sorted({one.key.kind.provider for one in keys})
    command, arguments, variables = _own_command.serving()
    swap.put(entry, (command, [*arguments, "--toolsets", ",".join(providers)], variables), settings)
    if as_json:
        print(json.dumps({"entry": entry, "done": "swapped", "toolsets": providers, "file": keys[0].where}))
        return
    say(f"✓ {entry} in {keys[0].where} starts loaner now, with its tools for {' and '.join(providers)}")
    say("  The key still works: end it at its provider. What stood there is kept, sealed.")
    say(f"  undo  loaner inventory --undo {entry}")


def _undo(entry: str, settings: Settings, *, as_json: bool) -> None:
    from loaner.inventory import swap

    done = swap.undo(entry, settings)
    if as_json:
        print(json.dumps({"entry": entry, "done": done}))
    else:
        say(f"✓ {entry} is what it was before" if done != "not there" else f"{entry} is not there; nothing was changed")
