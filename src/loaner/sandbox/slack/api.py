"""The Web API's one door: find the token, count the call, check the scope, answer, write it down."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loaner.sandbox.faults import REFUSED
from loaner.sandbox.ledger import Entry
from loaner.sandbox.slack import (
    auth,
    canvases,
    channels,
    chat,
    conversations,
    files,
    kept,
    pins,
    reactions,
    search,
    users,
)
from loaner.sandbox.slack.arguments import bearer, read
from loaner.sandbox.slack.call import Call, Handler
from loaner.sandbox.slack.errors import RateLimitedError, SlackError
from loaner.sandbox.slack.methods import METHODS, Method
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.tokens import member_of
from loaner.sandbox.slack.workspace import Workspace

HANDLERS: Mapping[str, Handler] = {
    "auth.test": auth.test,
    "auth.revoke": auth.revoke,
    "conversations.list": conversations.list_,
    "users.conversations": conversations.of_user,
    "conversations.info": conversations.info,
    "conversations.members": conversations.members,
    "conversations.history": conversations.history,
    "conversations.replies": conversations.replies,
    "conversations.create": channels.create,
    "conversations.invite": channels.invite,
    "conversations.setTopic": channels.set_topic,
    "conversations.open": channels.open_,
    "conversations.join": kept.join,
    "conversations.archive": kept.archive,
    "conversations.unarchive": kept.unarchive,
    "chat.postMessage": chat.post,
    "chat.update": chat.update,
    "chat.delete": chat.delete,
    "chat.scheduleMessage": chat.schedule,
    "chat.scheduledMessages.list": chat.list_scheduled,
    "chat.deleteScheduledMessage": chat.delete_scheduled,
    "chat.getPermalink": reactions.get_permalink,
    "reactions.add": reactions.add,
    "reactions.remove": reactions.remove,
    "reactions.get": reactions.get,
    "pins.add": pins.add,
    "pins.list": pins.list_,
    "bookmarks.list": pins.bookmarks,
    "users.info": users.info,
    "users.list": users.list_,
    "users.lookupByEmail": users.by_email,
    "assistant.search.context": search.context,
    "files.getUploadURLExternal": files.get_upload_url,
    "files.completeUploadExternal": files.complete_upload,
    "files.list": files.list_,
    "canvases.create": canvases.create,
}

DRIFTED = ("admin",)
"""What a method asks for when the sandbox plays a provider that changed its rules."""


class WebApi:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def answer(self, request: Request) -> Response:
        name = request.path_params["method"]
        method = METHODS.get(name)
        if method is None:
            return JSONResponse({"ok": False, "error": "unknown_method", "req_method": name})
        self._workspace.state.deliver_due()
        headers: dict[str, str] = {}
        status = 200
        answer: Json
        known: Entry | None = None
        try:
            args, form_token = await read(request, accepts_json=self._accepts_json(method))
            token = bearer(request) or form_token
            known = self._workspace.sandbox.ledger.find(token)
            entry = self._workspace.tokens.check(token)
            headers = {
                "x-oauth-scopes": ",".join(entry.permissions),
                "x-accepted-oauth-scopes": ",".join(method.accepted),
            }
            multiplier = self._workspace.sandbox.switches.slack_tier_multiplier
            self._workspace.limits.count(method, multiplier=multiplier)
            call = Call(self._workspace, method, args, entry, member_of(entry))
            call.need(*(DRIFTED if self._drifted(name) else method.scopes))
            self._refuse(name)
            answer = {"ok": True} | HANDLERS[name](call)
        except RateLimitedError as error:
            status, answer = 429, error.as_json()
            headers["retry-after"] = str(error.retry_after)
        except SlackError as error:
            answer = error.as_json()
        if known is not None:
            self._workspace.sandbox.ledger.used(known, method=request.method, path=f"/api/{name}", status=status)
        return JSONResponse(answer, status_code=status, headers=headers)

    def _drifted(self, name: str) -> bool:
        """The injected fault ``wrong_scope``: Slack asks for something its documents do not say."""
        return self._workspace.sandbox.faults.take("slack", f"/api/{name}", {"wrong_scope"}) is not None

    def _refuse(self, name: str) -> None:
        """The injected fault ``refused:<word>``."""
        if fault := self._workspace.sandbox.faults.take("slack", f"/api/{name}", REFUSED):
            raise SlackError(fault.kind.partition(":")[2])

    def _accepts_json(self, method: Method) -> bool:
        return not method.reads or self._workspace.sandbox.switches.slack_reads_accept_json
