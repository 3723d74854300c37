"""Whose limits a call spends."""

from __future__ import annotations

from dataclasses import dataclass

from loaner.catalog.provider import Provider
from loaner.consent.grants import Grant


@dataclass(frozen=True)
class Account:
    """Whose limits a call spends: an account at a provider, through one connector."""

    provider: Provider
    connector: str
    account_id: str

    @classmethod
    def of(cls, provider: Provider, grant: Grant) -> Account:
        return cls(provider, grant.connector, grant.account_id)

    @property
    def key(self) -> str:
        return f"{self.provider.name} {self.connector} {self.account_id}"
