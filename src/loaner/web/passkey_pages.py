"""My passkeys: the first is taken on trust, every change after it needs one that is there already."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from loaner.web import pages
from loaner.web.consent_pages import nobody, who
from loaner.web.guard import Guard, RequestRefused, Visit
from loaner.web.site import Site

if TYPE_CHECKING:
    from loaner.web.passkeys import Passkeys

_BACK = re.compile(r"/(?:consent|task)/[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class PasskeyPages:
    site: Site
    passkeys: Passkeys

    def routes(self, guard: Guard) -> list[Route]:
        return [
            guard.page("/passkeys", self.show),
            guard.page("/passkeys", self.add, method="POST"),
            guard.page("/passkeys/{id}/remove", self.remove, method="POST"),
        ]

    async def show(self, visit: Visit) -> Response:
        to = visit.request.query_params.get("to", "")
        return pages.render(
            "passkeys.html",
            passkeys=await self.passkeys.of(visit.subject),
            to=to if _BACK.fullmatch(to) else "",
            **who(self.site, visit),
        )

    async def add(self, visit: Visit) -> Response:
        """Three steps of one form: prove with an old one where there is one, make the new one, keep it."""
        proof, back = visit.form.get("proof", ""), self._back(visit)
        if visit.form.get("decision") == "keep":
            if not await self.passkeys.keep(visit.session, visit.subject, proof):
                raise RequestRefused(HTTPStatus.FORBIDDEN, "No passkey was made. Nothing was changed.")
            return pages.see_other(back)
        another = bool(await self.passkeys.of(visit.subject))
        if another:
            if not proof:
                return await self._prove(visit, "add", "/passkeys", "Add another passkey?")
            if await self.passkeys.proven(visit.session, visit.subject, "add", proof) is None:
                raise RequestRefused(HTTPStatus.FORBIDDEN, "That was not one of your passkeys. Nothing was changed.")
        return pages.render(
            "passkey.html",
            scripts="'self'",
            kind="create",
            options=await self.passkeys.invite(visit.session, visit.subject, proven=another),
            title="Make a passkey for loaner?",
            action=f"/passkeys?to={back}",
            decision="keep",
            back="/passkeys",
            again=False,
            form_token=visit.session.form_token,
        )

    async def remove(self, visit: Visit) -> Response:
        name = visit.path["id"]
        if name not in {one.id for one in await self.passkeys.of(visit.subject)}:
            return nobody()
        here, proof = f"/passkeys/{name}/remove", visit.form.get("proof", "")
        if not proof:
            return await self._prove(visit, f"remove {name}", here, "Remove this passkey?")
        if await self.passkeys.proven(visit.session, visit.subject, f"remove {name}", proof) is None:
            raise RequestRefused(HTTPStatus.FORBIDDEN, "That was not one of your passkeys. Nothing was changed.")
        await self.passkeys.remove(visit.subject, name)
        return pages.see_other("/passkeys")

    async def _prove(self, visit: Visit, purpose: str, action: str, title: str) -> Response:
        return pages.render(
            "passkey.html",
            scripts="'self'",
            kind="get",
            options=await self.passkeys.ask(visit.session, visit.subject, purpose, {}),
            title=title,
            action=action,
            decision="add",
            back="/passkeys",
            again=False,
            form_token=visit.session.form_token,
        )

    def _back(self, visit: Visit) -> str:
        to = visit.request.query_params.get("to", "")
        return to if _BACK.fullmatch(to) else "/passkeys"
