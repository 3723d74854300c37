"""A repository is created with a credential that administers a whole organization: by an exact yes, each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

TOOL = "github_create_repository"
NEW = {"org": "acme", "name": "Tools.v2", "description": "Small tools"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("repository"), tools={"toolsets": ("all",)}) as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


def found(acme: Town, name: str) -> Any:
    hub: Any = acme.running.sandbox.inside["github"]
    return hub.world.find(name)


async def test_a_repository_is_created_by_one_exact_yes(acme: Town) -> None:
    async with acme.agent() as agent:
        asked = await agent.call_tool(TOOL, NEW)
        assert "administration:write on acme/" in text_of(asked)
        assert (await acme.decide(asked)).state == "approved"
        other = await agent.call_tool(TOOL, NEW | {"name": "tools.v2"})
        assert error_of(other)["code"] == "consent_required", "that was for a name in its own letters"
        answer = await agent.call_tool(TOOL, NEW)
    assert not answer.is_error, text_of(answer)
    made = found(acme, "acme/tools.v2")
    assert (made.name, made.description, made.public) == ("Tools.v2", "Small tools", False)
    assert answer.structured_content["full_name"] == "acme/Tools.v2"

    record = (await acme.records(tool=TOOL, outcome="ok"))[-1]
    assert (record["resource"], record["needed_permissions"]) == ("account:acme/", ["administration:write"])
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"administration": "write", "metadata": "read"}
    assert {name.partition("/")[0] for name in loan["resources"]} == {"acme"}
    assert loan["revoked_at"] is not None

    async with acme.agent() as agent:
        again = await agent.call_tool(TOOL, NEW)
        assert error_of(again)["code"] == "consent_required", "that yes was for one"
        assert (await acme.decide(again)).state == "approved"
        again = await agent.call_tool(TOOL, NEW)
    assert error_of(again)["code"] == "provider_rejected"
    assert "there is a repository of that name already" in text_of(again)


async def test_an_organization_without_the_app_is_said_to_have_none(acme: Town) -> None:
    async with acme.agent(name="elsewhere") as agent:
        answer = await acme.call(agent, TOOL, NEW | {"org": "nowhere"})
    assert error_of(answer)["code"] == "scope_not_grantable"


async def test_no_task_makes_repositories(acme: Town) -> None:
    """What administers an organization is agreed to one call at a time."""
    task = {"purpose": "set up", "operations": [{"tool": TOOL, "count": 3}], "resources": ["account:acme/"]}
    async with acme.agent(name="builder") as agent:
        proposed = await acme.call(agent, "loaner_propose_task", task)
        answer = await agent.call_tool(TOOL, NEW | {"name": "by-task"})
    assert (error_of(proposed)["code"], error_of(answer)["code"]) == ("invalid_arguments", "consent_required")
    assert found(acme, "acme/by-task") is None


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an owner in the name": ({"name": "acme/x"}, "must be a repository name"),
    "dots": ({"name": ".."}, "must be a repository name"),
    "a clone's name": ({"name": "x.git"}, "must be a repository name"),
    "an empty name": ({"name": ""}, "name must have 1"),
    "an empty organization": ({"org": ""}, "org must have 1"),
    "a repository": ({"org": "acme/web"}, "must be an account name"),
    "no flag": ({"private": "no"}, "must be true or false"),
    "a team": ({"team_id": 1}, "unknown field"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused_before_anybody_is_asked(acme: Town, what: str) -> None:
    more, said = WRONG[what]
    uses = [entry["uses"] for entry in acme.ledger()]
    async with acme.agent() as agent:
        answer = await agent.call_tool(TOOL, NEW | more)
    assert error_of(answer)["code"] == "invalid_arguments"
    assert said in text_of(answer)
    assert [entry["uses"] for entry in acme.ledger()] == uses
