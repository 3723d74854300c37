"""What is allowed: a person's own accounts, tasks and approvals, each with a way to end it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from loaner.web import pages, texts
from loaner.web.consent_pages import nobody, who
from loaner.web.guard import Guard, Visit
from loaner.web.site import Site


@dataclass(frozen=True)
class HomePages:
    site: Site

    def routes(self, guard: Guard) -> list[Route]:
        return [
            guard.page("/", self.allowed),
            guard.page("/connect", self.accounts),
            guard.page("/connect/{connector}", self.connect, method="POST"),
            guard.page("/grants/{id}/revoke", self.revoke, method="POST"),
            guard.page("/approvals/{id}/end", self.end_approval, method="POST"),
            guard.page("/pauses/{id}/lift", self.lift_pause, method="POST"),
        ]

    async def allowed(self, visit: Visit) -> Response:
        standing = await self.site.consents.standing(visit.subject)
        return pages.render(
            "home.html",
            grants=[(grant, self.site.providers(grant.provider).title) for grant in standing.connected],
            approvals=[(one, texts.allowed(one, self.site.now())) for one in standing.approved],
            tasks=standing.tasks,
            lasting=await self.site.consents.tasks.lasting_of(visit.subject),
            paused=standing.paused,
            denied=[(asked, texts.title(asked)) for asked in standing.denied],
            waiting=[(asked, texts.title(asked)) for asked in standing.pending],
            **who(self.site, visit),
        )

    async def accounts(self, visit: Visit) -> Response:
        mine = await self.site.consents.connecting.accounts(visit.subject)
        approved = (await self.site.consents.standing(visit.subject)).approved
        reads = defaultdict(list)
        for one in approved:
            if one.effect == "read":
                reads[one.connector].append(f"{texts.whose(one.agent)} may {texts.allowed(one, self.site.now())}.")
        mode = self.site.consents.settings.reads
        return pages.render("connect.html", accounts=mine, reads=reads, mode=mode, **who(self.site, visit))

    async def connect(self, visit: Visit) -> Response:
        handle = await self.site.consents.connecting.ask(visit.subject, visit.path["connector"])
        return pages.see_other(f"/consent/{handle}" if handle else "/connect")

    async def revoke(self, visit: Visit) -> Response:
        mine = (await self.site.consents.standing(visit.subject)).connected
        if visit.path["id"] not in {grant.id for grant in mine}:
            return nobody()  # another person's grant is as unknown as none
        await self.site.revoke_grant(visit.path["id"])
        return pages.see_other("/")

    async def end_approval(self, visit: Visit) -> Response:
        ended = await self.site.consents.end_approval(visit.path["id"], visit.subject)
        return pages.see_other("/") if ended else nobody()

    async def lift_pause(self, visit: Visit) -> Response:
        lifted = await self.site.consents.lift_pause(visit.path["id"], visit.subject)
        return pages.see_other("/") if lifted else nobody()
