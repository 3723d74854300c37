"""What a provider's key looks like, and how a text that only looks so is told apart.

GitHub puts a checksum into most of its keys, so that nobody has to ask it:
https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
The others are known by a prefix and a fixed form; there, what is no more than an example is left out.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loaner.secret import KEY_SHAPE, Secret

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM = 6
_DISTINCT = 8
"""Characters that a random part has at least; in 24 random ones of an alphabet of 16 are hardly ever fewer."""
_EXAMPLE = re.compile(
    r"(.)\1{5}|example|your[-_]?|placeholder|redacted|dummy|changeme|123456789|abcdefgh", re.IGNORECASE
)
_UNTIL_REVOKED = "until it is revoked"


@dataclass(frozen=True)
class Kind:
    provider: str
    title: str
    shape: str
    lives: str
    checksum: bool = False
    """Whether its last six characters are the CRC-32 of the thirty before, in base 62."""


@dataclass(frozen=True)
class Key:
    """One key in a text. Never its value."""

    kind: Kind
    secret: Secret
    at: int
    length: int
    """Of what stands in the text at that place."""
    ends_with: str

    @property
    def fingerprint(self) -> str:
        return self.secret.fingerprint


KINDS: Final = (
    Kind(
        "github", "personal access token (classic)", r"ghp_[A-Za-z0-9]{36}", "until it is revoked, or its own end", True
    ),
    Kind(
        "github",
        "personal access token (fine-grained)",
        r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        "until its own end",
    ),
    Kind("github", "OAuth app token", r"gho_[A-Za-z0-9]{36}", _UNTIL_REVOKED, True),
    Kind("github", "user token of a GitHub App", r"ghu_[A-Za-z0-9]{36}", "8 hours, or until it is revoked", True),
    Kind("github", "refresh token of a GitHub App", r"ghr_[A-Za-z0-9]{76}|ghr_[A-Za-z0-9]{36}", "6 months"),
    Kind("slack", "bot token", r"xoxb-[0-9]{8,14}-[0-9]{8,14}-[A-Za-z0-9]{24}", _UNTIL_REVOKED),
    Kind("slack", "user token", r"xoxp-(?:[0-9]{8,14}-){2,3}[0-9a-f]{32}", _UNTIL_REVOKED),
    Kind("slack", "refresh token", r"xoxe-[0-9]-[A-Za-z0-9]{140,160}", _UNTIL_REVOKED),
    Kind("slack", "app-level token", r"xapp-[0-9]-A[A-Z0-9]{8,12}-[0-9]{8,14}-[0-9a-f]{64}", _UNTIL_REVOKED),
    Kind("slack", "browser session", r"xoxc-(?:[0-9]{8,14}-){3}[0-9a-f]{64}", "until its person signs out"),
    Kind(
        "slack",
        "incoming webhook",
        r"https://hooks\.slack\.com/services/T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{24}",
        _UNTIL_REVOKED,
    ),
    Kind("linear", "personal API key", r"lin_api_[A-Za-z0-9]{40}", _UNTIL_REVOKED),
    Kind("linear", "OAuth token", r"lin_oauth_[A-Za-z0-9]{40,64}", "until its own end"),
)
BEFORE_PREFIXES: Final = Kind("github", "token from before 2021", r"[0-9a-f]{40}", _UNTIL_REVOKED)
"""It looks like any other digest, so it is one only where a name says so."""
_ANY = re.compile(
    "|".join(f"(?P<k{index}>(?<![A-Za-z0-9_]){kind.shape}(?![A-Za-z0-9_]))" for index, kind in enumerate(KINDS))
)
_NAMED = re.compile(
    r"(?:GITHUB_(?:PERSONAL_ACCESS_)?TOKEN|GITHUB_PAT|GH_TOKEN|oauth_token)[\"']?\s*[:=]\s*[\"']?"
    r"(?P<old>[0-9a-f]{40})(?![0-9A-Za-z])|https?://(?:[^\s:/@]*:)?(?P<url>[0-9a-f]{40})(?::x-oauth-basic)?@github\.com"
)


def keys_in(text: str) -> Iterator[Key]:
    """Each key that stands in a text, in order."""
    found = [_key(KINDS[int(one.lastgroup[1:])], one[0], one.start()) for one in _ANY.finditer(text) if one.lastgroup]
    for one in _NAMED.finditer(text):
        which = "old" if one["old"] else "url"
        found.append(_key(BEFORE_PREFIXES, one[which], one.start(which)))
    yield from sorted((one for one in found if one), key=lambda key: key.at)


def without_keys(text: str) -> str:
    """A name or a path, in which a key would be shown."""
    return KEY_SHAPE.sub("(a key)", _ANY.sub("(a key)", text))


def _key(kind: Kind, value: str, at: int) -> Key | None:
    random = re.split(r"[-_/]", value)[-1]
    if kind.checksum and not is_checked(random):
        return None
    if len(set(random)) < _DISTINCT or _EXAMPLE.search(value):
        return None
    return Key(kind, Secret(value), at, len(value), value[-4:])


def is_checked(random: str) -> bool:
    """Whether what GitHub made up ends in its own checksum."""
    return random[-_CHECKSUM:] == checksum(random[:-_CHECKSUM])


def checksum(of: str) -> str:
    left, digits = zlib.crc32(of.encode()), ""
    while left:
        left, digit = divmod(left, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits.rjust(_CHECKSUM, "0")
