"""Tasks through the front door: proposed by an agent, trimmed by a person, counted, and ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from jsonschema import validate

from journeys.town import Town, error_of, text_of, town
from loaner.assembly import open_loaner
from loaner.errors import SettingsInvalid
from loaner.sandbox import pages
from loaner.settings import load

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
COMMENT = ISSUE | {"body": "Looked at it."}
TRIAGE: dict[str, Any] = {
    "purpose": "triage issues in acme/web",
    "operations": [{"tool": "github_issue_read", "count": 5}, {"tool": "github_add_issue_comment", "count": 2}],
    "resources": ["acme/web"],
    "minutes": 60,
}
eras = pytest.mark.parametrize("era", ["auto", "legacy"])


async def agreed(acme: Town, agent: Any, proposal: dict[str, Any] = TRIAGE) -> dict[str, Any]:
    asked = await agent.call_tool("loaner_propose_task", proposal)
    assert error_of(asked)["code"] == "consent_required"
    assert (await acme.decide(asked)).state == "approved"
    told = await agent.call_tool("loaner_propose_task", proposal)
    assert told.structured_content, text_of(told)
    return dict(told.structured_content)


@eras
async def test_a_task_is_agreed_to_once_and_then_counts_every_call(acme: Town, era: str) -> None:
    """MUST 27, 28: inside the task nothing is asked; its counts are the end of that."""
    async with acme.agent(mode=era) as agent:
        task = await agreed(acme, agent)
        read = await acme.call(agent, "github_issue_read", ISSUE)  # asks once, to connect the account
        assert not read.is_error, text_of(read)
        for _ in range(2):
            commented = await agent.call_tool("github_add_issue_comment", COMMENT)
            assert not commented.is_error, text_of(commented)
        third = await agent.call_tool("github_add_issue_comment", COMMENT)
        assert error_of(third)["code"] == "consent_required"
        assert "its calls of github_add_issue_comment are used up" in text_of(third)
    records = await acme.records(outcome="ok", provider="github")
    assert {record["task"] for record in records} == {task["task"]}


async def test_a_call_outside_a_task_asks_and_says_what_is_outside(acme: Town) -> None:
    """MUST 28: an injected call derives its own least scope, and is told apart by the task alone."""
    async with acme.agent() as agent:
        await agreed(acme, agent)
        assert not (await acme.call(agent, "github_issue_read", ISSUE)).is_error
        elsewhere = await agent.call_tool("github_issue_read", ISSUE | {"repo": "api"})
        other = await agent.call_tool("github_list_issues", {"owner": "acme", "repo": "web"})
        assert "acme/api#1 is none of its resources" in text_of(elsewhere)
        assert "github_list_issues is none of its tools" in text_of(other)
        for answer in (elsewhere, other):
            assert error_of(answer)["code"] == "consent_required"
            assert "outside the task “triage issues in acme/web”" in text_of(answer)


async def test_what_ends_a_task_ends_every_yes_in_it(acme: Town) -> None:
    async with acme.agent() as agent:
        task = await agreed(acme, agent)
        ended = await agent.call_tool("loaner_end_task", {})
        assert ended.structured_content == {"task": task["task"], "ended": [task["task"]]}
        assert (await agent.call_tool("loaner_status", {})).structured_content["tasks"] == []  # type: ignore[index]
        asked = await agent.call_tool("github_add_issue_comment", COMMENT)
        assert error_of(asked)["code"] == "consent_required"
        assert "it was ended, and anything else asks until" in text_of(asked)
        again = await agent.call_tool("loaner_end_task", {})
        assert error_of(again)["code"] == "invalid_arguments"


async def test_what_loaner_tells_of_itself_is_what_its_tools_declare(acme: Town) -> None:
    async with acme.agent() as agent:
        declared = {tool.name: tool.output_schema for tool in (await agent.list_tools()).tools}
        wanted = TRIAGE | {"operations": [TRIAGE["operations"][0] | {"arguments": {"owner": "acme"}}]}
        tasks = [await agreed(acme, agent), await agreed(acme, agent, wanted)]
        assert not (await acme.call(agent, "github_issue_read", ISSUE)).is_error  # connects the account
        waits = await agent.call_tool("slack_send_message", {"channel": "#releases", "text": "hello"})
        assert error_of(waits)["code"] == "consent_required"
        status = (await agent.call_tool("loaner_status", {})).structured_content
        ended = (await agent.call_tool("loaner_end_task", {})).structured_content
    assert status
    assert all(status[part] for part in ("connected", "tasks", "pending"))
    for task in tasks:
        validate(task, declared["loaner_propose_task"])
    validate(status, declared["loaner_status"])
    validate(ended, declared["loaner_end_task"])


async def test_a_task_runs_out(acme: Town) -> None:
    async with acme.agent() as agent:
        await agreed(acme, agent)
        acme.advance(minutes=61)
    async with acme.agent() as agent:
        assert (await agent.call_tool("loaner_status", {})).structured_content["tasks"] == []  # type: ignore[index]
        assert error_of(await agent.call_tool("loaner_propose_task", TRIAGE))["code"] == "consent_required"


async def test_what_destroys_something_is_no_part_of_a_task(tmp_path: Path) -> None:
    wanted = TRIAGE | {"operations": [{"tool": "github_delete_file"}]}
    async with town(tmp_path / "home", tools={"toolsets": ["all"]}) as everything, everything.agent() as agent:
        refused = await agent.call_tool("loaner_propose_task", wanted)
    assert error_of(refused)["code"] == "invalid_arguments"
    assert "destructive" in text_of(refused)


@pytest.mark.parametrize(
    "wrong",
    [
        {"operations": []},
        {"operations": [{"tool": "github_everything"}]},
        {"operations": [{"tool": "github_issue_read", "count": 101}]},
        {"operations": [{"tool": "github_issue_read", "arguments": {"issue": 1}}]},
        {"operations": [{"tool": "github_issue_read", "arguments": {"issue_number": "one"}}]},
        {"operations": [{"tool": "github_issue_read", "open": ["issue"]}]},
        {"operations": [{"tool": "github_issue_read", "open": "issue_number"}]},
        {"resources": []},
        {"minutes": 481},
        {"purpose": "two\nlines"},
        {"allow": "everything"},
    ],
)
async def test_a_proposal_that_means_nothing_is_refused_before_anyone_is_asked(acme: Town, wrong: Any) -> None:
    async with acme.agent() as agent:
        refused = await agent.call_tool("loaner_propose_task", TRIAGE | wrong)
        assert error_of(refused)["code"] == "invalid_arguments", text_of(refused)
        assert (await agent.call_tool("loaner_status", {})).structured_content["pending"] == []  # type: ignore[index]


async def test_arguments_that_a_task_fixes_stay_as_they_are(acme: Town) -> None:
    only_one = TRIAGE | {"operations": [{"tool": "github_issue_read", "arguments": {"issue_number": 1}}]}
    async with acme.agent() as agent:
        await agreed(acme, agent, only_one)
        assert not (await acme.call(agent, "github_issue_read", ISSUE)).is_error
        other = await agent.call_tool("github_issue_read", ISSUE | {"issue_number": 2})
        assert "it fixes other arguments" in text_of(other)


async def test_counts_are_kept_however_many_ask_at_once(acme: Town) -> None:
    """Twenty at the same moment share five calls."""
    async with acme.agent() as agent:
        await agreed(acme, agent)
        assert not (await acme.call(agent, "github_issue_read", ISSUE)).is_error  # the first of five
        answers: list[Any] = []

        async def read() -> None:
            answers.append(await agent.call_tool("github_issue_read", ISSUE))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(read)
    assert sum(not answer.is_error for answer in answers) == 4
    assert {error_of(answer)["code"] for answer in answers if answer.is_error} <= {
        "consent_required",
        "consent_pending",
    }


async def test_another_person_and_another_agent_have_none_of_it(acme: Town) -> None:
    """MUST 27: bound to person and agent."""
    async with acme.agent() as agent, acme.agent("bob") as his, acme.agent(name="other") as other:
        await agreed(acme, agent)
        for stranger in (his, other):
            assert (await stranger.call_tool("loaner_status", {})).structured_content["tasks"] == []
            assert error_of(await stranger.call_tool("loaner_end_task", {}))["code"] == "invalid_arguments"
            assert error_of(await stranger.call_tool("github_add_issue_comment", COMMENT))["code"] == "consent_required"


async def test_only_the_person_who_was_asked_sees_a_proposal(acme: Town) -> None:
    async with acme.agent() as agent:
        asked = await agent.call_tool("loaner_propose_task", TRIAGE)
        assert (await acme.decide(asked, user="bob")).state == "wrong_person"
        assert (await acme.decide(asked, deny=True)).state == "denied"
        refused = await agent.call_tool("loaner_propose_task", TRIAGE)
    assert error_of(refused)["code"] == "consent_denied"


async def test_own_tools_leave_records(acme: Town) -> None:
    async with acme.agent() as agent:
        await agent.call_tool("loaner_status", {})
        await agreed(acme, agent)
    records = await acme.records()
    assert [(record["tool"], record["outcome"]) for record in records] == [
        ("loaner_status", "ok"),
        ("loaner_propose_task", "consent_needed"),
        ("loaner_propose_task", "ok"),
    ]


async def test_what_destroys_something_is_typed_by_the_person(tmp_path: Path) -> None:
    """MUST 24: a button alone, or another name, destroys nothing."""
    call = {"owner": "acme", "repo": "web"}
    async with town(tmp_path / "home", tools={"toolsets": ["all"]}) as everything, everything.agent() as agent:
        asked = await agent.call_tool("github_delete_repository", call)
        url = error_of(asked)["url"]
        for typed in ("", "acme/api", "ACME/WEB"):
            state = await pressed(everything, url, target=typed)
            assert state == "confirm"
            assert error_of(await agent.call_tool("github_delete_repository", call))["code"] == "consent_pending"
        assert (await everything.decide(asked)).state == "approved"  # this one types what the page says
        assert not (await agent.call_tool("github_delete_repository", call)).is_error
        assert error_of(await agent.call_tool("github_delete_repository", call))["code"] == "consent_required"


async def test_a_person_may_trim_a_task_and_nobody_may_widen_it(acme: Town) -> None:
    async with acme.agent() as agent:
        asked = await agent.call_tool("loaner_propose_task", TRIAGE)
        url = error_of(asked)["url"]
        wider = ({"minutes": "61"}, {"count-1": "3"}, {"count-1": "0"}, {"count-0": "-1"}, {"minutes": "x"})
        nothing = ({"tool-0": None, "tool-1": None}, {"resource-0": None})
        for change in (*wider, *nothing):
            assert await pressed(acme, url, **change) == "confirm", change
        assert await pressed(acme, url, **{"tool-0": None, "count-1": "1", "minutes": "5"}) == "approved"
        told = (await agent.call_tool("loaner_propose_task", TRIAGE)).structured_content
        assert told
        assert told["operations"] == [{"tool": "github_add_issue_comment", "calls_left": 1}]
        until = datetime.fromisoformat(told["until"])
        assert until - acme.loaner.now() <= timedelta(minutes=5)
        assert "github_issue_read is none of its tools" in text_of(await agent.call_tool("github_issue_read", ISSUE))


HOSTED = """
purpose = "read issues of acme/web"
operations = [{ tool = "github_issue_read", count = 3 }]
resources = ["acme/web"]
minutes = 30
"""


async def test_a_task_of_the_host_comes_before_any_call_and_bounds_them_all(tmp_path: Path) -> None:
    """The host only proposes: the person agrees, and the agent had no word in it."""
    file = tmp_path / "task.toml"
    file.write_text(HOSTED)
    async with town(tmp_path / "home", task=file) as hosted, hosted.agent() as agent:
        asked = await agent.call_tool("github_get_me", {})
        assert "use 1 tool up to 3 times on acme/web for 30 min" in text_of(asked)
        assert (await hosted.decide(asked)).state == "approved"
        assert not (await hosted.call(agent, "github_issue_read", ISSUE)).is_error
        outside = await agent.call_tool("github_get_me", {})
        assert error_of(outside)["code"] == "policy_denied", "nobody is asked about what is outside of it"
        assert error_of(outside)["rule"] == "outside-task"
        assert "github_get_me is none of its tools" in text_of(outside)
        for _ in range(2):
            assert not (await agent.call_tool("github_issue_read", ISSUE)).is_error
        spent = await agent.call_tool("github_issue_read", ISSUE)
        assert error_of(spent)["code"] == "policy_denied"
        assert "used up" in text_of(spent)


@pytest.mark.parametrize(("setting", "code"), [("refuse", "policy_denied"), ("ask", "consent_required")])
async def test_a_setting_says_what_becomes_of_what_is_outside(tmp_path: Path, setting: str, code: str) -> None:
    file = tmp_path / "task.toml"
    file.write_text(HOSTED)
    consent = {"outside_task": setting}
    async with town(tmp_path / "home", task=file, consent=consent) as hosted, hosted.agent() as agent:
        assert (await hosted.decide(await agent.call_tool("github_get_me", {}))).state == "approved"
        assert not (await hosted.call(agent, "github_issue_read", ISSUE)).is_error
        outside = await agent.call_tool("github_get_me", {})
        assert error_of(outside)["code"] == code
    async with town(tmp_path / "another", consent=consent) as proposed, proposed.agent() as agent:
        await agreed(proposed, agent)
        outside = await agent.call_tool("github_get_me", {})
        assert error_of(outside)["code"] == code


async def test_a_task_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    for text in ("", "purpose = ", HOSTED.replace("minutes = 30", "minutes = 3000")):
        file.write_text(text)
        with pytest.raises(SettingsInvalid, match=r"the task .*task\.toml"):
            async with open_loaner(load(home=tmp_path / "home", task=file), serving=False):
                pass


async def pressed(acme: Town, url: str, **change: str | None) -> str:
    """The state of the page after alice pressed its yes with some fields changed, or left out."""
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=True, timeout=30) as http:

        async def send(page: pages.Page, form: pages.Form, fields: dict[str, Any]) -> pages.Page:
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
            answer = await http.request(form.method.upper(), form.action, data=fields, headers={"Origin": origin})
            return pages.read(str(answer.url), answer.status_code, answer.text)

        answer = await http.get(url)
        page = pages.read(str(answer.url), answer.status_code, answer.text)
        while page.state != "confirm":  # signing in, at the issuer
            form = next(form for form in page.forms if form.buttons)
            typed = {"login": "alice"} if "login" in form.typed else {}
            button = next((one for one in form.buttons if one.value != "deny"), form.buttons[0])
            page = await send(page, form, form.fields | typed | ({button.name: button.value} if button.name else {}))
        form = next(form for form in page.forms if any(one.value == "approve" for one in form.buttons))
        fields = {**form.fields, **change, "decision": "approve"}
        page = await send(page, form, {name: value for name, value in fields.items() if value is not None})
        return page.state
