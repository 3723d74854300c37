"""One call's whole journey over HTTP, for each provider, as the provider saw it."""

from __future__ import annotations

from journeys.town import Town, error_of, text_of

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}


async def test_a_read_asks_once_and_then_runs_on_a_credential_of_its_own(acme: Town) -> None:
    """MUST 33."""
    async with acme.agent() as agent:
        asked = await agent.call_tool("github_issue_read", ISSUE)
        assert error_of(asked)["code"] == "consent_required"
        assert error_of(asked)["user_code"] in text_of(asked)
        assert acme.ledger(provider="github") == []  # nobody consented, so nothing was minted

        assert (await acme.decide(asked)).state == "approved"
        answers = [await agent.call_tool("github_issue_read", ISSUE) for _ in range(3)]
        assert [answer.structured_content["number"] for answer in answers if answer.structured_content] == [1, 1, 1]

    await acme.settled()
    loans = acme.ledger(provider="github", kind="scoped")
    assert len(loans) == 3
    for loan in loans:
        assert loan["subject"] == "alice"
        assert loan["permissions"] == {"issues": "read", "metadata": "read"}
        assert loan["resources"] == ["acme/web"]
        assert loan["revoked_at"] is not None
        assert {use["path"] for use in loan["uses"]} <= {
            "/repos/acme/web/issues/1",
            "/repos/acme/web/issues/1/comments",
        }
        assert (await acme.replay(loan["fingerprint"]))["status"] == 401


async def test_a_write_needs_a_yes_to_this_very_call_each_time(acme: Town) -> None:
    first = {"owner": "acme", "repo": "web", "title": "First"}
    async with acme.agent() as agent:
        created = await acme.call(agent, "github_issue_create", first)
        assert not created.is_error, text_of(created)
        again = await agent.call_tool("github_issue_create", first)
        assert error_of(again)["code"] == "consent_required"  # the yes was for one call
        other = await agent.call_tool("github_issue_create", first | {"title": "Second"})
        assert error_of(other)["code"] == "consent_required"
        assert error_of(other)["user_code"] != error_of(again)["user_code"]
    await acme.settled()
    loan, *looks = acme.ledger(provider="github", kind="scoped")
    assert loan["permissions"] == {"issues": "write", "metadata": "read"}
    assert [use["method"] for use in loan["uses"]] == ["POST"]
    assert [look["permissions"] for look in looks] == [{"metadata": "read"}] * 2, "what each question is about"


async def test_a_no_is_a_no(acme: Town) -> None:
    message = {"channel": "#releases", "text": "hello"}
    async with acme.agent() as agent:
        asked = await agent.call_tool("slack_send_message", message)
        assert (await acme.decide(asked, deny=True)).state == "denied"
        refused = await agent.call_tool("slack_send_message", message)
        assert error_of(refused)["code"] == "consent_denied"
    assert acme.ledger(provider="slack") == []
    assert [record["outcome"] for record in await acme.records()] == ["consent_needed", "denied"]


async def test_slack_is_held_for_the_call_and_the_record_says_who_enforces_what(acme: Town) -> None:
    async with acme.agent() as agent:
        sent = await acme.call(agent, "slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out 🎉"})
        assert not sent.is_error, text_of(sent)
    (held,) = acme.ledger(provider="slack", kind="user")
    assert held["permissions"] == ["chat:write"]
    (record,) = await acme.records(tool="slack_send_message", outcome="ok")
    assert record["fingerprint"] == held["fingerprint"]
    assert record["loan_style"] == "pass_through"
    assert {limit["what"]: limit["enforced_by"] for limit in record["limits"]} == {
        "permissions": "grant",
        "resource": "loaner",
        "call": "loaner",
    }
    assert record["proven_by"] == "oidc"


async def test_linear_reads_with_the_read_scope_and_writes_with_its_own(acme: Town) -> None:
    async with acme.agent() as agent:
        teams = await acme.call(agent, "linear_list_teams", {})
        assert teams.structured_content, text_of(teams)
        eng = next(team for team in teams.structured_content["teams"] if team["key"] == "ENG")
        made = await acme.call(agent, "linear_create_issue", {"teamId": eng["id"], "title": "Made by an agent"})
        assert made.structured_content, text_of(made)
        found = await acme.call(agent, "linear_get_issue", {"id": made.structured_content["identifier"]})
        assert found.structured_content
        assert found.structured_content["title"] == "Made by an agent"
    granted = [sorted(entry["permissions"]) for entry in acme.ledger(provider="linear", kind="user")]
    assert granted == [["read"], ["issues:create", "read"]]
    (record,) = await acme.records(tool="linear_create_issue", outcome="ok")
    assert record["needed_permissions"] == ["issues:create"]


async def test_every_call_leaves_one_record_and_the_chain_holds(acme: Town) -> None:
    async with acme.agent() as agent:
        await acme.call(agent, "github_get_me", {})
        await agent.call_tool("github_issue_read", {"owner": "acme", "repo": "web"})
        await agent.call_tool("github_issue_read", ISSUE | {"repo": "nowhere"})
    records = await acme.records()
    assert [(record["tool"], record["outcome"], record.get("code")) for record in records] == [
        ("github_get_me", "consent_needed", "consent_required"),
        ("github_get_me", "ok", None),
        ("github_issue_read", "refused", "invalid_arguments"),
        ("github_issue_read", "refused", "scope_not_grantable"),
    ]
    assert len({record["id"] for record in records}) == len(records)


async def test_bob_cannot_use_what_alice_allowed(acme: Town) -> None:
    """MUST 33."""
    async with acme.agent("alice") as hers, acme.agent("bob") as his:
        read = await acme.call(hers, "github_issue_read", ISSUE)
        assert not read.is_error
        asked = await his.call_tool("github_issue_read", ISSUE)
        assert error_of(asked)["code"] == "consent_required"
        # and alice, at her own browser, cannot answer for bob
        assert (await acme.decide(asked, user="alice")).state == "wrong_person"
        assert (await acme.decide(asked, user="bob")).state == "approved"
        assert not (await his.call_tool("github_issue_read", ISSUE)).is_error
        hidden = await his.call_tool("github_issue_read", ISSUE | {"repo": "secrets"})
        assert error_of(hidden)["code"] == "scope_not_grantable"
    await acme.settled()
    assert {loan["subject"] for loan in acme.ledger(kind="scoped")} == {"alice", "bob"}
