"""The comparison of what the providers' ledger knows with what loaner's own books say."""

from __future__ import annotations

from typing import Any

from loaner.sandbox.ledger import Entry, Ledger


class Books:
    """Remembers which row stood for which lost token: one that stood for none will stand for none that comes later."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.size = 0
        """Records that were looked at already."""
        self._recorded: set[str] = set()
        self._stands_for: dict[str, set[str]] = {}

    def balance(self, found: dict[str, Any]) -> None:
        """After a crash and a recovery: nothing lives that is not listed, nothing was done that is not recorded."""
        assert [entry.as_json() for entry in self.unaccounted(found)] == []
        assert [loan for loan in found["loans"] if loan["fingerprint"]] == [], "sealed, and not given back"
        assert found["chain"] is not False
        self.size = found["size"]
        self._recorded |= {record.get("fingerprint") for record in found["records"]}
        called = {entry.fingerprint for entry in self.ledger if entry.kind == "scoped" and entry.uses}
        assert called <= self._recorded, "a call reached the provider and has no record"

    def unaccounted(self, found: dict[str, Any]) -> list[Entry]:
        """Tokens that are alive at a provider and neither in a usable grant nor listed as an open loan."""
        listed = {*found["held"], *(row["fingerprint"] for row in found["loans"])}
        unknown = [row for row in found["loans"] if not row["fingerprint"]]
        for row in unknown:
            listed |= self._stands_for.get(row["id"], set())
        fresh = [(row, set[str]()) for row in unknown if row["id"] not in self._stands_for]
        missing = []
        for entry in self.ledger:
            if entry.provider == "idp" or entry.fingerprint in listed or not self.ledger.is_alive(entry):
                continue
            kind = "loan" if entry.kind == "scoped" else entry.kind
            row, taken = next((one for one in fresh if _may_be(one[0], entry, kind, one[1])), (None, set[str]()))
            if row is None:
                missing.append(entry)
            else:  # a row stands for one credential; a pair's row for one access and one refresh token
                taken.add(kind)
                self._stands_for.setdefault(row["id"], set()).add(entry.fingerprint)
        for row in unknown:
            self._stands_for.setdefault(row["id"], set())
        return missing


def _may_be(row: dict[str, Any], entry: Entry, kind: str, taken: set[str]) -> bool:
    shown = entry.as_json()
    return (
        row["provider"] == entry.provider
        and kind not in taken
        and (row["resource"].startswith("account:")) == (kind != "loan")
        and row["since"] <= str(shown["minted_at"])
        # A row without a known end stays until it is known.
        and (None in {shown["expires_at"], row["latest_expiry"]} or row["latest_expiry"] >= str(shown["expires_at"]))
    )
