"""Any flip, drop, swap, fork, or truncation before the last checkpoint held elsewhere is detected (MUST 58)."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import pytest
from audit_parts import Clock, all_of, body, filled
from sqlalchemy import Connection, delete, text, update

from loaner.audit import Audit, Record
from loaner.audit.chain import GENESIS, canonical, link
from loaner.audit.checkpoint import Checkpoint
from loaner.audit.export import read_jsonl
from loaner.audit.merkle import root_of
from loaner.audit.note import NotSigned, Signer, Verifier
from loaner.audit.proof import NotProven, check, prove
from loaner.audit.verify import ChainVerdict, HeldCheckpoint, verify
from loaner.errors import RecordsAltered, UsageError
from loaner.store import Store
from loaner.store.tables import checkpoints, records


def export_of(store: Store) -> bytes:
    return b"".join(record.line().encode() for record in all_of(store))


def verified(export: bytes, *held: HeldCheckpoint) -> ChainVerdict:
    return verify(read_jsonl(io.BytesIO(export)), held)


def held_from(checkpoint: Checkpoint) -> HeldCheckpoint:
    return HeldCheckpoint(checkpoint.size, checkpoint.root)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.from_file(tmp_path / "checkpoint.key")


async def test_a_good_export_verifies_offline(store: Store):
    await filled(store, 5)
    verdict = verified(export_of(store))
    assert (verdict.ok, verdict.count, verdict.head) == (True, 5, all_of(store)[-1].hash)


def test_no_records_are_no_bad_records():
    assert verified(b"").ok


async def test_every_flipped_bit_of_an_export_is_detected(store: Store):
    await filled(store, 3, tool="é", limits=[{"what": "resource"}], used=1, agent_verified=False)
    good = export_of(store)
    starts = [0]
    for line in good.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            verdict = verified(bytes(bad))
            assert not verdict.ok
            assert verdict.first_bad == next(n for n, start in enumerate(starts) if start > place)


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        (lambda lines: lines[:1] + lines[2:], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
        (lambda lines: [lines[0], *lines], 2),
        (lambda lines: [lines[0], b"\n", *lines[1:]], 2),
        (lambda lines: [lines[0].replace(b'"seq":1', b'"seq":1.0'), *lines[1:]], 1),
        (lambda lines: [lines[0].replace(b"{", b"{ ", 1), *lines[1:]], 1),
        (lambda lines: [lines[0].replace(b'"seq"', b'"more":1,"seq"'), *lines[1:]], 1),
        (lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")], 5),
        (lambda lines: [*lines, b"[" * 100_000], 6),
        (lambda lines: [*lines, b"\xff\xfe"], 6),
        (lambda lines: [*lines, b'{"body":{"n":' + b"9" * 5000 + b'},"hash":"","prev_hash":"","seq":6}\n'], 6),
    ],
)
async def test_a_dropped_swapped_repeated_or_respelled_line_is_detected(store: Store, change, first_bad: int):
    await filled(store, 5)
    verdict = verified(b"".join(change(export_of(store).splitlines(keepends=True))))
    assert (verdict.ok, verdict.first_bad, verdict.count) == (False, first_bad, first_bad - 1)
    assert verdict.why


async def test_a_changed_row_or_column_is_detected_in_the_store(store: Store):
    await filled(store, 4)
    for column, value in {
        "body": canonical(body()), "hash": "f" * 64, "prev_hash": "f" * 64, "kind": "other", "subject": "local bob",
        "id": "e" * 32, "at": None, "seq": 99,
    }.items():  # fmt: skip
        before = all_of(store)

        def spoil(connection: Connection, column: str = column, value: object = value) -> None:
            moved = text("at + 1") if value is None else value
            connection.execute(update(records).where(records.c.seq == 3).values({column: moved}))
            seen = verify_in(connection)
            assert (seen.ok, seen.first_bad) == (False, 3), column
            raise LookupError

        with pytest.raises(LookupError):
            await store.write(spoil)
        assert all_of(store) == before


def verify_in(connection: Connection) -> ChainVerdict:
    from loaner.audit.read import every

    return verify(every(connection))


def rewritten(rows: list[Record], start: int) -> bytes:
    """A whole other history with good hashes, from record ``start`` on."""
    forged, head = [], GENESIS if start == 1 else rows[start - 2].hash
    for row in rows[start - 1 :]:
        said = canonical(row.body | {"outcome": "forged"})
        forged.append(Record(row.seq, head, link(head, row.seq, said), said))
        head = forged[-1].hash
    return b"".join(row.line().encode() for row in [*rows[: start - 1], *forged])


async def test_a_fork_or_truncation_shows_against_a_checkpoint_held_elsewhere(
    audit: Audit, store: Store, signer: Signer
):
    await filled(store, 300)
    first = await audit.checkpoint(signer)
    await filled(store, 300)
    second = await audit.checkpoint(signer)
    held = [held_from(Checkpoint.opened(one.note, signer.verifier)) for one in (second, first)]
    await filled(store, 5)
    rows = all_of(store)
    assert verified(export_of(store), *held).ok

    for start in (1, 300, 301, 600):
        fork = rewritten(rows, start)
        assert verified(fork).ok  # by itself, it is a good chain
        verdict = verified(fork, *held)
        assert not verdict.ok
        assert verdict.why.startswith("records 1 to 300" if start <= 300 else "records 301 to 600")
    assert verified(rewritten(rows, 601), *held).ok  # after the last checkpoint nothing holds it

    for length in (0, 1, 299, 300, 599):
        cut = b"".join(row.line().encode() for row in rows[:length])
        verdict = verified(cut, *held)
        assert (verdict.ok, verdict.first_bad) == (False, length + 1)
    assert verified(b"".join(row.line().encode() for row in rows[:600]), *held).ok


async def test_tiles_and_plain_hashing_give_the_same_root(
    audit: Audit, store: Store, signer: Signer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("loaner.audit.tree.BATCH", 2)
    for size in (1, 255, 1, 500, 800):
        await filled(store, size)
        signed = await audit.checkpoint(signer)
        assert signed.root == verified(export_of(store)).root
        assert signed.note == (await audit.checkpoint(signer)).note  # one checkpoint for one size


@pytest.mark.parametrize("seq", [1, 256, 257, 600])
async def test_altered_records_are_not_signed(audit: Audit, store: Store, signer: Signer, seq: int):
    await filled(store, 600)

    await store.write(
        lambda connection: (
            connection.execute(update(records).where(records.c.seq == seq).values(body=canonical(body()))).rowcount
        )
    )
    with pytest.raises(RecordsAltered, match=f"record {seq} "):
        await audit.checkpoint(signer)


async def test_a_cut_log_is_not_signed_again(audit: Audit, store: Store, signer: Signer):
    await filled(store, 10)
    await audit.checkpoint(signer)
    await store.write(lambda connection: connection.execute(delete(records).where(records.c.seq > 8)).rowcount)
    with pytest.raises(RecordsAltered, match="first 10"):
        await audit.checkpoint(signer)


async def test_every_record_is_proven_to_someone_with_nothing_but_the_public_key(
    audit: Audit, store: Store, signer: Signer
):
    await filled(store, 260)
    await audit.checkpoint(signer)
    for seq in (1, 2, 255, 256, 257, 260):
        proof = store.read_now(lambda connection, seq=seq: prove(connection, seq))
        proven = check(proof, signer.verifier)
        assert (proven.record.seq, proven.checkpoint.size) == (seq, 260)
        for place in range(0, len(proof), 7):
            bad = proof[:place] + ("A" if proof[place] != "A" else "B") + proof[place + 1 :]
            with pytest.raises(NotProven):
                check(bad, signer.verifier)


async def test_a_record_is_proven_in_its_own_place_only(store: Store, signer: Signer):
    await filled(store, 2)
    second = all_of(store)[1]
    leaf = bytes.fromhex(second.hash)
    extra = base64.b64encode(second.line().encode()).decode()
    lines = f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex 0\n\n"
    with pytest.raises(NotProven, match="elsewhere"):
        check(lines + Checkpoint(1, root_of([leaf])).signed(signer), signer.verifier)


async def test_a_proof_for_no_record_or_before_any_checkpoint_is_refused(audit: Audit, store: Store, signer: Signer):
    await filled(store, 2)
    with pytest.raises(UsageError, match="no checkpoint"):
        store.read_now(lambda connection: prove(connection, 2))
    await audit.checkpoint(signer)
    with pytest.raises(UsageError, match="no record 3"):
        store.read_now(lambda connection: prove(connection, 3))


def test_a_note_that_go_signed_is_understood():
    """The example in the documentation of golang.org/x/mod/sumdb/note."""
    verifier = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert verifier.open(note).startswith("If you think")
    assert str(verifier) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    with pytest.raises(NotSigned):
        verifier.open(note.replace("think", "thing"))


def test_a_signature_of_somebody_unknown_is_passed_over(tmp_path: Path, signer: Signer):
    """As witnesses add theirs; a bad signature under the trusted name spoils the whole note."""
    text_ = f"{signer.name}\n3\n{'A' * 43}=\n"
    line = Signer.from_file(tmp_path / "witness.key").sign(text_).partition("\n\n")[2]
    assert Checkpoint.opened(signer.sign(text_) + line, signer.verifier).size == 3
    forged = signer.sign("another\n").partition("\n\n")[2]
    with pytest.raises(NotSigned):
        Checkpoint.opened(signer.sign(text_) + forged, signer.verifier)


@pytest.mark.parametrize("bad", ["", "a", "a+b+c", "a b+c74f20a3+AQ==", "x+00000000+" + "AQ" + "A" * 42])
def test_what_is_no_public_key_is_refused(bad: str):
    with pytest.raises(ValueError, match=r"verifier key|base64"):
        Verifier.parse(bad)


def test_a_checkpoint_of_another_log_or_an_altered_one_is_not_believed(tmp_path: Path, signer: Signer):
    note = Checkpoint(3, bytes(32)).signed(signer)
    other = Signer.from_file(tmp_path / "other.key")
    assert Checkpoint.opened(note, signer.verifier) == Checkpoint(3, bytes(32))
    for bad in (
        Checkpoint(3, bytes(32)).signed(other),
        note.replace("\n3\n", "\n4\n"),
        note + "x",
        note[:-1],
        "",
        "\n\n",
    ):
        with pytest.raises(NotSigned):
            Checkpoint.opened(bad, signer.verifier)
    for text_ in (f"{signer.name}\n03\n", f"{signer.name}\n", "elsewhere\n3\n" + "A" * 43 + "=\n"):
        with pytest.raises(NotSigned):
            Checkpoint.opened(signer.sign(text_), signer.verifier)


async def test_a_checkpoint_deleted_from_the_store_does_not_hide_a_fork_from_the_one_held(
    audit: Audit, store: Store, signer: Signer, now: Clock
):
    await filled(store, 3)
    signed = await audit.checkpoint(signer)
    await store.write(lambda connection: connection.execute(delete(checkpoints)).rowcount)
    fork = rewritten(all_of(store), 2)
    assert not verified(fork, HeldCheckpoint(signed.size, signed.root)).ok
    assert replace(signed, at=now()).size == 3
