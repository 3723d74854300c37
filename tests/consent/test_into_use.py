"""What waits for "is that you?" is lent on only if its end has not begun, at the moment of the change itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from house import CONNECTORS, tools
from loaner.connectors import Connectors
from loaner.errors import GrantBroken
from loaner.grants import pending_pairs, unconfirmed
from loaner.grants.grants import Granted, Grants
from loaner.grants.token_endpoint import TokenSet
from loaner.secret import Secret
from loaner.store import LocalKey, open_store
from loaner.store.tables import grants

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
GITHUB = next(one for one in CONNECTORS if one.provider == "github")
OF_IT = grants.c.id == pending_pairs.id_of("handle")


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"next_attempt_at": None},  # somebody said that it is not theirs
        {"next_attempt_at": NOW},  # the question ran out
        {"attempts": 1, "next_attempt_at": LATER},  # its provider was asked to end it
        {"state": "revoked"},
    ],
    ids=str,
)
async def test_no_grant_comes_back_whose_end_began_after_it_was_looked_at(
    store_url: str, meanwhile: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(store_url, LocalKey(bytes(32))) as store:
        kept = Grants(store, lambda: NOW, tools().providers, Connectors(CONNECTORS))
        tokens = TokenSet(Secret("access"), Secret("refresh"), 60.0, 600.0, frozenset())
        granted = Granted("local ada", GITHUB, tools().providers["github"], "sandbox", tokens, ("1", "ada"))
        await store.write(lambda c: unconfirmed.keep(c, kept, "handle", granted, at=NOW, until=LATER))

        opened = kept.opened

        def confirm(connection: Connection) -> None:
            def ended_meanwhile(row: Any) -> dict[str, Any]:
                connection.execute(update(grants).where(OF_IT).values(meanwhile))
                return opened(row)

            monkeypatch.setattr(kept, "opened", ended_meanwhile)
            unconfirmed.confirm(connection, kept, "handle", NOW)

        with pytest.raises(GrantBroken):
            await store.write(confirm)
        monkeypatch.undo()
        assert (await store.read(lambda c: c.execute(select(grants.c.state)).scalar())) == "revoking"
        assert (await store.write(lambda c: unconfirmed.confirm(c, kept, "handle", NOW))).version == 1
