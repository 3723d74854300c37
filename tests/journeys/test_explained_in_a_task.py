"""What ``explain`` says of a call is what becomes of it while a task runs, and saying it asks nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from journeys.town import Town, error_of, town
from loaner.consent import Proposal
from loaner.identity.caller import Caller, UnverifiedToken
from loaner.identity.host_tasks import HostTasks
from loaner.journey import Explanation
from loaner.policy import rules

READ = ("github_list_issues", {"owner": "acme", "repo": "web"})
OUTSIDE = ("github_list_issues", {"owner": "acme", "repo": "api"})
WRITE = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "done"})
TASK = {
    "purpose": "tidy up",
    "operations": [{"tool": "github_list_issues"}, {"tool": "github_add_issue_comment"}],
    "resources": ["acme/web"],
    "minutes": 30,
}

DEFAULT = Path(rules.__file__).with_name("default.cedar")
ONLY_INSIDE = '@id("only-in-a-task")\nforbid (principal, action, resource) unless { context has task };\n'


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "task.cedar").write_text(DEFAULT.read_text() + ONLY_INSIDE)
    async with town(tmp_path / "home", policy=folder) as built:
        yield built


async def test_each_call_becomes_what_was_said_of_it(acme: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    callers: list[Caller] = []
    real = HostTasks.bound

    async def seen(self: HostTasks, token: UnverifiedToken | None, caller: Caller) -> Caller:
        callers.append(caller)
        return await real(self, token, caller)

    monkeypatch.setattr(HostTasks, "bound", seen)

    async def explained(call: tuple[str, dict[str, object]]) -> Explanation:
        bound = acme.loaner.catalog[call[0]].bind(call[1])
        return await acme.loaner.journey.explain(bound, callers[-1])

    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*OUTSIDE))["rule"] == "only-in-a-task"
        assert (await explained(READ)).task == ""
        with monkeypatch.context() as demands:
            demands.setattr(acme.loaner.consents.tasks, "host", Proposal.of(TASK))
            assert (await explained(READ)).task == "its task has to be agreed to first"
        assert (await acme.loaner.consents.standing(callers[-1].subject)).pending == [], "nobody was asked for it"
        assert not (await acme.call(agent, "loaner_propose_task", TASK)).is_error
        assert not (await acme.call(agent, *READ)).is_error  # connects the account
        before = acme.ledger()
        inside = [await explained(call) for call in (READ, WRITE)]
        outside = await explained(OUTSIDE)
        assert acme.ledger() == before, "nothing was sent"
        assert [(one.task, one.reading, one.connected) for one in inside] == [
            ("inside the task “tidy up”", "", True)
        ] * 2
        refused = [one.ruling.rule == "only-in-a-task" for one in (*inside, outside)]
        assert refused == [False, False, True]
        assert outside.task.startswith("outside the task “tidy up”: ")
        assert outside.task.endswith(": the person is asked")
        assert [(await agent.call_tool(*call)).is_error for call in (READ, WRITE, OUTSIDE)] == [False, False, True]
