"""Each host: its file at user scope, the shape of an entry there, and what it asks its person before it starts one.

The shapes are those of the hosts' own documentation. Paths are the ones of this platform.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from loaner.errors import UsageError

Form = Literal["json", "jsonc", "toml"]
"""``jsonc``: JSON in which the host itself takes comments and a comma at the end."""


@dataclass(frozen=True)
class McpHost:
    name: str
    title: str
    file: Path
    """Its configuration at user scope: what stands there counts in every project."""
    table: str
    """The table of that file with one entry for each server."""
    trust: str
    """What it asks before it starts the server, or uses its tools."""
    check: str
    """How to see that the server is there."""
    form: Form = "json"
    program: str | None = None
    signs: tuple[Path, ...] = ()
    """Any of these is there where the host is installed, besides its file."""
    typed: bool = False
    """Whether an entry says ``type = "stdio"``."""
    also: Mapping[str, Any] = field(default_factory=dict)
    """What an entry says besides."""

    @property
    def is_installed(self) -> bool:
        on_path = self.program is not None and shutil.which(self.program) is not None
        return on_path or any(one.exists() for one in (self.file, *self.signs))

    def entry(self, command: str, arguments: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
        """One server, as this host writes it down."""
        kind = {"type": "stdio"} if self.typed else {}
        variables = {"env": dict(environment)} if environment else {}
        return {**kind, "command": command, "args": arguments, **variables, **self.also}


def all_hosts() -> tuple[McpHost, ...]:
    """Those that ``loaner install`` knows."""
    home = Path.home()
    settings = _applications(home)
    codex = Path(os.environ.get("CODEX_HOME") or home / ".codex")
    claude = os.environ.get("CLAUDE_CONFIG_DIR")
    desktop = settings / "Claude"
    return (
        McpHost(
            "claude-code",
            "Claude Code",
            Path(claude) / ".claude.json" if claude else home / ".claude.json",
            "mcpServers",
            program="claude",
            signs=(Path(claude) if claude else home / ".claude",),
            typed=True,
            trust="nothing before it starts; it asks before it first uses each tool",
            check="claude mcp list",
        ),
        McpHost(
            "claude-desktop",
            "Claude Desktop",
            desktop / "claude_desktop_config.json",
            "mcpServers",
            signs=(desktop,),
            trust="nothing before it starts; it asks before it first uses each tool",
            check="quit and start Claude Desktop, then Settings → Developer",
        ),
        McpHost(
            "codex",
            "Codex",
            codex / "config.toml",
            "mcp_servers",
            form="toml",
            program="codex",
            signs=(codex,),
            # Its own limit of 10 s is short on a busy machine, and without `required` it goes on without our tools.
            also={"startup_timeout_sec": 30, "required": True},
            trust="whether you trust a folder when it is first started there; then calls as its approval policy says",
            check="codex mcp list",
        ),
        McpHost(
            "gemini",
            "Gemini CLI",
            home / ".gemini" / "settings.json",
            "mcpServers",
            form="jsonc",
            program="gemini",
            signs=(home / ".gemini",),
            trust="whether you trust the folder (without that it disables all servers), and before it uses a tool",
            check="gemini mcp list, in a trusted folder",
        ),
        McpHost(
            "vscode",
            "VS Code",
            settings / "Code" / "User" / "mcp.json",
            "servers",
            form="jsonc",
            program="code",
            signs=(settings / "Code",),
            typed=True,
            trust="“Do you trust this MCP server?” when it first starts it, and before it first uses each tool",
            check="the command “MCP: List Servers”",
        ),
        McpHost(
            "cursor",
            "Cursor",
            home / ".cursor" / "mcp.json",
            "mcpServers",
            form="jsonc",
            program="cursor",
            signs=(home / ".cursor",),
            trust="whether to enable a server that is new to it, and before it uses a tool",
            check="Settings → Tools & MCP",
        ),
    )


def host_named(name: str) -> McpHost:
    """Raises :class:`UsageError` for one that is not known."""
    hosts = {host.name: host for host in all_hosts()}
    if name in hosts:
        return hosts[name]
    near = get_close_matches(name, hosts, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(
        f"there is no host {name[:40]!r}.{meant}",
        do=f"One of: {', '.join(hosts)}. For any other: loaner install --print",
    )


def _applications(home: Path) -> Path:
    """Where desktop programs of this platform keep a person's settings."""
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
