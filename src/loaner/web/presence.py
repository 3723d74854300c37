"""Proof that a person gives the answer, and not an agent that shares their computer; one class for each choice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.responses import Response

from loaner.consent import ConsentRequest
from loaner.web import pages, texts
from loaner.web.guard import Visit
from loaner.web.site import PresenceProof

if TYPE_CHECKING:
    from loaner.web.passkeys import Passkeys

FRESH = timedelta(minutes=5)
"""How long ago a sign-in may be, to count as the person being there."""


class SessionPresence:
    """Whoever has the browser's session. It keeps other people and other sites out, but not an agent that runs
    commands as the same user on the same computer."""

    async def proven(
        self,
        visit: Visit,
        asked: ConsentRequest,  # noqa: ARG002 - the protocol's shape
        *,
        form_action: str | None = None,  # noqa: ARG002 - the protocol's shape
    ) -> PresenceProof | Response:
        return PresenceProof(visit.session.proven_by, visit.form)


@dataclass(frozen=True)
class PasskeyPresence:
    """A passkey's signature for this one answer, as it was chosen; asked for after the button was pressed."""

    passkeys: Passkeys

    async def proven(
        self, visit: Visit, asked: ConsentRequest, *, form_action: str | None = None
    ) -> PresenceProof | Response:
        purpose = f"approve {asked.handle}"
        if proof := visit.form.get("proof"):
            form = await self.passkeys.proven(visit.session, visit.subject, purpose, proof)
            if form is not None:
                return PresenceProof("passkey", form)
        here = visit.request.scope["path"]
        if not await self.passkeys.of(visit.subject):
            return pages.render("passkey_first.html", status=403, to=here)
        return pages.render(
            "passkey.html",
            form_action=form_action,
            scripts="'self'",
            kind="get",
            options=await self.passkeys.ask(visit.session, visit.subject, purpose, visit.form),
            title=texts.title(asked),
            action=here,
            decision="approve",
            back=here,
            again=bool(proof),
            form_token=visit.session.form_token,
        )


@dataclass(frozen=True)
class SignInPresence:
    """A sign-in with the issuer, minutes ago, for which it was told to ask again who is there."""

    async def proven(
        self,
        visit: Visit,
        asked: ConsentRequest,  # noqa: ARG002 - the protocol's shape
        *,
        form_action: str | None = None,  # noqa: ARG002 - the protocol's shape
    ) -> PresenceProof | Response:
        session = visit.session
        if session.proven_by == "oidc" and visit.at - session.since <= FRESH:
            return PresenceProof("sign-in", visit.form)
        return pages.see_other(f"/signin?to={visit.request.scope['path']}")
