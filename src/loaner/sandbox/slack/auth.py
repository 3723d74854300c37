"""``auth.test`` and ``auth.revoke`` (docs.slack.dev/reference/methods/auth.revoke)."""

from __future__ import annotations

from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.registered import ENTERPRISE_ID, TEAM_ID, TEAM_NAME
from loaner.sandbox.slack.shapes import Json


def test(call: Call) -> Json:
    shown: Json = {
        "url": f"{call.workspace.url}/",
        "team": TEAM_NAME,
        "user": call.user.name,
        "team_id": TEAM_ID,
        "user_id": call.user.id,
        "is_enterprise_install": False,
    }
    if call.workspace.organisation:
        shown |= {"team_id": ENTERPRISE_ID, "enterprise_id": ENTERPRISE_ID, "is_enterprise_install": True}
    if call.entry.expires_at is not None:
        left = call.entry.expires_at - call.state.now()
        shown["expires_in"] = int(left.total_seconds())
    return shown


def revoke(call: Call) -> Json:
    """``test=1`` says what would happen and does nothing: then ``revoked`` is false."""
    if call.args.flag("test"):
        return {"revoked": False}
    call.workspace.tokens.revoke(call.entry)
    return {"revoked": True}
