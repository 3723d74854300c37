"""Which host a key is for: one of an enterprise server is never shown to github.com, nor the other way round."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from loaner.catalog.provider import Provider
from loaner.inventory.kinds import Key
from loaner.loopback import is_loopback

_HOST = r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?)"
_AFTER = re.compile(rf"[^\s@/]{{0,40}}@{_HOST}")
_BEFORE = re.compile(
    rf"machine\s+{_HOST}|https?://(?:[^\s/@]*@)?{_HOST.replace('host', 'url')}|^{_HOST.replace('host', 'top')}:\s*$",
    re.MULTILINE,
)
_NAMED = re.compile(rf"(?:GITHUB_HOST|GH_HOST|GITHUB_API_URL|gh-host)[\"']?\s*[:=,]?\s*[\"']?(?:https?://)?{_HOST}")
_ENTERPRISE = re.compile(r"(?:GH|GITHUB)_ENTERPRISE_TOKEN[\"']?\s*[:=]\s*[\"']?$")


def host_of(text: str, key: Key, sort: str) -> str:
    """The host that the text around it names; empty where none does, so that it is the provider's own."""
    if key.kind.provider != "github":
        return ""
    if _ENTERPRISE.search(text[max(0, key.at - 60) : key.at]):
        return "an enterprise server"
    if sort in ("gh", "git"):
        if after := _AFTER.match(text, key.at + key.length):
            return after["host"]
        before = list(_BEFORE.finditer(text, max(0, key.at - 2000), key.at))
        return next(filter(None, (before[-1]["host"], before[-1]["url"], before[-1]["top"]))) if before else ""
    named = _NAMED.search(text)
    return named["host"] if named else ""


def provider_of(key: Key, host: str, providers: Iterable[Provider]) -> Provider | None:
    """The configured provider that the key is for; ``None`` where the settings name no such host."""
    providers = list(providers)
    if host:
        return next((one for one in providers if host.lower() in _hosts(one)), None)
    own = next((one for one in providers if one.name == key.kind.provider), None)
    # A key that names no host is GitHub's own as likely as not: a server of somebody's own is not to see it.
    return own if own is None or own.name != "github" or _is_public(own) else None


def _is_public(provider: Provider) -> bool:
    """Is it at github.com, or on this computer, where it is tried out?"""
    return all(
        host == "github.com" or host.endswith(".github.com") or is_loopback(host)
        for host in (urlsplit(base).hostname or "" for base in provider.hosts.values())
    )


def _hosts(provider: Provider) -> set[str]:
    found = {urlsplit(base).netloc.lower() for base in provider.hosts.values()}
    return found | {host.partition(":")[0] for host in found}
