"""Releases of a repository.

GitHub docs, REST API "Releases". Publishing one makes its tag where that is not there yet.
"""

from __future__ import annotations

import re
from datetime import datetime

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import empty, not_found, validation_failed
from loaner.sandbox.github.git import Commit
from loaner.sandbox.github.merging import changes
from loaner.sandbox.github.permissions import touches_workflows
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.shapes.releases import release as show
from loaner.sandbox.github.state import Release

_TAG = re.compile(r"(?!.*(?:\.\.|//|@\{))[^\s~^:?*\[\\]+(?<![/.])")


@operation("GET /repos/{owner}/{repo}/releases")
def list_releases(call: Call) -> list[Json]:
    """ "Only users with push access will receive listings for draft releases."""
    found = [each for each in call.repo.releases if each.published_at or call.role != "read"]
    return [show(call.urls, call.repo, each) for each in call.page(found[::-1])]


@operation("GET /repos/{owner}/{repo}/releases/latest")
def get_latest_release(call: Call) -> Json:
    full = [each for each in call.repo.releases if each.published_at and not each.prerelease]
    made = next((each for each in full if each.id == call.repo.latest_release), None)
    latest = made or max(full, key=_when_made, default=None)
    if latest is None:
        raise not_found()
    return show(call.urls, call.repo, latest)


@operation("GET /repos/{owner}/{repo}/releases/tags/{tag}")
def get_release_by_tag(call: Call) -> Json:
    """ "Get a published release with the specified tag."""
    return show(call.urls, call.repo, _published(call, call.params["tag"]))


@operation("POST /repos/{owner}/{repo}/releases", status=201)
def create_release(call: Call) -> Answer:
    if not call.repo.git.branches:
        raise empty()
    tag, draft, prerelease = call.required("tag_name"), call.flag("draft"), call.flag("prerelease")
    latest = call.one_of("make_latest", ["true", "false", "legacy"]) or "true"
    name, body = call.text("name") or "", call.text("body") or ""
    if not _TAG.fullmatch(tag):
        raise validation_failed("Release", "tag_name", "custom", "tag_name is not a valid tag")
    if any(each.tag == tag and each.published_at for each in call.repo.releases):
        raise validation_failed("Release", "tag_name", "already_exists")
    target = call.text("target_commitish") or call.repo.default_branch
    tagged = call.repo.git.tags.get(tag)
    commit = call.repo.git.commits[tagged] if tagged else call.repo.git.resolve(target)
    if commit is None:
        raise validation_failed("Release", "target_commitish", "invalid")
    if not tagged and _changes_workflows(call, commit) and not call.holds({"workflows": "write"}):
        raise not_found()
    if call.flag("generate_release_notes"):
        name, body = name or tag, f"{body}\n## What's Changed\n* {commit.message.splitlines()[0]}\n".lstrip()
    made = Release(call.hub.world.next_id(), tag, target, name, body, call.actor, commit.author.at, None, prerelease)
    if not draft:
        made.published_at = call.hub.now()
        call.repo.git.tags.setdefault(tag, commit.sha)
        if latest == "true" and not prerelease:
            call.repo.latest_release = made.id
    call.repo.releases.append(made)
    shown = show(call.urls, call.repo, made)
    return Answer(shown, status=201, headers={"location": str(shown["url"])})


def _published(call: Call, tag: str) -> Release:
    found = next((each for each in call.repo.releases if each.tag == tag and each.published_at), None)
    if found is None:
        raise not_found()
    return found


def _when_made(release: Release) -> datetime:
    return release.created_at


def _changes_workflows(call: Call, commit: Commit) -> bool:
    """Does it add or modify a workflow file, compared with the repository's default branch?"""
    store = call.repo.git
    default = store.commits[store.branches[call.repo.default_branch]]
    return touches_workflows(each.path for each in changes(store, default, commit) if each.status != "removed")
