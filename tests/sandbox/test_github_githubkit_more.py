"""githubkit on what is written in several files, found by scanning, put below an issue, and of an organisation."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from github_steps import GitHub, hub

githubkit = pytest.importorskip("githubkit", reason="githubkit cannot be imported here", exc_type=ImportError)
exception = pytest.importorskip("githubkit.exception", exc_type=ImportError)
WEB = ("acme", "web")


@pytest.fixture
async def kit(github: GitHub) -> AsyncIterator[object]:
    token = hub(github.running).tokens.pair("alice")[0].token
    url = f"{github.running.urls['github_api']}/"
    async with githubkit.GitHub(token, base_url=url, http_cache=False, auto_retry=False, trust_env=False) as client:
        yield client.rest


async def test_githubkit_commits_several_files_at_once(kit) -> None:
    tip = (await kit.git.async_get_ref(*WEB, "heads/main")).parsed_data.object_.sha
    base = (await kit.git.async_get_commit(*WEB, tip)).parsed_data.tree.sha
    entries = [
        {"path": path, "mode": "100644", "type": "blob", "content": path} for path in ("docs/a.md", "README.md", "src")
    ]
    tree = (await kit.git.async_create_tree(*WEB, base_tree=base, tree=entries)).parsed_data
    assert {each.path: each.type for each in tree.tree} == {
        ".github": "tree",
        "README.md": "blob",
        "docs": "tree",
        "src": "blob",
    }
    made = (await kit.git.async_create_commit(*WEB, message="Several", tree=tree.sha, parents=[tip])).parsed_data
    other = (await kit.git.async_create_commit(*WEB, message="Beside", tree=base, parents=[tip])).parsed_data
    await kit.git.async_update_ref(*WEB, "heads/main", sha=made.sha)
    with pytest.raises(exception.RequestFailed) as refused:
        await kit.git.async_update_ref(*WEB, "heads/main", sha=other.sha)
    assert refused.value.response.json()["message"] == "Update is not a fast forward"
    forced = await kit.git.async_update_ref(*WEB, "heads/main", sha=other.sha, force=True)
    assert forced.parsed_data.object_.sha == other.sha
    gone = [{"path": "nowhere.md", "mode": "100644", "type": "blob", "sha": None}]
    with pytest.raises(exception.RequestFailed) as refused:
        await kit.git.async_create_tree(*WEB, base_tree=base, tree=gone)
    assert refused.value.response.status_code == 422


async def test_githubkit_reviews_lines_and_brings_a_branch_up_to_date(kit, github: GitHub) -> None:
    comments = [{"path": "src/app.py", "line": 2, "side": "RIGHT", "body": "Why?"}]
    await kit.pulls.async_create_review(*WEB, 4, event="COMMENT", body="One thing", comments=comments)
    listed = (await kit.pulls.async_list_review_comments(*WEB, 4)).parsed_data
    assert [(each.path, each.line, each.body) for each in listed][-1] == ("src/app.py", 2, "Why?")
    store = hub(github.running).world.repositories[2001].git
    store.commit_on("main", {}, "Ahead", store.commits[store.branches["main"]].author)
    updated = await kit.pulls.async_update_branch(*WEB, 4)
    assert updated.status_code == 202
    with pytest.raises(exception.RequestFailed):
        await kit.pulls.async_update_branch(*WEB, 4, expected_head_sha="0" * 40)


async def test_githubkit_works_on_sub_issues(kit) -> None:
    sub = (await kit.issues.async_get(*WEB, 3)).parsed_data
    await kit.issues.async_add_sub_issue(*WEB, 1, sub_issue_id=sub.id)
    listed = (await kit.issues.async_list_sub_issues(*WEB, 1)).parsed_data
    assert [each.number for each in listed] == [3]
    assert (await kit.issues.async_get(*WEB, 1)).parsed_data.sub_issues_summary.total == 1
    await kit.issues.async_remove_sub_issue(*WEB, 1, sub_issue_id=sub.id)
    assert (await kit.issues.async_list_sub_issues(*WEB, 1)).parsed_data == []


async def test_githubkit_reads_what_scanning_found(kit) -> None:
    listed = (await kit.code_scanning.async_list_alerts_for_repo(*WEB, state="open")).parsed_data
    assert [each.rule.id for each in listed] == ["py/sql-injection"]
    assert "Use parameters" in (await kit.code_scanning.async_get_alert(*WEB, 1)).parsed_data.rule.help_
    shown = (await kit.secret_scanning.async_get_alert(*WEB, 1)).parsed_data
    hidden = (await kit.secret_scanning.async_get_alert(*WEB, 1, hide_secret=True)).json()
    assert (shown.secret[:4], "secret" in hidden) == ("exk_", False)
    places = (await kit.secret_scanning.async_list_locations_for_alert(*WEB, 1)).parsed_data
    assert places[0].details.path == "src/app.py"


async def test_githubkit_sees_teams_and_creates_a_repository(kit) -> None:
    assert [each.slug for each in (await kit.teams.async_list("acme")).parsed_data] == ["platform", "design"]
    members = (await kit.teams.async_list_members_in_org("acme", "platform", role="maintainer")).parsed_data
    assert [each.login for each in members] == ["alice"]
    made = (await kit.repos.async_create_in_org("acme", name="fresh", private=True, auto_init=True)).parsed_data
    assert (made.full_name, made.private) == ("acme/fresh", True)
    with pytest.raises(exception.RequestFailed) as refused:
        await kit.repos.async_create_in_org("acme", name="Fresh")
    assert refused.value.response.json()["errors"][0]["message"] == "name already exists on this account"
