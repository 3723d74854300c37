"""The app is installed on several accounts, on none, or on one where something is missing: which one a call is about is
said, what was left out is said, and who has to do what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

LIST, SEARCH = "github_list_my_repositories", "github_search_issues"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("installations"), tools={"toolsets": ("all",)}) as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


@pytest.fixture
async def acme(street: Town) -> AsyncIterator[Town]:
    street.advance(minutes=2)  # what was listed is kept for one
    yield street
    street.running.sandbox.faults.clear()
    installed(street, "acme")


def installed(town: Town, accounts: str, *, suspended: str = "", not_accepted: str = "") -> None:
    town.running.sandbox.switches.update(
        {"github_installations": accounts, "github_suspended": suspended, "github_not_accepted": not_accepted}
    )


async def asked(town: Town, tool: str, **given: Any) -> Any:
    async with town.agent() as agent:
        return await town.call(agent, tool, given)


async def told(town: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await asked(town, tool, **given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


def names(held: dict[str, Any]) -> set[str]:
    return {one["full_name"] for one in held["repositories"]}


async def test_the_first_account_answers_and_the_others_are_named(acme: Town) -> None:
    installed(acme, "alice,acme,bigcorp")
    held = await told(acme, LIST)
    assert (names(held), held["account"]) == ({"alice/notes"}, "alice")
    assert held["accounts_left_out"] == [
        {"account": "acme", "why": "another account"},
        {"account": "bigcorp", "why": "another account"},
    ]
    assert "name it as account" in held["advice"]
    record = (await acme.records(tool=LIST))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["resources"] == ["alice/notes"]


@pytest.mark.parametrize("account", ["bigcorp", "BigCorp"])
async def test_an_account_is_chosen_and_the_credential_is_for_it_alone(acme: Town, account: str) -> None:
    installed(acme, "alice,acme,bigcorp")
    held = await told(acme, LIST, account=account)
    assert (names(held), held["account"]) == ({"bigcorp/notes"}, "bigcorp")
    record = (await acme.records(tool=LIST))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["resources"] == ["bigcorp/notes"]
    assert {"what": "resource", "value": "bigcorp", "enforced_by": "provider"} in record["limits"]


async def test_a_search_says_of_which_account_it_was(acme: Town) -> None:
    installed(acme, "alice,acme,bigcorp")
    held = await told(acme, SEARCH, q="outage")
    assert (held["account"], len(held["items"]), len(held["accounts_left_out"])) == ("alice", 1, 2)
    held = await told(acme, SEARCH, q="outage", account="acme")
    assert (held["account"], held["items"]) == ("acme", [])


async def test_one_account_is_said_and_nothing_is_left_out(acme: Town) -> None:
    held = await told(acme, LIST)
    assert (held["account"], "accounts_left_out" in held, "advice" in held) == ("acme", False, False)
    held = await told(acme, SEARCH, q="Safari", owner="acme", repo="web")
    assert "account" not in held


async def test_what_is_suspended_or_lacks_a_permission_is_passed_over_and_named(acme: Town) -> None:
    installed(acme, "alice,bigcorp,acme", suspended="alice", not_accepted="bigcorp:issues")
    held = await told(acme, SEARCH, q="Safari")
    assert held["account"] == "acme"
    assert held["accounts_left_out"] == [
        {"account": "alice", "why": "suspended"},
        {"account": "bigcorp", "why": "issues:read not accepted there"},
    ]


async def test_none_that_will_do_says_who_has_to_act(acme: Town) -> None:
    installed(acme, "alice,acme", suspended="alice,acme")
    answer = await asked(acme, LIST)
    assert error_of(answer)["code"] == "provider_forbidden"
    assert "installation on alice is suspended" in text_of(answer)
    installed(acme, "")
    acme.advance(minutes=2)
    answer = await asked(acme, LIST)
    assert error_of(answer)["code"] == "scope_not_grantable"
    assert "not installed anywhere that this user reaches" in text_of(answer)


async def test_an_account_without_the_app_is_refused_with_those_that_have_it(acme: Town) -> None:
    installed(acme, "alice,acme")
    answer = await asked(acme, LIST, account="bigcorp")
    assert error_of(answer)["code"] == "scope_not_grantable"
    assert "not installed on bigcorp" in text_of(answer)
    assert "It is on alice, acme." in text_of(answer)
    installed(acme, "alice,acme,bigcorp")
    assert (await told(acme, LIST, account="bigcorp"))["account"] == "bigcorp", "the list is asked for anew"


@pytest.mark.parametrize("status", [404, 422])
@pytest.mark.parametrize("how", ["gone", "suspended"])
async def test_an_installation_that_goes_between_the_list_and_the_mint_is_not_stuck_to(
    acme: Town, how: str, status: int
) -> None:
    """The list of some seconds ago says nothing of now."""
    acme.running.sandbox.switches.github_unknown_target_status = status
    installed(acme, "alice,acme")
    assert (await told(acme, LIST))["account"] == "alice"
    installed(acme, "acme" if how == "gone" else "alice,acme", suspended="alice" if how == "suspended" else "")
    held = await told(acme, LIST)
    assert (held["account"], "acme/web" in names(held)) == ("acme", True)
    assert await acme.open_loans() == []
    acme.running.sandbox.switches.github_unknown_target_status = 422


async def test_a_permission_that_an_owner_has_not_accepted_is_no_wrong_name(acme: Town) -> None:
    """The operator has done their part; the owner of that organisation has not."""
    installed(acme, "acme", not_accepted="acme:issues")
    answer = await asked(acme, "github_list_issues", owner="acme", repo="web")
    assert error_of(answer)["code"] == "scope_not_grantable"
    assert "acme has not accepted that yet" in text_of(answer)
    assert f"{acme.sandbox_url}/github/organizations/acme/settings/installations" in text_of(answer)
    assert "operator" not in text_of(answer)


async def test_on_a_persons_own_account_the_page_is_their_own(acme: Town) -> None:
    installed(acme, "alice", not_accepted="alice:issues")
    answer = await asked(acme, "github_list_issues", owner="alice", repo="notes")
    assert f"({acme.sandbox_url}/github/settings/installations)" in text_of(answer)


async def test_a_permission_that_the_app_does_not_ask_for_is_the_operators_matter(acme: Town) -> None:
    hub: Any = acme.running.sandbox.inside["github"]
    held = hub.app.permissions.pop("issues")
    answer = await asked(acme, "github_list_issues", owner="acme", repo="web")
    hub.app.permissions["issues"] = held
    assert "the app may not do issues:read there" in text_of(answer)
    assert "An operator has to add it" in text_of(answer)


async def test_a_wrong_name_is_told_apart_from_both(acme: Town) -> None:
    answer = await asked(acme, "github_list_issues", owner="acme", repo="wbe")
    assert "not among the repositories of acme that this user and the app both reach" in text_of(answer)
    assert "operator" not in text_of(answer)


async def test_where_the_installations_cannot_be_listed_nothing_is_claimed(acme: Town) -> None:
    acme.fault("github", "status:503", path="/user/installations")
    answer = await asked(acme, "github_list_issues", owner="acme", repo="wbe")
    assert error_of(answer)["code"] == "scope_not_grantable"
    assert "Check the name. Otherwise an operator must" in text_of(answer)


async def test_every_page_of_the_list_is_read(acme: Town) -> None:
    hub: Any = acme.running.sandbox.inside["github"]
    many = [f"org{number}" for number in range(120)]
    for number, name in enumerate(many):
        hub.world.accounts[name] = type(hub.world.accounts["acme"])(name, 5000 + number, "Organization")
        hub.world.repositories[5000 + number] = type(hub.world.find("acme/web"))(
            5000 + number, "x", hub.world.accounts[name], {"alice": "read"}, hub.now()
        )
    installed(acme, ",".join([*many, "acme"]), suspended=",".join(many))
    held = await told(acme, LIST)
    assert (held["account"], len(held["accounts_left_out"])) == ("acme", 120)
    for number in range(120):
        del hub.world.repositories[5000 + number]


async def test_what_is_left_out_until_the_user_signs_in_is_said(acme: Town) -> None:
    acme.running.sandbox.switches.github_sso_left_out = True
    installed(acme, "acme,bigcorp")
    held = await told(acme, LIST)
    acme.running.sandbox.switches.github_sso_left_out = False
    assert held["partial"] is True
    assert "signs in there with their own identity provider" in held["advice"]
    assert "name it as account" in held["advice"]


async def test_a_search_that_names_an_account_is_not_answered_from_what_was_agreed_of_another(tmp_path: Path) -> None:
    """MUST 28."""
    async with town(tmp_path / "home", tools={"toolsets": ("all",)}) as built, built.agent() as agent:
        installed(built, "acme,bigcorp")
        issue = {"owner": "acme", "repo": "web", "issue_number": 1}
        await built.decide(await agent.call_tool("github_issue_read", issue), reads="here", agents="this")
        assert not (await agent.call_tool("github_issue_read", issue)).is_error
        answer = await agent.call_tool(SEARCH, {"q": "Safari", "account": "acme"})
        assert answer.structured_content["limited_to"] == ["acme/web"]
        answer = await agent.call_tool(SEARCH, {"q": "Safari", "account": "bigcorp"})
        assert error_of(answer)["code"] == "consent_required"
