"""Every tool that cuts long texts says where to go on, and going on brings all of each of them."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from loaner import catalog
from loaner.catalog import Operation
from loaner.catalog.result import Fields, KeptField
from loaner.catalog.shape import BUDGET
from loaner.errors import ConnectorInvalid
from loaner.provider_call import ProviderTransport, send
from loaner.secret import Secret
from stand_in import Over

CATALOG = catalog.load()
WEB = {"owner": "acme", "repo": "web"}
GIVEN: dict[str, dict[str, Any]] = {
    "github_compare_refs": WEB | {"base": "v1", "head": "main"},
    "github_get_code_scanning_alert": WEB | {"code_alert_number": 1},
    "github_get_commit": WEB | {"ref": "main"},
    "github_get_file_contents": WEB | {"path": "a.txt"},
    "github_get_job_logs": WEB | {"job_id": 1},
    "github_get_release": WEB,
    "github_issue_read": WEB | {"issue_number": 1},
    "github_list_checks": WEB | {"ref": "main"},
    "github_list_code_scanning_alerts": WEB,
    "github_list_commits": WEB,
    "github_list_issues": WEB,
    "github_list_milestones": WEB,
    "github_list_releases": WEB,
    "github_list_teams": {"org": "acme"},
    "github_pull_request_read": WEB | {"pull_number": 1},
    "linear_get_document": {"documentId": "f1e2d3c4-0000-4000-8000-000000000001"},
    "linear_get_issue": {"id": "ENG-1"},
    "linear_list_attachments": {"issueId": "ENG-1"},
    "linear_list_comments": {"issueId": "ENG-1"},
    "linear_list_initiatives": {},
    "linear_list_milestones": {"projectId": "f1e2d3c4-0000-4000-8000-000000000001"},
    "linear_list_projects": {},
    "linear_list_teams": {},
    "slack_list_pins": {"channel": "C0SBX000002"},
    "slack_list_scheduled_messages": {},
    "slack_mine": {"what": "sent"},
    "slack_read_channel": {"channel": "C0SBX000002"},
    "slack_read_thread": {"channel": "C0SBX000002", "ts": "1700000000.000100"},
    "slack_search": {"query": "x"},
}
MANY = 16
"""Items of each list: more long texts than one answer has room for."""


def long_text(length: int) -> str:
    return "".join(random.Random(length).choices("abcdefgh ü\n", k=length))  # noqa: S311 - the same each time


def answered(keep: Fields) -> Any:
    """A provider's answer in which every text is longer than one answer of ours."""
    whole: dict[str, Any] = {}
    always = any(not kept.optional and (kept.each or kept.type == "text") for kept in keep.values())
    for number, (name, kept) in enumerate(keep.items()):
        path = kept.at or name
        if kept.optional and always:
            continue
        if path == ".":
            return value(kept, number)
        *above, last = path.split(".")
        at = whole
        for part in above:
            at = at.setdefault(part, {})
        at[last] = value(kept, number)
    return whole


def value(kept: KeptField, number: int) -> Any:
    if isinstance(kept.each, dict):
        return [answered(kept.each) for _ in range(MANY)]
    if kept.each:
        return ["x"]
    length = 3 * kept.cut + 17 + number
    if kept.file:
        return base64.b64encode(long_text(length).encode()).decode()
    if kept.type == "text":
        return long_text(length)
    return {"integer": 7, "number": 7, "boolean": True}.get(kept.type, "x")


def answers(operation: Operation) -> ProviderTransport:
    """A provider that answers the operation's requests, one after the other."""
    body = answered(operation.result.keep)
    steps = iter(operation.steps)

    def answer(_: httpx2.Request) -> httpx2.Response:
        step = next(steps)
        if step.answer == "text":
            return httpx2.Response(200, text=body["text"])
        said = body.get(step.name, body) if isinstance(body, dict) else body
        if step.graphql:
            return httpx2.Response(200, json={"data": said})
        return httpx2.Response(200, json=said | {"ok": True} if isinstance(said, dict) else said)

    return ProviderTransport(Over(httpx2.MockTransport(answer)))


def texts(payload: dict[str, Any], keep: Fields, path: str = "") -> Iterator[tuple[str, str, KeptField]]:
    """Where each text of an answer is, the text, and how it is kept."""
    for name, kept in keep.items():
        if isinstance(kept.each, dict):
            for number, item in enumerate(payload.get(name, ())):
                yield from texts(item, kept.each, f"{path}{name}.{number}.")
        elif kept.type == "text" and name in payload:
            yield f"{path}{name}", payload[name], kept


def test_every_tool_that_cuts_is_here() -> None:
    assert {operation.tool for operation in CATALOG.operations if operation.result.cuts} == set(GIVEN)


@pytest.mark.parametrize("tool", GIVEN)
async def test_reading_on_brings_every_text_whole(tool: str) -> None:
    operation, start, had = CATALOG[tool], 0, dict[str, list[str]]()
    for _ in range(60):
        bound = operation.bind(GIVEN[tool] | {"from_character": start})
        async with answers(operation) as transport:
            payload = (await send(bound, Secret("a loan"), transport)).payload
        found = list(texts(payload, operation.result.keep))
        assert sum(len(text) for _, text, _ in found) <= BUDGET
        for where, text, kept in found:
            whole = had.setdefault(where, [""] * (3 * kept.cut + 100))
            shown = reversed(text) if kept.tail else text
            whole[start : start + len(text)] = shown
        if "continue_from" not in payload:
            break
        assert payload["truncated"] is True
        assert payload["continue_from"] > start
        start = payload["continue_from"]
    else:
        pytest.fail("it never ends")
    body = answered(operation.result.keep)
    expected = {len(text): text for text in _all_texts(body)}
    assert had
    for whole in had.values():
        text = "".join(whole)
        assert text in {expected[len(text)], expected[len(text)][::-1]}


def _all_texts(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        for one in body.values():
            yield from _all_texts(one)
    elif isinstance(body, list):
        for one in body:
            yield from _all_texts(one)
    elif isinstance(body, str):
        yield body
        if len(body) > 80 and " " not in body:
            yield base64.b64decode(body).decode()


def test_the_parameter_is_not_for_a_file_to_declare(tmp_path: Any) -> None:
    folder = tmp_path / "linear"
    folder.mkdir()
    shipped = catalog.shipped() / "linear"
    written = (shipped / "get_issue.toml").read_text().replace("[scope]", OWN + "[scope]", 1)
    (folder / "read_issue.toml").write_text(written.replace("get_issue.graphql", "read_issue.graphql"))
    (folder / "read_issue.graphql").write_text((shipped / "get_issue.graphql").read_text())
    with pytest.raises(ConnectorInvalid, match="comes with a text that is cut"):
        catalog.load(extra=[tmp_path])


OWN = 'from_character = { about = "Mine.", role = "option", type = "integer", min = 0, max = 9, default = 0 }\n\n'
