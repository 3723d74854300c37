"""Uploading a file in three steps (docs.slack.dev/messaging/working-with-files).

Ask for an address, send the bytes there *without any token*, then say where the file shall appear.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from loaner.sandbox.slack import shapes
from loaner.sandbox.slack.arguments import bearer
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError, missing_argument
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.state import Conversation, File

if TYPE_CHECKING:
    from loaner.sandbox.slack.workspace import Workspace

UPLOAD_PATH = "/upload/v1/{ticket}"


def get_upload_url(call: Call) -> Json:
    name = call.args.needed("filename")
    length = call.args.integer("length", 0)
    if length <= 0:
        raise missing_argument("length")
    file = File(
        id=call.state.new_id("F"),
        ticket=secrets.token_urlsafe(24),
        user=call.user.id,
        name=name,
        length=length,
        created=int(call.state.now().timestamp()),
    )
    call.state.files[file.id] = file
    return {"upload_url": call.workspace.url + UPLOAD_PATH.format(ticket=file.ticket), "file_id": file.id}


def upload(workspace: Workspace) -> Callable[[Request], Awaitable[Response]]:
    """The address that takes the bytes. Whoever has it may write once: it needs no other key."""

    async def receive(request: Request) -> Response:
        # Slack's own client sends its token along, so one is no fault here; but the ledger tells who does.
        known = workspace.sandbox.ledger.find(bearer(request))
        if known is not None:
            workspace.sandbox.ledger.used(known, method="POST", path=request.url.path, status=200)
        ticket = request.path_params["ticket"]
        file = next((file for file in workspace.state.files.values() if file.ticket == ticket), None)
        if file is None or file.content is not None:
            return PlainTextResponse("no such upload", status_code=404)
        content = await _content(request)
        if len(content) != file.length:
            return PlainTextResponse("the length is not the one announced", status_code=400)
        file.content = content
        return PlainTextResponse(f"OK - {len(content)}")

    return receive


async def _content(request: Request) -> bytes:
    """The raw body, or the one file of a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form() as form:
        for value in form.values():
            if isinstance(value, UploadFile):
                return await value.read()
    return b""


def complete_upload(call: Call) -> Json:
    """Without a channel the file stays private to the person."""
    wanted = call.args.structure("files")
    if not isinstance(wanted, list) or not wanted:
        raise missing_argument("files")
    done: list[File] = []
    for item in wanted:
        file = call.state.files.get(str(item.get("id"))) if isinstance(item, dict) else None
        if file is None or file.user != call.user.id or file.content is None:
            raise SlackError("file_not_found")
        done.append(file)
    places = [_place(call, name) for name in _channels(call)]
    thread_ts = call.args.text("thread_ts") or None
    for file, item in zip(done, wanted, strict=True):
        file.title = str(item.get("title") or file.name)
    for place in places:
        for file in done:
            file.shared_in.append(place.id)
        text = call.args.text("initial_comment")
        call.state.post(place, call.user.id, text, thread_ts=thread_ts, files=[file.id for file in done])
    return {"files": [shapes.file(file) for file in done]}


_TYPES = ("all", "spaces", "snippets", "images", "gdocs", "zips", "pdfs")


def list_(call: Call) -> Json:
    """The newest first, by numbered pages: of a channel, of a person, of a time."""
    call.in_workspace()
    kinds, owner = call.args.items("types", ("all",)), call.args.text("user")
    if not set(kinds) <= set(_TYPES):
        raise SlackError("unknown_type")
    if owner and owner not in call.state.members:
        raise SlackError("user_not_found")
    count, number = call.args.integer("count", 100), call.args.integer("page", 1)
    since, until = call.args.integer("ts_from", 0), call.args.integer("ts_to", 0)
    found = [
        file
        for file in call.state.files.values()
        if file.content is not None
        and _seen(call, file)
        and owner in {"", file.user}
        and file.created >= since
        and (not until or file.created <= until)
        and ("all" in kinds or _kind(file) in kinds)
    ]
    found.sort(key=lambda file: (file.created, file.id), reverse=True)
    start = (number - 1) * count
    pages = -(-len(found) // count)
    return {
        "files": [shapes.file(file) | {"permalink": _link(call, file)} for file in found[start : start + count]],
        "paging": {"count": count, "total": len(found), "page": number, "pages": pages},
    }


def _seen(call: Call, file: File) -> bool:
    """Where it is shared, the person is; or it is theirs. With ``channel``, it is shared there."""
    where = call.args.text("channel")
    shared = [place for place in file.shared_in if call.state.conversations[place].visible_to(call.user.id)]
    return where in shared if where else bool(shared) or file.user == call.user.id


def _link(call: Call, file: File) -> str:
    return f"{call.workspace.url}/files/{file.user}/{file.id}/{file.name}"


def _kind(file: File) -> str:
    end = file.name.rpartition(".")[2].lower()
    return {"txt": "snippets", "md": "snippets", "png": "images", "jpg": "images", "zip": "zips", "pdf": "pdfs"}.get(
        end, "all"
    )


def _channels(call: Call) -> list[str]:
    one = call.args.text("channel_id")
    return [one] if one else call.args.items("channels")


def _place(call: Call, name: str) -> Conversation:
    found = call.state.conversations.get(name)
    if found is None or not found.visible_to(call.user.id):
        raise SlackError("channel_not_found")
    if call.user.id not in found.members:
        raise SlackError("not_in_channel")
    return found
