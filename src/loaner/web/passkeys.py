"""Passkeys: what only a person's touch, face or code can sign (Web Authentication Level 3).

A challenge is made for one browser session and one purpose, such as saying yes to one question, keeps what the person
chose with it, and is spent by the first proof that names it, right or wrong. User verification is always required: a
key that signs without looking at who is there would prove the computer, not the person.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import Connection, and_, delete, or_, select, update
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from loaner.audit import event
from loaner.clock import Now
from loaner.identity.caller import Subject
from loaner.store import Store, tags
from loaner.store.tables import passkey_challenges, passkeys
from loaner.web.sessions import Session

PATIENCE = timedelta(minutes=5)
"""How long a challenge waits for its proof."""
_REQUIRED = UserVerificationRequirement.REQUIRED


@dataclass(frozen=True)
class Passkey:
    id: str
    public_key: bytes
    sign_count: int
    created_at: datetime
    used_at: datetime | None


class Passkeys:
    """The passkeys of every person, and the challenges that wait for a proof."""

    def __init__(self, store: Store, now: Now, base_url: Callable[[], str]) -> None:
        self.store = store
        self.now = now
        self.base_url = base_url

    async def of(self, subject: Subject) -> list[Passkey]:
        """Those of one person, the oldest first."""
        return await self.store.read(lambda c: self._of(c, subject))

    def _of(self, connection: Connection, subject: Subject) -> list[Passkey]:
        """A row that was altered behind our back is none of them."""
        query = select(passkeys).where(passkeys.c.subject == subject.key).order_by(passkeys.c.created_at)
        return [
            Passkey(row.id, row.public_key, row.sign_count, row.created_at, row.used_at)
            for row in tags.sound(connection, passkeys, connection.execute(query))
        ]

    async def ask(self, session: Session, subject: Subject, purpose: str, form: Mapping[str, str]) -> str:
        """Options for ``navigator.credentials.get``; ``form`` is what the proof will be a yes to."""
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id(),
            challenge=await self._challenge(session, purpose, form),
            timeout=int(PATIENCE.total_seconds() * 1000),
            allow_credentials=[_named(one) for one in await self.of(subject)],
            user_verification=_REQUIRED,
        )
        return webauthn.options_to_json(options)

    async def invite(self, session: Session, subject: Subject, *, proven: bool) -> str:
        """Options for ``navigator.credentials.create``. ``proven``: with a passkey that was there before."""
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id(),
            rp_name="loaner",
            user_name=session.display or subject.sub,
            user_id=sha256(subject.key.encode()).digest(),
            challenge=await self._challenge(session, "keep", {"proven": "yes"} if proven else {}),
            timeout=int(PATIENCE.total_seconds() * 1000),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=_REQUIRED
            ),
            exclude_credentials=[_named(one) for one in await self.of(subject)],
        )
        return webauthn.options_to_json(options)

    async def proven(self, session: Session, subject: Subject, purpose: str, proof: str) -> Mapping[str, str] | None:
        """The form that this proof is a yes to; ``None`` when it proves nothing."""
        challenge, form = await self._spent(session, purpose)
        if challenge is None:
            return None
        try:
            credential = webauthn.helpers.parse_authentication_credential_json(proof)
            known = next(one for one in await self.of(subject) if one.id == bytes_to_base64url(credential.raw_id))
            signed = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id(),
                expected_origin=self.base_url(),
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, StopIteration):
            return None
        count = passkeys.c.sign_count
        # Of two proofs with the same count, one is of a copied key; a key that never counts says 0 (§6.1.1).
        newer = count < signed.new_sign_count if signed.new_sign_count else count == 0
        counted = update(passkeys).where(passkeys.c.id == known.id, newer)
        values = {"sign_count": signed.new_sign_count, "used_at": self.now()}
        return form if await self.store.write(lambda c: c.execute(counted.values(**values)).rowcount == 1) else None

    async def keep(self, session: Session, subject: Subject, proof: str) -> bool:
        """Keep a new passkey of this person; whether it is one."""
        challenge, form = await self._spent(session, "keep")
        if challenge is None:
            return False
        try:
            made = webauthn.verify_registration_response(
                credential=proof,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id(),
                expected_origin=self.base_url(),
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError):
            return False
        name, at = bytes_to_base64url(made.credential_id), self.now()

        def work(connection: Connection) -> bool:
            if connection.execute(select(passkeys.c.id).where(passkeys.c.id == name)).first():
                return False
            # Asked for when there was none, and there is one now: the first was taken on trust, and no second is.
            if "proven" not in form and self._of(connection, subject):
                return False
            row = {"id": name, "subject": subject.key, "public_key": made.credential_public_key}
            tags.add(connection, passkeys, row | {"sign_count": made.sign_count, "created_at": at})
            by = session.proven_by
            event.note(connection, "passkey_made", subject=subject.key, at=at, outcome="ok", proven_by=by)
            return True

        return await self.store.write(work)

    async def remove(self, subject: Subject, name: str) -> bool:
        gone = delete(passkeys).where(passkeys.c.id == name, passkeys.c.subject == subject.key)
        at = self.now()

        def work(connection: Connection) -> bool:
            if connection.execute(gone).rowcount != 1:
                return False
            event.note(connection, "passkey_removed", subject=subject.key, at=at, outcome="ok", proven_by="passkey")
            return True

        return await self.store.write(work)

    async def _challenge(self, session: Session, purpose: str, form: Mapping[str, str]) -> bytes:
        """A new one, in place of an earlier one for the same: the last page that was opened counts."""
        challenge, at = secrets.token_bytes(32), self.now()
        mine = and_(passkey_challenges.c.session == session.id, passkey_challenges.c.purpose == purpose)
        row = {
            "session": session.id,
            "purpose": purpose,
            "challenge": challenge,
            "form": {name: value for name, value in form.items() if name not in {"form_token", "proof"}},
            "expires_at": at + PATIENCE,
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(passkey_challenges).where(or_(mine, passkey_challenges.c.expires_at <= at)))
            tags.add(connection, passkey_challenges, row)

        await self.store.write(work)
        return challenge

    async def _spent(self, session: Session, purpose: str) -> tuple[bytes | None, dict[str, str]]:
        mine = and_(
            passkey_challenges.c.session == session.id,
            passkey_challenges.c.purpose == purpose,
            passkey_challenges.c.expires_at > self.now(),
        )

        def work(connection: Connection) -> tuple[bytes | None, dict[str, Any]]:
            rows = tags.sound(
                connection, passkey_challenges, connection.execute(select(passkey_challenges).where(mine))
            )
            if not rows or connection.execute(delete(passkey_challenges).where(mine)).rowcount != 1:
                return None, {}
            return rows[0].challenge, rows[0].form

        return await self.store.write(work)

    def _rp_id(self) -> str:
        return urlsplit(self.base_url()).hostname or ""


def _named(one: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id))
