"""A server signs checkpoints beside the calls, with a key that others over the same store share."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from audit_parts import filled

from loaner.audit import Audit, audit, tree
from loaner.audit.note import Signer
from loaner.store import Store


async def test_checkpoints_are_signed_while_nobody_asks_for_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: object
) -> None:
    monkeypatch.setattr(audit, "SIGN_EVERY", 0.01)
    made = Signer.from_file(tmp_path / "key")
    shared = Signer.parse((tmp_path / "key").read_text(), where="elsewhere")
    await filled(store, 3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Audit(store, now).keep_signing, shared)
        with anyio.fail_after(5):
            while (signed := await store.read(tree.latest)) is None:  # noqa: ASYNC110 - nothing rings when a row is written
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert signed.size == 3
    assert made.verifier.open(signed.note)
