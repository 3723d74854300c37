"""``loaner doctor``: what stands in the way is named, with the setting that cures it, before anybody is in its way."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from cli.terminal import Done, Terminal
from loaner.identity.token_claims import CHECKS
from loaner.sandbox.idp.registered import SECRET
from loaner.sandbox.run import RunningSandbox, serving

AUDIENCE = "https://loaner.example/mcp"


@dataclass
class Ward:
    """A person at a terminal whose settings name the sandbox's issuer and providers."""

    terminal: Terminal
    running: RunningSandbox

    def write(self, more: str = "", *, identity: str = "") -> None:
        file = self.terminal.home / "loaner" / "config.toml"
        file.parent.mkdir(exist_ok=True)
        urls = self.running.urls
        file.write_text(
            f"""{more}
[hosts.github]
web = "{urls["github"]}"
api = "{urls["github_api"]}"
[connectors.github]
provider = "github"
client_id = "Iv23liSANDBOXloaner"
client_secret = "env:GITHUB_SECRET"
[identity]
issuer = "{urls["idp"]}"
audience = "{AUDIENCE}"
{identity}
"""
        )

    async def doctor(self, *arguments: str, stdin: str = "") -> Done:
        self.terminal.patch.setattr("sys.stdin", io.StringIO(stdin))
        return await anyio.to_thread.run_sync(
            lambda: self.terminal.type("doctor", *arguments, GITHUB_SECRET="s", API_SECRET=SECRET)
        )

    async def token(self, **wanted: Any) -> str:
        body = {"user": "alice", "agent": "agent", "audience": AUDIENCE} | wanted
        async with httpx2.AsyncClient() as http:
            answer = await http.post(f"{self.running.urls['idp']}/sandbox/token", json=body)
        return str(answer.json()["access_token"])

    async def examined(self, token: str) -> dict[str, Any]:
        done = await self.doctor("--token", "-", "--json", stdin=token)
        told: dict[str, Any] = json.loads(done.out)
        assert token not in done.out + done.err
        assert done.code == (0 if told["ok"] else 1)
        return told


@asynccontextmanager
async def ward_in(terminal: Terminal) -> AsyncIterator[Ward]:
    async with serving() as running:
        ward = Ward(terminal, running)
        ward.write()
        yield ward


@pytest.fixture
async def ward(terminal: Terminal, anyio_backend: str) -> AsyncIterator[Ward]:
    async with ward_in(terminal) as opened:
        yield opened


NO_ACTOR = {"act": None}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "an algorithm that nobody allows": ({"header": {"alg": "HS256"}}, "alg", ""),
    "typ JWT": ({"header": {"typ": "JWT"}}, "typ", "identity.token_types"),
    "no typ": ({"header": {"typ": None}}, "typ", "identity.token_types"),
    "an ID token's typ": ({"header": {"typ": "id+jwt"}}, "typ", ""),
    "no key id": ({"header": {"kid": None}}, "kid", ""),
    "an unknown key": ({"header": {"kid": "another"}}, "key", ""),
    "a stranger's signature": ({"signed_by": "stranger"}, "signature", ""),
    "another issuer": ({"claims": {"iss": "https://sts.example"}}, "iss", ""),
    "no issuer": ({"claims": {"iss": None}}, "iss", ""),
    "another audience": ({"audience": "api://loaner"}, "aud", "identity.audience"),
    "others too": ({"claims": {"aud": [AUDIENCE, "account"]}}, "aud", "identity.other_audiences"),
    "not begun": ({"claims": {"nbf": 99_999_999_999}}, "times", ""),
    "no end": ({"claims": {"exp": None}}, "times", ""),
    "over": ({"expires_in": -10, "claims": {"iat": 1}}, "expired", ""),
    "no person": ({"claims": {"sub": None, "oid": "o"}}, "subject", "identity.subject_claim: it has oid"),
    "no agent": (
        {"claims": NO_ACTOR | {"client_id": None, "azp": None, "cid": "c"}},
        "agent",
        "identity.agent_claim: it has cid",
    ),
    "no scope": ({"claims": {"scope": None, "scp": "tools"}}, "scope", "identity.scope_claim: it has scp"),
    "another scope": ({"claims": {"scope": "read"}}, "scope", ""),
}


async def test_each_failing_check_of_a_token_is_named_with_its_cure(ward: Ward) -> None:
    for what, (wanted, check, cure) in WRONG.items():
        told = await ward.examined(await ward.token(**wanted))
        assert (told["failed"], told["cure"][: len(cure)]) == (check, cure), what
        assert bool(told["cure"]) == bool(cure), what
        states = [(one["name"], one["state"]) for one in told["checks"]]
        at = [name for name, _ in states].index(check)
        assert {state for _, state in states[:at]} <= {"ok"}, what
        assert {state for _, state in states[at + 1 :]} <= {"not looked at"}, what
    assert {check for _, check, _ in WRONG.values()} == set(CHECKS) - {"form", "crit", "id_token", "active"}


async def test_an_id_token_is_named_as_one(ward: Ward) -> None:
    ward.write(identity='token_types = ["JWT"]')
    told = await ward.examined(await ward.token(header={"typ": "JWT"}, claims={"nonce": "n"}))
    assert (told["failed"], told["cure"]) == ("id_token", "")
    assert (await ward.examined(await ward.token(header={"typ": "JWT"})))["ok"]


async def test_of_a_good_token_it_says_who_and_through_which_agent(ward: Ward) -> None:
    token = await ward.token(claims=NO_ACTOR)
    told = await ward.examined(token)
    assert {one["state"] for one in told["checks"]} == {"ok"}
    issuer = ward.running.urls["idp"]
    assert told["facts"]["person"] == f"{issuer} user-alice"
    assert told["facts"]["agent"] == f"client {issuer} agent"
    done = await ward.doctor("--token", "-", stdin=f"Authorization: Bearer {token}\n")
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing stands in the way")
    assert token not in done.out


async def test_an_opaque_token_is_asked_about(ward: Ward) -> None:
    token = await ward.token(opaque=True, claims=NO_ACTOR)
    told = await ward.examined(token)
    assert (told["failed"], told["cure"].partition(",")[0]) == ("form", "identity.introspection")
    asking = 'introspection = {client_id = "loaner-api", client_secret = "env:API_SECRET"}'
    ward.write(identity=asking)
    assert (await ward.examined(token))["ok"]
    assert (await ward.examined("invented"))["failed"] == "active"
    ward.write(identity=asking.replace("loaner-api", "somebody"))
    told = await ward.examined(token)
    assert told["failed"] == "active"
    assert "compare identity.introspection" in next(one for one in told["checks"] if one["state"] == "failed")["found"]


async def test_a_jobs_token_is_checked_as_a_jobs(ward: Ward) -> None:
    issuer = ward.running.urls["idp"]
    job = f'issuer = "{issuer}"\naudience = "jobs"\nclaims = {{sub = "job-1"}}\nagent = "ci"'
    ward.write(identity=f'[[workloads]]\n{job}\nenvironments = ["development"]')
    claims = NO_ACTOR | {"client_id": None, "azp": None, "scope": None, "sub": "job-1"}
    right = {"audience": "jobs", "header": {"typ": "JWT"}}
    assert (await ward.examined(await ward.token(**right, claims=claims)))["facts"]["agent"] == f"workload {issuer} ci"
    told = await ward.examined(await ward.token(**right, claims=claims | {"sub": "job-2"}))
    assert (told["failed"], told["cure"]) == ("workload", "workloads")


@pytest.mark.parametrize("given", ["eyJhbGciOiJub25lIn0.e30.", "at-in-the-shell-history"])
def test_a_token_is_never_taken_from_the_command_line(terminal: Terminal, given: str) -> None:
    """MUST 60: other users see it there."""
    done = terminal.type("doctor", "--token", given)
    assert done.code == 2
    assert "--token -" in done.err
    assert given not in done.out + done.err


def test_without_an_issuer_no_token_can_be_checked(terminal: Terminal) -> None:
    terminal.patch.setattr("sys.stdin", io.StringIO("t"))
    done = terminal.type("doctor", "--token", "-")
    assert (done.code, "identity.issuer" in done.err) == (2, True)


async def test_where_all_is_well_it_says_so_and_leaves_no_trace(ward: Ward) -> None:
    before = sorted(ward.terminal.home.rglob("*"))
    done = await ward.doctor("--json")
    told = json.loads(done.out)
    assert (done.code, told["ok"]) == (0, True), told
    assert [one["name"] for one in told["checks"]] == [
        *("settings", "connectors", "identity", "rules", "network", "store", "issuer", "host", "host")
    ]
    assert sorted(ward.terminal.home.rglob("*")) == before


@pytest.mark.parametrize(
    ("more", "identity", "failed", "told"),
    [
        ("environmnt = 1", "", "settings", "did you mean 'environment'?"),
        ("", 'scope_claim = "permissions"', "settings", "identity.scope_claim"),
        ("", 'client_secret = "env:NOT_THERE"', "identity", "identity.client_secret"),
        (
            '[connectors.other]\nprovider = "github"\nclient_id = "x"\nclient_secret = "env:NOT_THERE"',
            "",
            "connectors",
            "connectors.other.client_secret",
        ),
        ('policy = "rules"', "", "rules", "rules"),
        ('store = "sqlite:////proc/version"', "", "store", "store"),
        ('[network]\nca_file = "nowhere.pem"', "", "network", "network.ca_file"),
        (
            "",
            'introspection = {client_id = "loaner-api", client_secret = "env:NOT_THERE"}',
            "identity",
            "introspection.client_secret",
        ),
    ],
    ids=["settings", "a closed list", "a secret", "a connector's", "rules", "store", "network", "introspection"],
)
async def test_what_is_wrong_here_is_named(ward: Ward, more: str, identity: str, failed: str, told: str) -> None:
    (ward.terminal.home / "loaner" / "rules").mkdir(parents=True)
    (ward.terminal.home / "loaner" / "rules" / "a.cedar").write_text("permit(;")
    ward.write(more, identity=identity)
    done = await ward.doctor("--json")
    report = json.loads(done.out)
    assert (done.code, report["failed"]) == (1, failed), report
    assert told in json.dumps([one for one in report["checks"] if one["state"] == "failed"])


async def test_what_cannot_be_reached_is_named_with_its_cause(ward: Ward) -> None:
    ward.write('hosts.slack.web = "http://127.0.0.1:1"\n[connectors.slack]\nprovider = "slack"\nclient_id = "x"')
    done = await ward.doctor()
    assert done.code == 1
    assert "FAILED  host         http://127.0.0.1:1 can be reached" in done.out
    assert "ECONNREFUSED" in done.out


async def test_the_issuers_of_jobs_and_tasks_are_looked_at_too(ward: Ward) -> None:
    other = 'agent = "ci"\nenvironments = ["x"]\naudience = "jobs"\nclaims = {sub = "job"}'
    known, away = ward.running.urls["idp"], "http://127.0.0.1:1/jobs"
    hosts = f'[[workloads]]\nissuer = "{away}"\n{other}\n[[task_issuers]]\nissuer = "http://127.0.0.1:1/tasks"'
    ward.write(identity=f'[[workloads]]\nissuer = "{known}"\n{other}\n{hosts}')
    told = json.loads((await ward.doctor("--json")).out)
    failed = [one for one in told["checks"] if one["state"] == "failed"]
    assert [(one["name"], one["cure"]) for one in failed] == [("issuer", "task_issuers"), ("issuer", "workloads")]
    assert away in failed[1]["what"]


NEARLY, NOWHERE, AWAY = "{idp}/", "{at}/nowhere", "http://127.0.0.1:1/idp"


@pytest.mark.parametrize(
    ("issuer", "told"),
    [(NEARLY, "names another issuer"), (NOWHERE, "there is no metadata"), (AWAY, "ECONNREFUSED")],
    ids=["nearly the issuer", "no issuer", "not there"],
)
async def test_a_wrong_issuer_is_named(terminal: Terminal, issuer: str, told: str) -> None:
    async with serving() as running:
        wrong = {"LOANER_IDENTITY__ISSUER": issuer.format(idp=running.urls["idp"], at=running.base_url)}
        done = await anyio.to_thread.run_sync(lambda: terminal.type("doctor", **wrong))
    assert done.code == 1
    assert told in next(line for line in done.out.splitlines() if "FAILED  issuer" in line)


async def test_a_server_says_at_its_start_what_is_wrong_with_the_issuer_and_serves(terminal: Terminal) -> None:
    server = terminal.start("serve", "--http", "--port", "0", LOANER_IDENTITY__ISSUER=AWAY)
    told: list[str] = []
    while not any(f"the issuer {AWAY}: " in line for line in told):
        told.append(await anyio.to_thread.run_sync(server.told))
        assert told[-1], "it ended"
    assert "ECONNREFUSED" in told[-1]
    assert "identity.issuer" in told[-1]
    at = next(line for line in told if "pages at" in line).rpartition("pages at ")[2].strip()
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{at}livez")).status_code == 200, "a warning, and no more"
    await anyio.to_thread.run_sync(server.stop, signal.SIGINT)
