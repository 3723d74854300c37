"""Whose limits a call spends."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from loaner.catalog.provider import Provider
from loaner.store.tables import grants, loans


@dataclass(frozen=True)
class LimitKey:
    """Whose limits a call spends: an account, or a workspace, at a provider, through one connector."""

    provider: Provider
    connector: str
    account_id: str

    @classmethod
    def of(cls, provider: Provider, connector: str, account_id: str) -> LimitKey:
        """``account_id`` as a grant has it; where a workspace shares the limits, they are kept for all of it."""
        shared = provider.rate.per == "workspace"
        return cls(provider, connector, account_id.partition("/")[0] if shared else account_id)

    @property
    def key(self) -> str:
        return f"{self.provider.name} {self.connector} {self.account_id}"


def account_of(connection: Connection, loan_id: str) -> tuple[str, str | None]:
    """The account at the provider on whose grant a loan is, and where that was granted; empty where the grant is not
    kept any more."""
    columns = (grants.c.account_id, grants.c.place)
    query = select(*columns).join(loans, loans.c.grant_id == grants.c.id).where(loans.c.id == loan_id)
    row = connection.execute(query).first()
    return (row.account_id, row.place) if row else ("", None)
