"""The mutations that write on issues' surroundings; those that change issues themselves are in ``issue_writing.py``."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from loaner.sandbox.linear import issue_writing, planning
from loaner.sandbox.linear.derived import View
from loaner.sandbox.linear.errors import forbidden, invalid_input
from loaner.sandbox.linear.inputs import as_uuid4, only, text
from loaner.sandbox.linear.queries import Arguments, found
from loaner.sandbox.linear.state import (
    Attachment,
    Comment,
    Issue,
    IssueRelation,
    Project,
    ProjectUpdate,
    Team,
    Webhook,
)

Answer = dict[str, Any]


def done(view: View, **entity: Any) -> Answer:
    return {"success": True, "lastSyncId": view.world.last_sync_id, **entity}


def comment_create(view: View, arguments: Arguments) -> Answer:
    given = only(arguments["input"], "id body issueId parentId projectUpdateId quotedText doNotSubscribeToIssue")
    body = text(given, "body")
    parent = found(view, Comment, given["parentId"]) if given.get("parentId") else None
    issue: Issue | None = parent.issue if parent else None
    if given.get("issueId"):
        issue = found(view, Issue, given["issueId"])
    update: ProjectUpdate | None = parent.project_update if parent else None
    if given.get("projectUpdateId"):
        update = found(view, ProjectUpdate, given["projectUpdateId"])
    if (issue is None) == (update is None):
        raise invalid_input("A comment belongs to exactly one of issueId and projectUpdateId.")
    if parent is not None and parent.issue is not issue:
        raise invalid_input("The parent comment belongs to another issue.")
    comment = view.world.new(
        Comment,
        as_uuid4(view, Comment, given.get("id")),
        body=body,
        user=view.viewer,
        issue=issue,
        project_update=update,
        parent=parent,
        quoted_text=given.get("quotedText"),
    )
    if issue is not None:
        if not given.get("doNotSubscribeToIssue") and view.viewer not in issue.subscribers:
            issue.subscribers.append(view.viewer)
        view.world.touch(issue)
    return done(view, comment=comment)


def comment_update(view: View, arguments: Arguments) -> Answer:
    """Only whoever wrote it may change it."""
    comment = found(view, Comment, arguments["id"])
    given = only(arguments["input"], "body quotedText")
    if comment.user is not view.viewer:
        raise forbidden("You can only edit your own comments.")
    if given.get("body") is not None:
        comment.body, comment.edited_at = text(given, "body"), view.world.now()
        view.world.touch(comment)
    return done(view, comment=comment)


def comment_delete(view: View, arguments: Arguments) -> Answer:
    """By whoever wrote it, or an admin. The answers to it stay."""
    comment = found(view, Comment, arguments["id"])
    if comment.user is not view.viewer and not view.viewer.admin:
        raise forbidden("You can only delete your own comments.")
    for answer in view.pointing(Comment, "parent", comment):
        answer.parent = None
    view.world.remove(comment)
    return done(view, entityId=comment.id)


def issue_relation_create(view: View, arguments: Arguments) -> Answer:
    """The same relation twice is one. A duplicate gets the state of duplicates."""
    given = only(arguments["input"], "id issueId relatedIssueId type")
    issue, related = found(view, Issue, given["issueId"]), found(view, Issue, given["relatedIssueId"])
    if issue is related:
        raise invalid_input("An issue cannot be related to itself.")
    there = [
        each
        for each in view.pointing(IssueRelation, "issue", issue)
        if each.related_issue is related and each.type == given["type"]
    ]
    identifier = as_uuid4(view, IssueRelation, given.get("id"))
    if there:
        return done(view, issueRelation=there[0])
    made = view.world.new(IssueRelation, identifier, type=given["type"], issue=issue, related_issue=related)
    if made.type == "duplicate":
        issue_writing.mark_duplicate(view, issue)
    return done(view, issueRelation=made)


def attachment_link_url(view: View, arguments: Arguments) -> Answer:
    """A link on an issue. The same URL twice on one issue is one attachment, updated."""
    issue, url = found(view, Issue, arguments["issueId"]), arguments["url"]
    if arguments.get("createAsUser") and not view.viewer.app:
        raise forbidden("createAsUser is only available in actor=app mode.")
    _check_url(url)
    title = arguments.get("title") or urlsplit(url).netloc
    there = [each for each in view.pointing(Attachment, "issue", issue) if each.url == url]
    if there:
        there[0].title = title
        view.world.touch(there[0])
        return done(view, attachment=there[0])
    identifier = as_uuid4(view, Attachment, arguments.get("id"))
    made = view.world.new(Attachment, identifier, title=title, url=url, issue=issue, creator=view.viewer)
    return done(view, attachment=made)


def project_update_create(view: View, arguments: Arguments) -> Answer:
    given = only(arguments["input"], "id body health isDiffHidden projectId")
    project = found(view, Project, given["projectId"])
    update = view.world.new(
        ProjectUpdate,
        as_uuid4(view, ProjectUpdate, given.get("id")),
        body=given.get("body") or "",
        health=given.get("health") or "onTrack",
        project=project,
        user=view.viewer,
        is_diff_hidden=bool(given.get("isDiffHidden")),
    )
    project.health, project.health_updated_at = update.health, update.created_at
    view.world.touch(project)
    return done(view, projectUpdate=update)


def webhook_create(view: View, arguments: Arguments) -> Answer:
    given = only(arguments["input"], "id url resourceTypes teamId allPublicTeams enabled label secret")
    _check_url(given["url"])
    everywhere = bool(given.get("allPublicTeams"))
    if everywhere == bool(given.get("teamId")):
        raise invalid_input("A webhook is for one team or for all public teams.")
    if not given["resourceTypes"]:
        raise invalid_input("resourceTypes is empty.")
    webhook = view.world.new(
        Webhook,
        as_uuid4(view, Webhook, given.get("id")),
        url=given["url"],
        resource_types=given["resourceTypes"],
        team=None if everywhere else found(view, Team, given["teamId"]),
        all_public_teams=everywhere,
        creator=view.viewer,
        enabled=given.get("enabled") is not False,
        label=given.get("label"),
        secret=given.get("secret") or uuid.uuid4().hex,
    )
    return done(view, webhook=webhook)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise invalid_input("url must be a valid URL.")


MUTATIONS: Mapping[str, Callable[[View, Arguments], Answer]] = {
    "issueCreate": lambda view, arguments: done(view, issue=issue_writing.create(view, arguments)),
    "issueUpdate": lambda view, arguments: done(view, issue=issue_writing.update(view, arguments)),
    "issueAddLabel": lambda view, arguments: done(view, issue=issue_writing.add_label(view, arguments)),
    "issueArchive": lambda view, arguments: done(view, entity=issue_writing.archive(view, arguments)),
    "issueDelete": lambda view, arguments: done(view, entity=issue_writing.delete(view, arguments)),
    "commentCreate": comment_create,
    "commentUpdate": comment_update,
    "commentDelete": comment_delete,
    "issueRelationCreate": issue_relation_create,
    "projectCreate": lambda view, arguments: done(view, project=planning.create_project(view, arguments)),
    "projectUpdate": lambda view, arguments: done(view, project=planning.update_project(view, arguments)),
    "documentCreate": lambda view, arguments: done(view, document=planning.create_document(view, arguments)),
    "attachmentLinkURL": attachment_link_url,
    "projectUpdateCreate": project_update_create,
    "webhookCreate": webhook_create,
}
