"""Slack and Linear cannot narrow a token: loaner holds the grant's own, uses it for this call and drops it.

No agent ever sees it, loaner itself enforces the resource and the single call, and the record says so.
"""

from __future__ import annotations

from loaner.catalog.provider import Provider
from loaner.lending.loan import Minted, MintRequest, Revocation
from loaner.settings import Connector


class PassThrough:
    name = "pass_through"

    async def mint(self, ask: MintRequest) -> Minted:
        return Minted(ask.grant_token, ask.grant.permissions, ask.grant.expires_at)

    async def honours(self, ask: MintRequest) -> bool | None:  # noqa: ARG002
        return False  # what a call was refused with was that very token

    async def give_back(self, loan: Revocation, provider: Provider, connector: Connector) -> str:  # noqa: ARG002
        return "dropped: held by loaner, never handed out"
