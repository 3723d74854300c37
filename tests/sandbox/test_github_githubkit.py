"""githubkit, a client nobody here wrote, at work on the sandbox."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator

import pytest
from github_steps import GitHub, hub

from loaner.sandbox.github import registered

githubkit = pytest.importorskip("githubkit", reason="githubkit cannot be imported here", exc_type=ImportError)
exception = pytest.importorskip("githubkit.exception", exc_type=ImportError)


def _client(github: GitHub, auth: object):
    # No client-side cache, no waiting, no second tries: each call is seen by the sandbox as it is made.
    return githubkit.GitHub(
        auth, base_url=f"{github.running.urls['github_api']}/", http_cache=False, auto_retry=False, trust_env=False
    )


@pytest.fixture
async def kit(github: GitHub) -> AsyncIterator[object]:
    async with _client(github, hub(github.running).tokens.pair("alice")[0].token) as client:
        yield client.rest


async def test_githubkit_reads_people_and_repositories(kit) -> None:
    assert (await kit.users.async_get_authenticated()).parsed_data.login == "alice"
    repository = (await kit.repos.async_get("acme", "web")).parsed_data
    assert (repository.full_name, repository.private) == ("acme/web", True)
    listed = (await kit.repos.async_list_for_authenticated_user()).parsed_data
    assert [each.name for each in listed] == ["api", "secrets", "web"]
    assert (await kit.repos.async_list_branches("acme", "web")).parsed_data[0].name == "feature"
    assert len((await kit.repos.async_list_commits("acme", "web")).parsed_data) == 2
    tree = (await kit.git.async_get_tree("acme", "web", "main", recursive="1")).parsed_data
    assert "src/app.py" in [each.path for each in tree.tree]


async def test_githubkit_works_on_issues(kit) -> None:
    made = (await kit.issues.async_create("acme", "web", title="From a client", body="Hello")).parsed_data
    assert made.state == "open"
    comment = await kit.issues.async_create_comment("acme", "web", made.number, body="And more")
    assert comment.parsed_data.user.login == "alice"
    await kit.issues.async_add_labels("acme", "web", made.number, labels=["bug"])
    await kit.issues.async_update("acme", "web", made.number, state="closed")
    read = (await kit.issues.async_get("acme", "web", made.number)).parsed_data
    assert (read.state, read.comments, read.closed_at is not None) == ("closed", 1, True)
    comments = (await kit.issues.async_list_comments("acme", "web", made.number)).parsed_data
    assert [each.body for each in comments] == ["And more"]
    numbers = [each.number for each in (await kit.issues.async_list_for_repo("acme", "web")).parsed_data]
    assert numbers == [4, 3, 2, 1]


async def test_githubkit_works_on_files_and_pull_requests(kit) -> None:
    main = (await kit.git.async_get_ref("acme", "web", "heads/main")).parsed_data
    await kit.git.async_create_ref("acme", "web", ref="refs/heads/kit", sha=main.object_.sha)
    content = base64.b64encode(b"kit\n").decode()
    written = await kit.repos.async_create_or_update_file_contents(
        "acme", "web", "kit.txt", message="Add kit", content=content, branch="kit"
    )
    assert written.status_code == 201
    read = (await kit.repos.async_get_content("acme", "web", "kit.txt", ref="kit")).parsed_data
    assert base64.b64decode(read.content) == b"kit\n"
    pull = (await kit.pulls.async_create("acme", "web", title="Kit", head="kit", base="main")).parsed_data
    files = (await kit.pulls.async_list_files("acme", "web", pull.number)).parsed_data
    assert [each.filename for each in files] == ["kit.txt"]
    review = await kit.pulls.async_create_review("acme", "web", pull.number, event="COMMENT", body="Fine")
    assert review.parsed_data.state == "COMMENTED"
    await kit.pulls.async_update("acme", "web", pull.number, title="The kit")
    merged = (await kit.pulls.async_merge("acme", "web", pull.number, sha=pull.head.sha)).parsed_data
    assert merged.merged
    done = (await kit.pulls.async_get("acme", "web", pull.number)).parsed_data
    assert (done.title, done.merged) == ("The kit", True)
    sha = read.sha
    await kit.repos.async_delete_file("acme", "web", "kit.txt", message="Remove", sha=sha)


async def test_githubkit_compares_and_releases(kit) -> None:
    between = (await kit.repos.async_compare_commits("acme", "web", "main...feature")).parsed_data
    assert (between.status, between.ahead_by, between.files[0].filename) == ("ahead", 1, "src/app.py")
    commit = (await kit.repos.async_get_commit("acme", "web", between.commits[0].sha)).parsed_data
    assert (commit.stats.total, commit.files[0].status) == (2, "modified")
    tags = (await kit.repos.async_list_tags("acme", "web")).parsed_data
    assert [each.name for each in tags] == ["v1.0.0"]
    made = await kit.repos.async_create_release("acme", "web", tag_name="v1.1.0", target_commitish="feature")
    assert (made.parsed_data.tag_name, made.parsed_data.draft) == ("v1.1.0", False)
    assert (await kit.repos.async_get_latest_release("acme", "web")).parsed_data.id == made.parsed_data.id
    first = (await kit.repos.async_get_release_by_tag("acme", "web", "v1.0.0")).parsed_data
    assert first.assets[0].name == "web.tar.gz"
    listed = (await kit.repos.async_list_releases("acme", "web")).parsed_data
    assert [each.tag_name for each in listed] == ["v1.1.0", "v1.0.0"]


async def test_githubkit_works_on_labels_and_milestones(kit) -> None:
    made = (await kit.issues.async_create_label("acme", "web", name="area: login", color="0e8a16")).json()
    assert (made["name"], made["color"]) == ("area: login", "0e8a16")
    await kit.issues.async_add_labels("acme", "web", 2, labels=["area: login"])
    left = (await kit.issues.async_remove_label("acme", "web", 2, "area: login")).json()
    assert [each["name"] for each in left] == ["enhancement"]
    (milestone,) = (await kit.issues.async_list_milestones("acme", "web")).parsed_data
    typed = (await kit.issues.async_create("acme", "web", title="Typed", type="Bug", milestone=1)).parsed_data
    assert (typed.type.name, typed.milestone.title) == ("Bug", milestone.title)


async def test_githubkit_searches_and_sees_runs(kit) -> None:
    assert (await kit.search.async_repos(q="web")).parsed_data.items[0].full_name == "acme/web"
    assert (await kit.search.async_issues_and_pull_requests(q="dark theme")).parsed_data.total_count == 1
    assert (await kit.search.async_code(q="greet repo:acme/web")).parsed_data.items[0].path == "src/app.py"
    runs = (await kit.actions.async_list_workflow_runs_for_repo("acme", "web")).parsed_data
    jobs = (await kit.actions.async_list_jobs_for_workflow_run("acme", "web", runs.workflow_runs[0].id)).parsed_data
    logs = await kit.actions.async_download_job_logs_for_workflow_run("acme", "web", jobs.jobs[0].id)
    assert "make test" in logs.text
    await kit.actions.async_create_workflow_dispatch("acme", "web", "ci.yml", ref="main")
    after = (await kit.actions.async_list_workflow_runs_for_repo("acme", "web")).parsed_data
    assert after.total_count == runs.total_count + 1
    started = after.workflow_runs[0].id
    assert (await kit.actions.async_cancel_workflow_run("acme", "web", started)).status_code == 202
    assert (await kit.actions.async_re_run_workflow_failed_jobs("acme", "web", started)).status_code == 201
    run = (await kit.actions.async_list_workflow_runs_for_repo("acme", "web")).parsed_data.workflow_runs[0]
    assert (run.run_attempt, run.status) == (2, "queued")
    checks = (await kit.checks.async_list_for_ref("acme", "web", "feature", check_name="lint")).parsed_data
    assert [each.conclusion for each in checks.check_runs] == ["success"]


async def test_githubkit_sees_a_refusal_as_one(github: GitHub) -> None:
    tokens = hub(github.running).tokens
    narrow = tokens.scoped(tokens.pair("alice")[0].entry, {"issues": "read"}, [2001]).token
    async with _client(github, narrow) as client:
        with pytest.raises(exception.RequestFailed) as refused:
            await client.rest.issues.async_create("acme", "web", title="no")
    assert refused.value.response.status_code == 403


async def test_githubkit_narrows_checks_and_revokes_as_the_app_does(github: GitHub) -> None:
    auth = githubkit.OAuthAppAuthStrategy(registered.CLIENT_ID, registered.CLIENT_SECRET)
    parent = hub(github.running).tokens.pair("alice")[0].token
    async with _client(github, auth) as client:
        scoped = await client.rest.apps.async_scope_token(
            registered.CLIENT_ID,
            access_token=parent,
            target="acme",
            repositories=["web"],
            permissions={"issues": "write"},
        )
        token = scoped.parsed_data.token
        assert scoped.parsed_data.hashed_token == hashlib.sha256(token.encode()).hexdigest()
        await client.rest.apps.async_check_token(registered.CLIENT_ID, access_token=token)
        await client.rest.apps.async_delete_token(registered.CLIENT_ID, access_token=token)
        with pytest.raises(exception.RequestFailed):
            await client.rest.apps.async_check_token(registered.CLIENT_ID, access_token=token)
