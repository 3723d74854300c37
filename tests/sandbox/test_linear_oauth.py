from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from linear_steps import REDIRECT, VERIFIER, Linear, challenge, returned

from loaner.sandbox.linear.registered import CLIENT_SECRET

VIEWER = "query { viewer { id name isMe } }"


@pytest.fixture
async def linear(anyio_backend: str) -> AsyncIterator[Linear]:
    it = Linear()
    async with it.http:
        yield it


async def test_consent_ends_in_a_token_that_answers_as_the_person(linear: Linear) -> None:
    back = await linear.consent("bob", scope="issues:create,comments:create")
    assert back["state"] == "s 1"
    answer = (await linear.redeem(back["code"])).json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 86399)
    assert answer["scope"] == "read issues:create comments:create"  # read is always there
    assert (await linear.ask(answer["access_token"], VIEWER))["viewer"]["name"] == "Bob Baker"
    entry = linear.entry(answer["access_token"])
    assert (entry.provider, entry.kind, entry.subject) == ("linear", "user", "bob")
    assert entry.permissions == ["read", "issues:create", "comments:create"]
    assert entry.resources == ["acme"]
    assert linear.entry(answer["refresh_token"]).kind == "refresh"


async def test_the_consent_page_lists_every_scope(linear: Linear) -> None:
    linear.http.cookies.set("sandbox_linear", "alice")
    shown = (await linear.authorize_page(scope="write,admin")).text
    assert all(f"<code>{scope}</code>" in shown for scope in ("read", "write", "admin"))
    assert "<code>issues:create</code>" not in shown


async def test_cancelling_sends_the_person_back_without_a_code(linear: Linear) -> None:
    back = await linear.consent(decision="cancel")
    assert back["error"] == "access_denied"
    assert back["state"] == "s 1"
    assert "code" not in back


async def test_a_consent_form_works_once_and_for_the_person_it_was_shown_to(linear: Linear) -> None:
    linear.http.cookies.set("sandbox_linear", "alice")
    shown = await linear.authorize_page()
    linear.http.cookies.set("sandbox_linear", "bob")
    assert (await linear.submit(shown, decision="allow")).status_code == 400
    linear.http.cookies.set("sandbox_linear", "alice")
    assert (await linear.submit(shown, decision="allow")).status_code == 400
    shown = await linear.authorize_page()
    assert "code" in returned(await linear.submit(shown, decision="allow"))
    assert (await linear.submit(shown, decision="allow")).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "other"},
        {"redirect_uri": "http://evil.example/callback/linear"},
        {"redirect_uri": "http://127.0.0.1:7777/elsewhere"},
        {"redirect_uri": "http://127.0.0.1:7777@evil.example/callback/linear"},
        {"redirect_uri": "https://127.0.0.1:7777/callback/linear"},
        {"redirect_uri": "http://127.0.0.1:7777/callback/linear#x"},
    ],
)
async def test_nothing_is_redirected_to_an_address_the_app_does_not_list(
    linear: Linear, changes: dict[str, str]
) -> None:
    answer = await linear.authorize_page(**changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "read,everything"}, "invalid_scope"),
        ({"actor": "robot"}, "invalid_request"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
    ],
)
async def test_other_faults_of_a_request_are_told_to_the_app(
    linear: Linear, changes: dict[str, str | None], error: str
) -> None:
    assert returned(await linear.authorize_page(**changes)) == {"error": error, "state": "s 1"}


async def test_a_code_is_good_once(linear: Linear) -> None:
    code = (await linear.consent())["code"]
    assert (await linear.redeem(code)).status_code == 200
    again = await linear.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


async def test_a_code_grows_old(linear: Linear) -> None:
    code = (await linear.consent())["code"]
    linear.sandbox.clock.advance(600)
    assert (await linear.redeem(code)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"code_verifier": challenge()}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"redirect_uri": REDIRECT.replace("7777", "7778")}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "other"}, "invalid_client"),
    ],
)
async def test_a_code_needs_everything_to_match(linear: Linear, changes: dict[str, str | None], error: str) -> None:
    code = (await linear.consent())["code"]
    assert (await linear.redeem(code, **changes)).json()["error"] == error


async def test_a_plain_challenge_is_its_own_verifier(linear: Linear) -> None:
    code = (await linear.consent(code_challenge=VERIFIER, code_challenge_method="plain"))["code"]
    assert (await linear.redeem(code)).status_code == 200


async def test_without_pkce_the_secret_is_needed_also_to_refresh(linear: Linear) -> None:
    without: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    code = (await linear.consent(**without))["code"]
    assert (await linear.redeem(code, code_verifier=None)).json()["error"] == "invalid_client"
    code = (await linear.consent(**without))["code"]
    assert (await linear.redeem(code, client_secret=CLIENT_SECRET)).json()["error"] == "invalid_grant"  # a verifier
    code = (await linear.consent(**without))["code"]
    pair = (await linear.redeem(code, code_verifier=None, client_secret=CLIENT_SECRET)).json()
    assert (await linear.refresh(pair["refresh_token"])).json()["error"] == "invalid_client"
    assert (await linear.refresh(pair["refresh_token"], client_secret=CLIENT_SECRET)).status_code == 200


async def test_refreshing_rotates_both_and_the_old_refresh_token_is_spent(linear: Linear) -> None:
    old = await linear.tokens(scope="issues:create")
    new = (await linear.refresh(old["refresh_token"])).json()
    assert new["scope"] == "read issues:create"
    assert {new["access_token"], new["refresh_token"]}.isdisjoint({old["access_token"], old["refresh_token"]})
    again = await linear.refresh(old["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert [use.status for use in linear.entry(old["refresh_token"]).uses] == [200, 400]
    assert linear.entry(new["access_token"]).parent == linear.entry(old["refresh_token"]).fingerprint
    assert linear.entry(old["access_token"]).revoked_by == "refreshed"
    assert (await linear.post(old["access_token"], VIEWER)).status_code == 401
    assert (await linear.post(new["access_token"], VIEWER)).status_code == 200


async def test_the_old_access_token_may_outlive_a_refresh(linear: Linear) -> None:
    linear.sandbox.switches.linear_refresh_ends_access = False
    old = await linear.tokens()
    await linear.refresh(old["refresh_token"])
    assert (await linear.post(old["access_token"], VIEWER)).status_code == 200


async def test_a_refresh_leaves_other_consents_of_the_same_person_alone(linear: Linear) -> None:
    one, other = await linear.tokens(), await linear.tokens()
    await linear.refresh(one["refresh_token"])
    assert (await linear.post(other["access_token"], VIEWER)).status_code == 200


async def test_an_access_token_ends_after_a_day_and_its_refresh_token_does_not(linear: Linear) -> None:
    pair = await linear.tokens()
    linear.sandbox.clock.advance(86_390)
    assert (await linear.post(pair["access_token"], VIEWER)).status_code == 200
    linear.sandbox.clock.advance(10)
    assert (await linear.post(pair["access_token"], VIEWER)).status_code == 401
    assert (await linear.refresh(pair["refresh_token"])).status_code == 200


async def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(linear: Linear) -> None:
    pair = await linear.tokens()
    assert (await linear.refresh(pair["access_token"])).json()["error"] == "invalid_grant"
    assert (await linear.post(pair["refresh_token"], VIEWER)).status_code == 401


async def test_client_credentials_are_refused_in_linears_own_words(linear: Linear) -> None:
    answer = await linear.exchange(grant_type="client_credentials", client_secret=CLIENT_SECRET)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "Error",
        "error_description": "Client does not support the client_credentials grant type",
    }


async def test_no_other_grant_is_known(linear: Linear) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"
    assert (await linear.exchange(grant_type=device)).json()["error"] == "unsupported_grant_type"
    assert (await linear.exchange()).json()["error"] == "unsupported_grant_type"


async def test_the_token_endpoint_reads_forms_only(linear: Linear) -> None:
    answer = await linear.http.post(f"{linear.api}/oauth/token", json={"grant_type": "authorization_code"})
    assert answer.json()["error"] == "invalid_request"
    repeated = await linear.http.post(
        f"{linear.api}/oauth/token",
        content="grant_type=refresh_token&refresh_token=a&refresh_token=b",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert repeated.json()["error"] == "invalid_request"


@pytest.mark.parametrize("field", ["token", "access_token"])
async def test_revoking_works_once_and_then_is_an_error(linear: Linear, field: str) -> None:
    pair = await linear.tokens()
    assert (await linear.revoke(**{field: pair["access_token"]})).status_code == 200
    assert (await linear.post(pair["access_token"], VIEWER)).status_code == 401
    assert (await linear.revoke(**{field: pair["access_token"]})).status_code == 400
    assert linear.entry(pair["access_token"]).revoked_by == "revoked"
    assert (await linear.refresh(pair["refresh_token"])).status_code == 200  # only that one token died


async def test_revoking_reads_the_older_fields_and_the_header_but_no_mixture(linear: Linear) -> None:
    pair = await linear.tokens()
    access, refresh = pair["access_token"], pair["refresh_token"]
    assert (await linear.revoke(access_token=access, refresh_token=refresh)).status_code == 400
    assert (await linear.post(access, VIEWER)).status_code == 200
    assert (await linear.revoke(refresh_token=refresh)).status_code == 200
    url, header = f"{linear.api}/oauth/revoke", {"authorization": f"Bearer {access}"}
    assert (await linear.http.post(url, headers=header)).status_code == 200
    assert (await linear.http.post(url, headers=header)).status_code == 400


async def test_revoking_nothing_or_a_stranger_is_unauthenticated(linear: Linear) -> None:
    assert (await linear.revoke()).status_code == 401
    assert (await linear.revoke(token="lin_oauth_" + "0" * 64)).status_code == 401
    pair = await linear.tokens()
    assert (await linear.revoke(token=pair["access_token"], token_type_hint="refresh_token")).status_code == 200


async def test_revoking_may_end_everything_the_person_allowed(linear: Linear) -> None:
    linear.sandbox.switches.linear_revoke_ends_authorization = True
    one, other, of_bob = await linear.tokens(), await linear.tokens(), await linear.tokens("bob")
    assert (await linear.revoke(token=one["access_token"])).status_code == 200
    assert (await linear.refresh(one["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await linear.post(other["access_token"], VIEWER)).status_code == 401
    assert linear.entry(other["access_token"]).revoked_by == "grant revoked"
    assert (await linear.post(of_bob["access_token"], VIEWER)).status_code == 200


async def test_consent_may_be_remembered_unless_the_app_says_prompt(linear: Linear) -> None:
    linear.sandbox.switches.linear_remembers_consent = True
    await linear.tokens(scope="write")
    assert "code" in returned(await linear.authorize_page(prompt=None, scope="read"))
    assert (await linear.authorize_page(prompt=None, scope="admin")).status_code == 200
    assert (await linear.authorize_page(scope="read")).status_code == 200


async def test_an_app_may_act_as_itself(linear: Linear) -> None:
    pair = await linear.tokens(actor="app")
    viewer = (await linear.ask(pair["access_token"], "{ viewer { name app } }"))["viewer"]
    assert viewer == {"name": "loaner", "app": True}


async def test_the_wrong_scope_can_be_granted_on_purpose(linear: Linear) -> None:
    linear.sandbox.faults.add("linear", "wrong_scope", count=2)
    assert (await linear.tokens(scope="read,write"))["scope"] == "read"
    assert (await linear.tokens(scope="read"))["scope"] == "read write"
