"""A desk where access tokens are checked at a moment that the test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from loaner.identity.access_tokens import AccessTokens
from loaner.identity.caller import UnverifiedToken
from loaner.identity.issuer_keys import IssuerKeys
from loaner.settings import IdentitySettings
from mcp_server.issuing import AUDIENCE, ISSUER, NOW, Issuer, jwk

IDENTITY = IdentitySettings(issuer=ISSUER, algorithms=("RS256", "PS256", "ES256", "EdDSA"))
KEYS = ["rsa-1", "rsa-2", "ec-1", "ed-1"]


@dataclass
class Desk:
    """Checks tokens at a moment that the test chooses."""

    issuer: Issuer
    at: datetime = NOW
    keys: IssuerKeys = field(init=False)
    tokens: AccessTokens = field(init=False)

    def __post_init__(self) -> None:
        self.keys = IssuerKeys(ISSUER, now=lambda: self.at, transport=self.issuer.transport)
        self.tokens = AccessTokens(IDENTITY, audience=AUDIENCE, keys=self.keys, now=lambda: self.at)

    async def check(self, given: str) -> Any:
        return await self.tokens.check(UnverifiedToken(given))

    def asked(self, what: str) -> int:
        return sum(address.endswith(what) for address in self.issuer.asked)


@pytest.fixture
async def desk(anyio_backend: str) -> AsyncIterator[Desk]:
    opened = Desk(Issuer(keys=[jwk(name) for name in KEYS]))
    async with opened.keys:
        yield opened


def at(seconds: float) -> int:
    """So many seconds from now, as tokens write it."""
    return int(NOW.timestamp() + seconds)
