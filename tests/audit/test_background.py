"""A server signs checkpoints beside the calls, with a key that others over the same store share."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
import structlog
from audit_parts import filled

from databases import with_store
from loaner import settings
from loaner.assembly import open_loaner
from loaner.audit import Audit, audit, tree
from loaner.audit.note import Signer
from loaner.errors import SettingsInvalid
from loaner.store import Store


async def test_checkpoints_are_signed_while_nobody_asks_for_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: object
) -> None:
    monkeypatch.setattr(audit, "SIGN_EVERY", 0.01)
    made = Signer.from_file(tmp_path / "key")
    shared = Signer.parse((tmp_path / "key").read_text(), where="elsewhere")
    await filled(store, 3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Audit(store, now).keep_signing, lambda: shared)
        with anyio.fail_after(30):
            while (signed := await store.read(tree.latest)) is None:  # noqa: ASYNC110 - nothing rings when a row is written
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert signed.size == 3
    assert made.verifier.open(signed.note)


async def test_a_server_signs_without_a_setting_and_tells_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: object
) -> None:
    """MUST 58."""
    monkeypatch.setattr(audit, "SIGN_EVERY", 0.01)
    monkeypatch.chdir(tmp_path)
    with structlog.testing.capture_logs() as said:
        async with open_loaner(settings.load(home=with_store(tmp_path / "home"))) as loaner:
            await filled(loaner.store, 3)
            with anyio.fail_after(30):
                while not (told := [one for one in said if one["event"] == "checkpoint"]):  # noqa: ASYNC110 - a log rings no bell
                    await anyio.sleep(0.01)
    made = Signer.from_file(tmp_path / "home" / "checkpoint.key")
    assert f"\n{told[-1]['size']}\n" in made.verifier.open(told[-1]["note"])


async def test_a_signing_key_that_cannot_be_used_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNING", "not a key")
    with pytest.raises(SettingsInvalid, match="does not hold a signing key"):
        async with open_loaner(settings.load(home=with_store(tmp_path / "home"), checkpoint_key="env:SIGNING")):
            pass
