"""An answer that repeats a credential hands it to nobody: not in a value, a name, a header, an error or a log."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from loaner import catalog
from loaner.errors import LoanerError, OutcomeUnknown, ProviderUnavailable
from loaner.lending.loan import Loan
from loaner.provider_call import Answer, ProviderTransport, Reply, Terms, send
from loaner.provider_call.echoes import REMOVED
from loaner.secret import Secret
from stand_in import Over

CATALOG = catalog.load()
GRANT, APP = "canary-of-the-grant/with+signs", "canary-of-the-app-0123456789"
LENT = "canary-of-the-loan_0123456789"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "in a header": lambda value: f"Authorization: Bearer {value}",
    "in a URL": lambda value: f"https://x.example/?access_token={quote(value, safe='')}&a=b",
    "encoded twice": lambda value: quote(quote(value, safe=""), safe=""),
    "percent, all of it": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 of a header": lambda value: base64.b64encode(f"Bearer {value} x".encode()).decode(),
    "base64 of a client": lambda value: base64.b64encode(f"Iv23li:{value}".encode()).decode(),
    "base64 one further": lambda value: base64.urlsafe_b64encode(f"ab{value}".encode()).decode(),
    "hex": lambda value: value.encode().hex(),
    "JSON in a text": lambda value: json.dumps({"token": value}),
}


def answering(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> ProviderTransport:
    return ProviderTransport(Over(httpx2.MockTransport(lambda _: httpx2.Response(status, json=body, headers=headers))))


async def read(body: Any, tool: str = "github_get_repository", **more: Any) -> Reply:
    arguments = {"owner": "acme", "repo": "web"} if tool.startswith("github") else {"channel": "C0000001"}
    known = (Secret(GRANT), Secret(APP), None)
    async with answering(body, **more) as transport:
        return await send(CATALOG[tool].bind(arguments), Secret(LENT), transport, Terms(known=known))


@pytest.mark.parametrize("secret", [LENT, GRANT, APP])
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_credential_in_an_answer_is_replaced_in_whatever_spelling(secret: str, spelling: str) -> None:
    """MUST 42."""
    echoed = SPELLINGS[spelling](secret)
    reply = await read({"full_name": "acme/web", "html_url": f"x {echoed} y", "description": echoed})
    told = json.dumps(reply.payload)
    assert echoed not in told
    assert secret not in told
    assert reply.payload["full_name"] == "acme/web"
    assert REMOVED in reply.payload["description"]


async def test_an_escaped_credential_is_found_in_what_was_decoded() -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in LENT)
    raw = f'{{"full_name": "acme/web", "description": "{escaped}"}}'.encode()
    kind = {"content-type": "application/json"}
    over = Over(httpx2.MockTransport(lambda _: httpx2.Response(200, content=raw, headers=kind)))
    async with ProviderTransport(over) as transport:
        call = CATALOG["github_get_repository"].bind({"owner": "acme", "repo": "web"})
        reply = await send(call, Secret(LENT), transport)
    assert reply.payload["description"] == REMOVED


async def test_names_lists_and_headers_hold_none_either() -> None:
    body = {LENT: [{"deep": [LENT, 1, None, True]}], "ok": 1}
    async with answering(body, headers={"X-Echo": LENT, "X-Fine": "1"}) as transport:
        answer: Answer = await transport.exchange("GET", "https://api.github.com/x", bearer=Secret(LENT))
    assert answer.body == {REMOVED: [{"deep": [REMOVED, 1, None, True]}], "ok": 1}
    assert (answer.headers["x-echo"], answer.headers["X-Fine"], answer.echoed) == (REMOVED, "1", True)
    assert LENT not in repr(answer)


@pytest.mark.parametrize("key", ["ghr_", "ghu_", "github_pat_", "xoxp-", "xoxe.xoxp-1-", "lin_oauth_"])
async def test_what_has_the_shape_of_a_providers_key_is_replaced_too(key: str) -> None:
    """A refresh token, or somebody else's key: not known here, and no agent's business."""
    reply = await read({"full_name": "acme/web", "description": f"see {key}{'A1' * 20}."})
    assert reply.payload["description"] == f"see {REMOVED}." or reply.payload["description"] == f"see {REMOVED}"


async def test_honest_answers_are_untouched() -> None:
    honest = "ghu_ is a prefix; xoxb- too; canary \\u0041 \\n 100 % sure"
    reply = await read({"full_name": "acme/web", "description": honest})
    assert reply.payload["description"] == honest


@pytest.mark.parametrize("style", ["read", "write"])
async def test_where_the_grants_own_token_is_echoed_the_answer_is_refused(style: str) -> None:
    """MUST 42: it is good for hours. A write may have happened, and is said to be unknown."""
    messages = {"ok": True, "messages": [{"type": "message", "text": f"{LENT}", "ts": "1.2", "user": "U1"}]}
    if style == "read":
        with pytest.raises(ProviderUnavailable) as refused:
            await read(messages, "slack_read_channel")
        failure: LoanerError = refused.value
    else:
        call = CATALOG["slack_send_message"].bind({"channel": "C0000001", "text": "hi"})
        async with answering({"ok": True, "channel": "C0000001", "ts": "1.2", "message": {"x": LENT}}) as transport:
            with pytest.raises(OutcomeUnknown) as unknown:
                await send(call, Secret(LENT), transport)
        failure = unknown.value
    assert LENT not in failure.told() + failure.log + str(failure.facts())
    assert "repeated the credential" in failure.log


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500])
async def test_an_errors_words_and_log_hold_none(status: int) -> None:
    body = {"message": LENT, "errors": [{"field": LENT, "code": "invalid"}]}
    with pytest.raises(LoanerError) as refused:
        await read(body, status=status, headers={"x-github-request-id": f"req {LENT}"})
    assert LENT not in refused.value.told() + refused.value.log + str(refused.value.facts())


def test_what_a_loan_knows_is_not_shown_with_it() -> None:
    assert "known" not in {name for name, one in Loan.__dataclass_fields__.items() if one.repr}
