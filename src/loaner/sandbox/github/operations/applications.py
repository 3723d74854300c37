"""``/applications/{client_id}/…``: check, reset, narrow and end the tokens of the app.

GitHub docs, REST API "OAuth authorizations" (apps/oauth-applications). All take Basic authentication with the client id
and secret. None of these counts as a use of the token named in the body.
"""

from __future__ import annotations

import hashlib

from loaner.sandbox.github import registered
from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import ApiError, invalid_request, not_found, refused
from loaner.sandbox.github.installed import Installation
from loaner.sandbox.github.operations import asking
from loaner.sandbox.github.permissions import with_metadata
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json, maybe_user, simple_user, stamp
from loaner.sandbox.github.state import Account
from loaner.sandbox.github.tokens import Minted
from loaner.sandbox.ledger import Entry


@operation("POST /applications/{client_id}/token", auth="client")
def check_token(call: Call) -> Json:
    return _authorization(call, Minted(call.required("access_token"), _user_token(call, missing=not_found())))


@operation("PATCH /applications/{client_id}/token", auth="client")
def reset_token(call: Call) -> Json:
    """A new token for the same person; the old one dies."""
    old = _user_token(call, missing=_invalid())
    call.hub.tokens.revoke(old, "reset")
    return _authorization(call, call.hub.tokens.pair(str(call.hub.tokens.login(old)))[0])


@operation("DELETE /applications/{client_id}/token", auth="client", status=204)
def delete_token(call: Call) -> None:
    call.hub.tokens.revoke(_user_token(call, missing=_invalid()))


@operation("DELETE /applications/{client_id}/grant", auth="client", status=204)
def delete_grant(call: Call) -> None:
    """Ends the person's whole authorization of the app."""
    call.hub.tokens.end_grant(str(call.hub.tokens.login(_user_token(call, missing=_invalid()))))


@operation("POST /applications/{client_id}/token/scoped", auth="client")
def scope_token(call: Call) -> Json:
    """A second, narrower token of the same person. Not an exchange: the first stays valid."""
    parent = _user_token(call, missing=not_found())
    installed = _target(call, parent)
    reachable = [each for each in call.hub.tokens.reaches(parent) if each.owner == installed.account]
    held = call.hub.tokens.permissions(parent)
    granted = {name: level for name, level in with_metadata(installed.permissions).items() if name in held}
    permissions = asking.permissions(call, granted)
    chosen = asking.repositories(call, reachable)
    if call.hub.sandbox.faults.take("github", call.path, kinds=("wrong_scope",)):
        permissions, chosen = call.hub.tokens.permissions(parent), None  # a provider that narrows nothing
    minted = call.hub.tokens.scoped(parent, permissions, [each.id for each in chosen or reachable])
    return _authorization(call, minted, account=installed.account, selected=chosen is not None)


def _target(call: Call, parent: Entry) -> Installation:
    """The installation on the account that the body names, as far as the person reaches it."""
    target, target_id = call.text("target"), call.body.get("target_id")
    if target is None and target_id is None:
        raise invalid_request('"target" or "target_id" wasn\'t supplied.')
    for each in call.hub.installations.of_user(str(call.hub.tokens.login(parent))):
        named = target is None or target.casefold() == each.account.login.casefold()
        if named and (target_id is None or target_id == each.account.id):
            break
    else:
        if call.hub.sandbox.switches.github_unknown_target_status == 404:  # noqa: PLR2004 - Not Found
            raise not_found()
        raise ApiError(422, "The target does not exist or the app is not installed on it.")
    if each.suspended:
        raise refused("suspended")
    return each


def _user_token(call: Call, missing: ApiError) -> Entry:
    """The living user token of the body; a token that is dead, foreign or an installation's is ``missing``."""
    entry = call.hub.tokens.find(call.required("access_token"), kinds=("user", "scoped"))
    if entry is None or not call.hub.tokens.is_own(entry):
        raise missing
    return entry


def _invalid() -> ApiError:
    return ApiError(422, "Validation Failed", errors=[{"resource": "OauthAccess", "code": "invalid"}])


def _authorization(call: Call, minted: Minted, *, account: Account | None = None, selected: bool | None = None) -> Json:
    """Schema ``authorization``."""
    entry = minted.entry
    person = call.hub.world.account(entry.subject)
    body: Json = {
        "id": int(entry.fingerprint[:8], 16),
        "url": f"{call.hub.api}/applications/{call.hub.app.client_id}/token",
        "scopes": [],
        "token": minted.token,
        "token_last_eight": minted.token[-8:],
        "hashed_token": hashlib.sha256(minted.token.encode()).hexdigest(),
        "app": {"client_id": call.hub.app.client_id, "name": registered.APP_NAME, "url": call.hub.web},
        "note": None,
        "note_url": None,
        "fingerprint": None,
        "created_at": stamp(entry.minted_at),
        "updated_at": stamp(entry.minted_at),
        "expires_at": stamp(entry.expires_at),
        "user": maybe_user(call.urls, person),
    }
    if selected is not None and account is not None:
        body["installation"] = {
            "permissions": dict(call.hub.tokens.permissions(entry)),
            "repository_selection": "selected" if selected else "all",
            "single_file_name": None,
            "has_multiple_single_files": False,
            "single_file_paths": [],
            "repositories_url": f"{call.hub.api}/user/repos",
            "account": simple_user(call.urls, account),
        }
    return body
