"""Pull requests: list, read, open, change, review, merge.

GitHub docs, REST API "Pulls". Merging takes ``contents: write``, not ``pull_requests``; a wrong head ``sha`` is a 409,
and what cannot be merged a 405.
"""

from __future__ import annotations

from dataclasses import replace

from loaner.sandbox.github import merging
from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, invalid_request, not_accessible, not_found, validation_failed
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import issues as shapes
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.shapes.repositories import diff_entry
from loaner.sandbox.github.state import Issue, Pull, Review, ReviewComment

_EVENTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


@operation("GET /repos/{owner}/{repo}/pulls")
def list_pulls(call: Call) -> list[Json]:
    query = call.query
    found = [
        (issue, issue.pull)
        for issue in call.repo.issues.values()
        if issue.pull
        and query.get("state", "open") in ("all", issue.state)
        and query.get("base", issue.pull.base) == issue.pull.base
        and query.get("head", "") in ("", f"{call.repo.owner.login}:{issue.pull.head}")
    ]
    found.sort(key=lambda pair: pair[0].number, reverse=query.get("direction", "desc") != "asc")
    return [shapes.pull_request_simple(call.urls, call.repo, *pair) for pair in call.page(found)]


@operation("POST /repos/{owner}/{repo}/pulls", status=201)
def create_pull(call: Call) -> Answer:
    store = call.repo.git
    head = call.required("head").removeprefix(f"{call.repo.owner.login}:")
    base = call.required("base")
    title = call.required("title")
    for field, branch in (("head", head), ("base", base)):
        if branch not in store.branches:
            raise validation_failed("PullRequest", field, "invalid")
    if _open_pull(call, head, base):
        already = f"A pull request already exists for {call.repo.owner.login}:{head}."
        raise ApiError(
            422,
            "Validation Failed",
            errors=[{"resource": "PullRequest", "code": "custom", "message": already}],
        )
    tip, onto = store.commits[store.branches[head]], store.commits[store.branches[base]]
    if not merging.commits_between(store, onto, tip):
        nothing = f"No commits between {base} and {head}"
        raise ApiError(
            422, "Validation Failed", errors=[{"resource": "PullRequest", "code": "custom", "message": nothing}]
        )
    now = call.hub.now()
    pull = Pull(call.hub.world.next_id(), head, base, tip.sha, onto.sha, draft=call.flag("draft"))
    issue = Issue(call.hub.world.next_id(), call.repo.next_number(), title, call.actor, now, now, pull=pull)
    issue.body = call.text("body")
    call.repo.issues[issue.number] = issue
    shown = _full(call, issue, pull)
    return Answer(shown, status=201, headers={"location": str(shown["url"])})


@operation("GET /repos/{owner}/{repo}/pulls/{pull_number}")
def get_pull(call: Call) -> object:
    issue, pull = _pull(call)
    if "diff" in call.headers.get("accept", ""):
        diff = "".join(f"diff --git a/{each.path} b/{each.path}\n{each.patch}\n" for each in _changes(call, pull))
        return Answer(diff.encode(), headers={"content-type": "application/vnd.github.diff; charset=utf-8"})
    return _full(call, issue, pull)


@operation("PATCH /repos/{owner}/{repo}/pulls/{pull_number}")
def update_pull(call: Call) -> Json:
    issue, pull = _pull(call)
    state, base = call.one_of("state", ["open", "closed"]), call.text("base")
    if base is not None and base not in call.repo.git.branches:
        raise validation_failed("PullRequest", "base", "invalid")
    if state == "open" and pull.merged_at:
        raise validation_failed("PullRequest", "state", "invalid", "A merged pull request cannot be reopened.")
    issue.title = call.text("title") or issue.title
    if "body" in call.body:
        issue.body = call.text("body")
    if base is not None:
        pull.base, pull.base_sha = base, call.repo.git.branches[base]
    if state is not None and state != issue.state:
        issue.state = "closed" if state == "closed" else "open"
        issue.closed_at = call.hub.now() if state == "closed" else None
    issue.updated_at = call.hub.now()
    return _full(call, issue, pull)


@operation("GET /repos/{owner}/{repo}/pulls/{pull_number}/files")
def list_files(call: Call) -> list[Json]:
    _, pull = _pull(call)
    return [diff_entry(call.urls, call.repo, pull.head_sha, each) for each in call.page(_changes(call, pull))]


@operation("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews")
def list_reviews(call: Call) -> list[Json]:
    issue, pull = _pull(call)
    return [shapes.review(call.urls, call.repo, issue, each) for each in call.page(pull.reviews)]


@operation("GET /repos/{owner}/{repo}/pulls/{pull_number}/comments")
def list_review_comments(call: Call) -> list[Json]:
    issue, pull = _pull(call)
    return [shapes.review_comment(call.urls, call.repo, issue, each) for each in call.page(pull.review_comments)]


@operation("POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies", status=201)
def reply(call: Call) -> Json:
    """Only to the first comment of a thread; replies to replies are not supported."""
    issue, pull = _pull(call)
    wanted = call.number("comment_id")
    first = next((each for each in pull.review_comments if each.id == wanted and each.reply_to is None), None)
    if first is None:
        raise not_found()
    made = replace(
        first,
        id=call.hub.world.next_id(),
        body=call.required("body"),
        author=call.actor,
        created_at=call.hub.now(),
        reply_to=first.id,
    )
    pull.review_comments.append(made)
    return shapes.review_comment(call.urls, call.repo, issue, made)


@operation("POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", status=201)
def request_reviewers(call: Call) -> Json:
    issue, pull = _pull(call)
    names = call.strings("reviewers") or []
    found = [call.hub.world.account(name) if name in call.repo.roles else None for name in names]
    if not names or not all(found) or issue.author in found:
        raise ApiError(422, "Reviews may only be requested from collaborators.")
    pull.requested_reviewers += [each for each in found if each and each not in pull.requested_reviewers]
    return shapes.pull_request_simple(call.urls, call.repo, issue, pull)


@operation("POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews")
def create_review(call: Call) -> Json:
    issue, pull = _pull(call)
    event = call.one_of("event", list(_EVENTS))
    body = call.text("body") or ""
    if event in ("REQUEST_CHANGES", "COMMENT") and not body:
        raise ApiError(422, "Unprocessable Entity", errors=[{"message": "Body can't be blank"}])
    if event in ("APPROVE", "REQUEST_CHANGES") and issue.author == call.actor:
        own = "Can not approve your own pull request" if event == "APPROVE" else "Can not request changes on your own"
        raise ApiError(422, "Unprocessable Entity", errors=[{"message": own}])
    review = Review(
        call.hub.world.next_id(),
        body,
        _EVENTS[event] if event else "PENDING",
        call.actor,
        call.text("commit_id") or pull.head_sha,
        call.hub.now() if event else None,
    )
    comments = _line_comments(call, pull, review)
    pull.reviews.append(review)
    pull.review_comments += comments
    return shapes.review(call.urls, call.repo, issue, review)


def _line_comments(call: Call, pull: Pull, review: Review) -> list[ReviewComment]:
    """Those of the body; each has to be on a line of the diff."""
    given = call.body.get("comments") or []
    if not isinstance(given, list):
        raise invalid_request("For 'properties/comments', the value is not an array.")
    made = []
    for each in given:
        path, line, text = (each.get(name) if isinstance(each, dict) else None for name in ("path", "line", "body"))
        if not isinstance(path, str) or not isinstance(line, int) or not isinstance(text, str):
            raise invalid_request("For 'properties/comments', an item lacks path, line or body.")
        if not any(change.path == path and line in change.new_lines for change in _changes(call, pull)):
            raise ApiError(422, "Unprocessable Entity", errors=[{"message": "Line could not be resolved"}])
        number = call.hub.world.next_id()
        made.append(ReviewComment(number, review.id, text, call.actor, path, line, review.commit_id, call.hub.now()))
    return made


@operation("PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge")
def merge_pull(call: Call) -> Json:
    issue, pull = _pull(call)
    method = call.one_of("merge_method", ["merge", "squash", "rebase"]) or "merge"
    expected = call.text("sha")
    if expected is not None and expected != pull.head_sha:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    if issue.state == "closed" or pull.draft or not _is_mergeable(call, pull):
        raise ApiError(405, "Pull Request is not mergeable")
    store, now = call.repo.git, call.hub.now()
    onto, tip = store.commits[store.branches[pull.base]], store.commits[pull.head_sha]
    title = call.text("commit_title") or (
        f"Merge pull request #{issue.number} from {call.repo.owner.login}/{pull.head}"
        if method == "merge"
        else f"{issue.title} (#{issue.number})"
    )
    message = "\n\n".join(part for part in (title, call.text("commit_message")) if part)
    parents = [onto.sha, tip.sha] if method == "merge" else [onto.sha]
    made = store.commit(merging.merged_files(store, onto, tip), message, call.signature(), parents)
    store.branches[pull.base] = made.sha
    pull.merged_at, pull.merged_by, pull.merge_commit_sha = now, call.actor, made.sha
    issue.state, issue.closed_at, issue.updated_at = "closed", now, now
    return {"sha": made.sha, "merged": True, "message": "Pull Request successfully merged"}


@operation("PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch", status=202)
def update_branch(call: Call) -> Json:
    """Merges the base into the head. "If making a request on behalf of a GitHub App you must also have permissions to
    write the contents of the head repository."
    """
    issue, pull = _pull(call)
    if not call.holds({"contents": "write"}):
        raise not_accessible()
    store, expected = call.repo.git, call.text("expected_head_sha")
    if expected is not None and expected != pull.head_sha:
        raise ApiError(422, "expected head sha didn't match current head ref.")
    if issue.state == "closed" or pull.head not in store.branches:
        raise validation_failed("PullRequest", "head", "invalid")
    base, head = store.commits[store.branches[pull.base]], store.commits[pull.head_sha]
    if not merging.commits_between(store, head, base):
        raise ApiError(422, "There are no new commits on the base branch.")
    try:
        files = merging.merged_files(store, head, base)
    except merging.Conflict:
        raise ApiError(422, "merge conflict between base and head") from None
    message = f"Merge branch '{pull.base}' into {pull.head}"
    made = store.commit(files, message, call.signature(), [head.sha, base.sha])
    store.branches[pull.head] = pull.head_sha = made.sha
    pull.base_sha = base.sha
    return {
        "message": "Updating pull request branch.",
        "url": f"{call.urls.repo_page(call.repo)}/pull/{issue.number}",
    }


def _pull(call: Call) -> tuple[Issue, Pull]:
    issue = call.repo.issues.get(call.number("pull_number"))
    if issue is None or issue.pull is None:
        raise not_found()
    return issue, issue.pull


def _open_pull(call: Call, head: str, base: str) -> bool:
    return any(
        issue.pull and issue.state == "open" and (issue.pull.head, issue.pull.base) == (head, base)
        for issue in call.repo.issues.values()
    )


def _changes(call: Call, pull: Pull) -> list[merging.Change]:
    store = call.repo.git
    base, head = store.commits[pull.base_sha], store.commits[pull.head_sha]
    return merging.changes(store, merging.merge_base(store, base, head), head)


def _is_mergeable(call: Call, pull: Pull) -> bool:
    store = call.repo.git
    if pull.base not in store.branches:
        return False
    try:
        merging.merged_files(store, store.commits[store.branches[pull.base]], store.commits[pull.head_sha])
    except merging.Conflict:
        return False
    return True


def _full(call: Call, issue: Issue, pull: Pull) -> Json:
    store, diff = call.repo.git, _changes(call, pull)
    counts = {
        "commits": len(merging.commits_between(store, store.commits[pull.base_sha], store.commits[pull.head_sha])),
        "additions": sum(each.additions for each in diff),
        "deletions": sum(each.deletions for each in diff),
        "changed_files": len(diff),
    }
    mergeable = None if issue.state == "closed" else _is_mergeable(call, pull)
    return shapes.pull_request(call.urls, call.repo, issue, pull, mergeable=mergeable, counts=counts)
