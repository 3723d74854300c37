"""``loaner install``: let an MCP host start loaner, by one entry in its configuration that can be undone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say
from loaner.errors import HostUnusable, UsageError

if TYPE_CHECKING:
    from loaner.mcp_hosts import McpHost
    from loaner.mcp_hosts.changes import Changes, EntryPlace


def install(
    host: Annotated[
        str | None,
        typer.Argument(help="claude-code, claude-desktop, codex, gemini, vscode or cursor; without it, what is there."),
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Emulated providers in place of your accounts.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the entry out again.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print the entry, for any host; nothing is changed.")] = False,
    name: Annotated[str, typer.Option(help="What the host calls the server.")] = "loaner",
    as_json: Annotated[bool, typer.Option("--json", help=f"{OBJECT} Without HOST, a line for each.")] = False,
) -> None:
    """Add loaner to an MCP host, or take it out again.

    The entry is at user scope, so it counts in every project, and starts this loaner by its whole path. The rest of the
    host's file stays as it is, and --undo gives back its bytes.

    \b
    Examples:
      loaner install                          # which hosts are here
      loaner install claude-code --sandbox    # try it without accounts
      loaner install claude-code              # with your own
      loaner install claude-code --undo
      loaner install --print                  # for a host that is not named here
    """
    from loaner.mcp_hosts import host_named

    if undo and (show or sandbox or host is None):
        raise UsageError("--undo takes a HOST, and neither --print nor --sandbox.")
    if show:
        _print(host_named(host) if host else None, name, sandbox=sandbox, as_json=as_json)
    elif host is None:
        _list(name, as_json=as_json)
    elif undo:
        _undo(host_named(host), name, as_json=as_json)
    else:
        _install(host_named(host), name, sandbox=sandbox, as_json=as_json)


def _install(host: McpHost, name: str, *, sandbox: bool, as_json: bool) -> None:
    from loaner.cli import _own_command

    if not host.is_installed:
        program = f"the program {host.program!r} nor " if host.program else ""
        raise HostUnusable(
            f"{host.title} is not installed here: neither {program}{host.file} is there.",
            do=f"Install it first, or see what would be written: loaner install {host.name} --print",
        )
    changes, place = _change(host, name)
    command, arguments, variables = _own_command.serving(sandbox=sandbox)
    entry = host.entry(command, arguments, variables)
    done = changes.put(place, entry)
    undoing = f"loaner install {host.name} --undo" + ("" if name == "loaner" else f" --name {name}")
    if as_json:
        facts = {"host": host.name, "file": str(host.file), "name": name, "done": done, "entry": entry}
        print(json.dumps(facts | {"asks": host.trust, "check": host.check, "undo": undoing}))
        return
    say(f"✓ {host.title} has {name} in {host.file}" + (", as before" if done == "already there" else ""))
    say(f"  starts   {' '.join([command, *arguments])}")
    say("  scope    yours, in every project")
    say(f"  it asks  {host.trust}")
    say(f"  check    {host.check}")
    say(f"  undo     {undoing}")
    if not sandbox:
        _hint()


def _hint() -> None:
    from loaner.settings import load

    if not load().connectors:
        say("! No connector is configured yet, so agents are shown loaner_status alone. Begin with: loaner init")


def _undo(host: McpHost, name: str, *, as_json: bool) -> None:
    changes, place = _change(host, name)
    done = changes.undo(place)
    if as_json:
        print(json.dumps({"host": host.name, "file": str(host.file), "name": name, "done": done}))
        return
    before = "what it was before" if host.file.exists() else "gone; it was not there before"
    told = {
        "undone": f"✓ {host.file} is {before}",
        "taken out": f"✓ {name} is taken out of {host.file}; what changed there since is kept",
        "not there": f"{name} is not in {host.file}; nothing was changed",
    }
    say(told[done])


def _change(host: McpHost, name: str) -> tuple[Changes, EntryPlace]:
    from loaner.mcp_hosts.changes import Changes, EntryPlace
    from loaner.settings import load
    from loaner.settings.home import made

    place = EntryPlace.of(host, name)
    return Changes(made(load().home)), place


def _print(host: McpHost | None, name: str, *, sandbox: bool, as_json: bool) -> None:
    from loaner.cli import _own_command
    from loaner.mcp_hosts import toml_text
    from loaner.mcp_hosts.changes import EntryPlace

    command, arguments, variables = _own_command.serving(sandbox=sandbox)
    if host is None:
        more = {"env": variables} if variables else {}
        print(json.dumps({"mcpServers": {name: {"command": command, "args": arguments, **more}}}, indent=2))
        return
    place, entry = EntryPlace.of(host, name), host.entry(command, arguments, variables)
    if as_json:
        facts = {"host": host.name, "file": str(host.file), "name": name, "table": host.table, "entry": entry}
        print(json.dumps(facts))
    elif host.form == "toml":
        say(f"# {host.file}\n{toml_text.block(place.table, name, entry)}".rstrip())
    else:
        say(f"// {host.file}")
        say(json.dumps({place.table: {name: entry}}, indent=2, ensure_ascii=False))


def _list(name: str, *, as_json: bool) -> None:
    from loaner.mcp_hosts import all_hosts

    for host in all_hosts():
        state = _state(host, name)
        if as_json:
            row: dict[str, Any] = {"host": host.name, "file": str(host.file), "state": state}
            print(json.dumps(row))
        else:
            say(f"{host.name:15} {state:16} {host.file}")


def _state(host: McpHost, name: str) -> str:
    from loaner.mcp_hosts import file_text
    from loaner.mcp_hosts.changes import EntryPlace

    if not host.is_installed:
        return "not here"
    place = EntryPlace.of(host, name)
    try:
        there = place.entry(place.parsed(file_text.read(host.file).text))
    except HostUnusable:
        return "file unreadable"
    return "has it" if there is not None else "without it"
