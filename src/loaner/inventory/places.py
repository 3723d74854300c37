"""Where keys lie: the files of MCP hosts, environment files and shell profiles, and the stores of gh and git."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from loaner.mcp_hosts import McpHost, all_hosts
from loaner.mcp_hosts.known import Form

Sort = Literal["MCP host", "environment", "gh", "git", "package registry"]
_DEEPEST = 6
MOST_FOLDERS = 20_000
_SKIPPED = {"node_modules", "site-packages", "__pycache__", "Library", "venv", "target", "dist", "build", "vendor"}
_PROFILES = (
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".env",
    ".envrc",
    ".config/fish/config.fish",
    ".config/nushell/env.nu",
    ".pam_environment",
)
_REGISTRIES = (".npmrc", ".yarnrc.yml", ".pypirc", ".docker/config.json", ".gem/credentials", ".m2/settings.xml")
_PROJECT_HOSTS: dict[str, tuple[str, Form, str]] = {
    ".mcp.json": ("claude-code", "json", "mcpServers"),
    ".vscode/mcp.json": ("vscode", "jsonc", "servers"),
    ".cursor/mcp.json": ("cursor", "jsonc", "mcpServers"),
    ".gemini/settings.json": ("gemini", "jsonc", "mcpServers"),
    ".codex/config.toml": ("codex", "toml", "mcp_servers"),
}
_MORE_HOSTS = (  # found in, not written to
    ".codeium/windsurf/mcp_config.json",
    ".config/zed/settings.json",
    ".config/goose/config.yaml",
    ".config/opencode/opencode.json",
    ".lmstudio/mcp.json",
    ".kiro/settings/mcp.json",
    ".copilot/mcp-config.json",
    ".continue/config.yaml",
    ".aws/amazonq/mcp.json",
)


@dataclass(frozen=True)
class Place:
    file: Path
    sort: Sort
    host: McpHost | None = None
    """The host whose file at user scope it is; only there an entry can be replaced."""
    table: str = ""
    form: Form | None = None


def places(folders: Iterable[Path], left_out: list[Path]) -> Iterator[Place]:
    """Every place that may hold a key, once: a person's own, then those in ``folders``.

    A folder that is too large to be seen whole is added to ``left_out``.
    """
    seen: set[Path] = set()
    for place in (*_own(), *(one for folder in folders for one in _inside(folder, left_out))):
        real = place.file.resolve()
        if real not in seen and place.file.is_file():
            seen.add(real)
            yield place


def _own() -> Iterator[Place]:
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    for host in all_hosts():
        yield Place(host.file, "MCP host", host, host.table, host.form)
    for name in _MORE_HOSTS:
        yield Place(home / name, "MCP host")
    for name in _PROFILES:
        yield Place(home / name, "environment")
    for folder in (config / "environment.d", home / ".config" / "environment.d"):
        for file in sorted(folder.glob("*.conf")):
            yield Place(file, "environment")
    gh = Path(os.environ.get("GH_CONFIG_DIR") or config / "gh")
    for file in (gh / "hosts.yml", gh / "config.yml", config / "hub"):
        yield Place(file, "gh")
    for file in (
        home / ".git-credentials",
        config / "git" / "credentials",
        home / ".gitconfig",
        config / "git" / "config",
    ):
        yield Place(file, "git")
    yield Place(home / ".netrc", "git")
    for name in _REGISTRIES:
        yield Place(home / name, "package registry")


def _inside(folder: Path, left_out: list[Path]) -> Iterator[Place]:
    """What a project may hold: environment files, hosts' project files, and git's remotes."""
    for looked, (path, folders, files) in enumerate(os.walk(folder)):
        here = Path(path)
        depth = len(here.relative_to(folder).parts)
        if looked >= MOST_FOLDERS:
            left_out.append(folder)
            return
        inside_git = here / ".git" / "config"
        if inside_git.exists():
            yield Place(inside_git, "git")
        for name, (_, form, table) in _PROJECT_HOSTS.items():
            yield Place(here / name, "MCP host", table=table, form=form)
        folders[:] = sorted(
            one for one in folders if depth < _DEEPEST and one not in _SKIPPED and not one.startswith(".")
        )
        for name in sorted(files):
            if any(fnmatch(name, pattern) for pattern in (".env", ".env.*", "*.env", ".envrc")):
                yield Place(here / name, "environment")
            elif name in (".npmrc", ".yarnrc.yml"):
                yield Place(here / name, "package registry")
            elif name in (".netrc", ".git-credentials"):
                yield Place(here / name, "git")
