"""Teams of an organisation and who is in them (``members: read``).

GitHub docs, REST API "Teams" and "Team members": what is visible to the person; members of child teams are listed as
inherited ones.
"""

from __future__ import annotations

from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import not_found
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json, Urls, node_id, simple_user
from loaner.sandbox.github.state import Account, Team


@operation("GET /orgs/{org}/teams")
def list_teams(call: Call) -> list[Json]:
    return [_team(call.urls, call.organization, each) for each in call.page(_teams(call))]


@operation("GET /orgs/{org}/teams/{team_slug}/members")
def list_members(call: Call) -> list[Json]:
    found = next((each for each in _teams(call) if each.slug == call.params["team_slug"]), None)
    if found is None:
        raise not_found()
    role = call.query.get("role", "all")
    members = [(login, is_a) for login, is_a in found.members.items() if role in ("all", is_a)]
    people = [(call.hub.world.account(login), is_a) for login, is_a in call.page(members)]
    return [simple_user(call.urls, each) | {"role": is_a, "inherited": False} for each, is_a in people if each]


def _teams(call: Call) -> list[Team]:
    return [each for each in call.hub.world.teams if each.organization == call.organization.login]


def _team(urls: Urls, of: Account, shown: Team) -> Json:
    """Schema ``team``."""
    here = f"{urls.api}/organizations/{of.id}/team/{shown.id}"
    return {
        "id": shown.id,
        "node_id": node_id("Team", shown.id),
        "name": shown.name,
        "slug": shown.slug,
        "description": shown.description,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "url": here,
        "html_url": f"{urls.web}/orgs/{of.login}/teams/{shown.slug}",
        "members_url": f"{here}/members{{/member}}",
        "repositories_url": f"{here}/repos",
        "type": "organization",
        "parent": None,
    }
