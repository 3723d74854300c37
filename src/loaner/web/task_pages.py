"""A task that is proposed: shown whole, made smaller by whoever agrees, and ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import Route

from loaner.catalog.mention import Mention
from loaner.catalog.mentions import told
from loaner.consent import ConsentRequest
from loaner.consent.tasks.scope import TaskScope
from loaner.consent.texts import texts_of
from loaner.scope import ANYTHING
from loaner.web import pages, texts
from loaner.web.consent_pages import nobody, said_no, who
from loaner.web.guard import Guard, RequestRefused, Visit
from loaner.web.site import Site

_SMALLER = "A task can only be made smaller: keep at least one tool and one resource, and raise nothing."


@dataclass(frozen=True)
class TaskPages:
    site: Site

    def routes(self, guard: Guard) -> list[Route]:
        return [
            guard.page("/task/{handle}", self.show),
            guard.page("/task/{handle}", self.decide, method="POST"),
            guard.page("/tasks/{id}/end", self.end, method="POST"),
            guard.page("/tasks/{id}/let-go", self.let_go, method="POST"),
        ]

    async def show(self, visit: Visit) -> Response:
        asked = await self._proposed(visit)
        return nobody() if asked is None else await self._page(visit, asked)

    async def decide(self, visit: Visit) -> Response:
        asked = await self._proposed(visit)
        if asked is None:
            return nobody()
        here, decision = f"/task/{asked.handle}", visit.form.get("decision")
        if decision in {"deny", "again"}:
            return await said_no(self.site, visit, asked, here)
        if asked.state_at(self.site.now()) != "pending":
            return pages.see_other(here)  # answered before: the page says how
        if decision != "approve":
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "Choose one of the two answers.")
        proof = await self.site.presence.proven(visit, asked)
        if isinstance(proof, Response):
            return proof  # nothing is approved yet
        try:
            agreed = trimmed(TaskScope.read(asked.shown["task"]), proof.form)
        except ValueError:
            return await self._page(visit, asked, problem=_SMALLER)
        await self.site.consents.tasks.agree(asked, agreed, proven_by=proof.by)
        return pages.see_other(here)

    async def end(self, visit: Visit) -> Response:
        over = self.site.consents.tasks
        ended = await over.end_of(visit.path["id"], visit.subject, why="ended by its person", by_person=True)
        return pages.see_other("/") if ended else nobody()

    async def let_go(self, visit: Visit) -> Response:
        free = await self.site.consents.tasks.let_go(visit.path["id"], visit.subject)
        return pages.see_other("/") if free else nobody()

    async def _proposed(self, visit: Visit) -> ConsentRequest | None:
        asked = await self.site.consents.question(visit.path["handle"], visit.subject)
        return asked if asked is not None and "task" in asked.shown else None

    async def _page(self, visit: Visit, asked: ConsentRequest, problem: str = "") -> Response:
        now = self.site.now()
        task_scope = TaskScope.read(asked.shown["task"])
        state = asked.state_at(now)
        running = [
            one for one in await self.site.consents.tasks.of_person(visit.subject) if one.task.need == asked.need
        ]
        return pages.render(
            "task.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
            state="confirm" if state == "pending" else state,
            problem=problem,
            asked=asked,
            agent=texts.agent_name(asked),
            title=texts.title(asked),
            code=self.site.consents.code_of(asked),
            task_scope=task_scope,
            texts={text.label: text for text in texts_of(asked)},
            opened=await self.site.consents.opened(asked),
            mentions={item.tool: self._mentions(item.tool) for item in task_scope.items},
            told=told,
            anything=ANYTHING,
            running=running[0] if running else None,
            now=now,
            since=texts.ago(asked.created_at, now),
            until=texts.left(asked.expires_at, now),
            afterwards=texts.afterwards(asked),
            **who(self.site, visit),
        )

    def _mentions(self, tool: str) -> tuple[Mention, ...]:
        """How a text of this tool notifies; none where the tool has gone since."""
        catalog = self.site.consents.tasks.catalog
        return catalog[tool].provider.mentions if tool in catalog else ()


def trimmed(task_scope: TaskScope, form: Mapping[str, str]) -> TaskScope:
    """The proposal as the person left it on the page. Raises :class:`ValueError` where it is not smaller or equal."""
    counts = {
        place: int(form.get(f"count-{place}", str(item.count)))
        for place, item in enumerate(task_scope.items)
        if f"tool-{place}" in form
    }
    resources = [place for place in range(len(task_scope.resources)) if f"resource-{place}" in form]
    return task_scope.trimmed(counts, resources, int(form.get("minutes", "")))
