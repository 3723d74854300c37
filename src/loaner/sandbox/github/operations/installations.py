"""The app as itself: installations and their tokens, plus the endpoints about tokens as such.

GitHub docs, REST API "GitHub Apps" (apps/apps, apps/installations), "Revocation", "Rate limit".
"""

from __future__ import annotations

from loaner.sandbox.github import registered
from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import not_accessible, not_found, refused
from loaner.sandbox.github.installed import Installation
from loaner.sandbox.github.limits import ANONYMOUS, FREE
from loaner.sandbox.github.operations import asking
from loaner.sandbox.github.permissions import with_metadata
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json, node_id, simple_user, stamp
from loaner.sandbox.github.shapes.repositories import repository
from loaner.sandbox.github.state import Account


@operation("GET /app", auth="app")
def get_app(call: Call) -> Json:
    return _app(call)


def _app(call: Call) -> Json:
    return {
        "id": registered.APP_ID,
        "slug": registered.APP_SLUG,
        "client_id": registered.CLIENT_ID,
        "node_id": node_id("App", registered.APP_ID),
        "owner": simple_user(call.urls, _organization(call)),
        "name": registered.APP_NAME,
        "description": None,
        "external_url": call.hub.web,
        "html_url": f"{call.hub.web}/apps/{registered.APP_SLUG}",
        "created_at": stamp(call.hub.now()),
        "updated_at": stamp(call.hub.now()),
        "permissions": with_metadata(call.hub.app.permissions),
        "events": [],
    }


@operation("GET /apps/{app_slug}", auth="open")
def get_app_by_slug(call: Call) -> Json:
    """What anybody may know of an app: the permissions that it asks for, accepted or not."""
    if call.params["app_slug"] != registered.APP_SLUG:
        raise not_found()
    return _app(call)


@operation("GET /app/installations", auth="app")
def list_installations(call: Call) -> list[Json]:
    return [_installation(call, each) for each in call.page(call.hub.installations.every())]


@operation("GET /app/installations/{installation_id}", auth="app")
def get_installation(call: Call) -> Json:
    return _installation(call, _by_id(call))


@operation("GET /orgs/{org}/installation", auth="app")
def get_org_installation(call: Call) -> Json:
    found = call.hub.installations.on(call.params["org"])
    if found is None:
        raise not_found()
    return _installation(call, found)


@operation("POST /app/installations/{installation_id}/access_tokens", auth="app", status=201)
def create_installation_token(call: Call) -> Json:
    installed = _by_id(call)
    if installed.suspended:
        raise refused("suspended")
    every = [each for each in call.hub.world.repositories.values() if each.owner == installed.account]
    permissions = asking.permissions(call, installed.permissions)
    chosen = asking.repositories(call, every)
    form = {"enabled": True, "disabled": False}.get(call.headers.get("x-github-stateless-s2s-token", ""))
    ids = [each.id for each in (every if chosen is None else chosen)]
    minted = call.hub.tokens.installation(permissions, ids, stateless=form)
    body: Json = {
        "token": minted.token,
        "expires_at": stamp(minted.entry.expires_at),
        "permissions": dict(permissions),
        "repository_selection": "all" if chosen is None else "selected",
    }
    return body | ({"repositories": [repository(call.urls, each) for each in chosen]} if chosen else {})


@operation("DELETE /installation/token", status=204)
def revoke_installation_token(call: Call) -> None:
    """A token gives itself back."""
    if call.token.kind != "installation":
        raise not_accessible()
    call.hub.tokens.revoke(call.token)


@operation("GET /installation/repositories")
def list_installation_repositories(call: Call) -> Json:
    if call.token.kind != "installation":
        raise not_accessible()
    found = call.reached()
    return {"total_count": len(found), "repositories": [repository(call.urls, each) for each in call.page(found)]}


@operation("GET /user/installations", installation=False)
def list_user_installations(call: Call) -> Json:
    found = call.hub.installations.of_user(call.actor.login)
    shown = [_installation(call, each) for each in call.page(found)]
    return {"total_count": len(found), "installations": shown}


@operation("POST /credentials/revoke", auth="open", status=202)
def revoke_leaked(call: Call) -> Json:
    """Anyone who finds a token may end it; installation tokens cannot be ended so."""
    for token in call.strings("credentials") or []:
        entry = call.hub.tokens.find(token, kinds=("user", "scoped", "refresh"))
        if entry is not None:
            call.hub.tokens.revoke(entry, "reported as leaked")
    return {}


@operation("GET /rate_limit", auth="open", bucket=FREE)
def rate_limit(call: Call) -> dict[str, object]:
    return call.hub.limits.overview(call.entry.subject if call.entry else ANONYMOUS)


def _by_id(call: Call) -> Installation:
    found = call.hub.installations.by_id(call.number("installation_id"))
    if found is None:
        raise not_found()
    return found


def _organization(call: Call) -> Account:
    account = call.hub.world.account(registered.ORGANIZATION)
    if account is None:
        raise not_found()
    return account


def _installation(call: Call, shown: Installation) -> Json:
    """Schema ``installation``."""
    account, is_user = shown.account, shown.account.type == "User"
    settings = "settings" if is_user else f"organizations/{account.login}/settings"
    at = f"{call.hub.api}/app/installations/{shown.id}"
    return {
        "id": shown.id,
        "account": simple_user(call.urls, account),
        "repository_selection": "all",
        "access_tokens_url": f"{at}/access_tokens",
        "repositories_url": f"{call.hub.api}/installation/repositories",
        "html_url": f"{call.hub.web}/{settings}/installations/{shown.id}",
        "app_id": registered.APP_ID,
        "app_slug": registered.APP_SLUG,
        "client_id": registered.CLIENT_ID,
        "target_id": account.id,
        "target_type": account.type,
        "permissions": with_metadata(shown.permissions),
        "events": [],
        "single_file_name": None,
        "suspended_by": simple_user(call.urls, account) if shown.suspended else None,
        "suspended_at": stamp(call.hub.now()) if shown.suspended else None,
        "created_at": stamp(call.hub.now()),
        "updated_at": stamp(call.hub.now()),
    }
