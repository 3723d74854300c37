"""A registered app, with its secret in memory."""

from __future__ import annotations

from dataclasses import dataclass

from loaner.secret import Secret


@dataclass(frozen=True)
class Connector:
    """A registered app at a provider, attached to environments and agents; its secret is in memory only."""

    name: str
    provider: str
    client_id: str
    client_secret: Secret | None
    environments: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    team: str = ""
    """The workspace that calls are about, where the account does not say it."""
    shared_accounts: bool = False
    """Several people may connect the same account: a bot's."""

    def serves(self, environment: str, *, agent: str, kind: str, verified: bool) -> bool:
        """A bare name is a verified one: what a client says of itself opens nothing unless ``reported:`` is written."""
        named = {f"{kind}:{agent}", *([agent] if verified else [])}
        return (not self.environments or environment in self.environments) and (
            not self.agents or not named.isdisjoint(self.agents)
        )
