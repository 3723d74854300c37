"""GitHub Enterprise Server in a company's network: TLS of a private authority, and only a proxy leads there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from databases import with_store
from journeys.town import error_of, providers, served, text_of
from loaner import settings as reading
from loaner.sandbox.github import registered
from office import NAME, an_office, enterprise

ISSUE = ("ghes_issue_create", {"owner": "acme", "repo": "web", "title": "From the office"})
SETTINGS = """
environment = "office"
identity.issuer = "{sandbox}/idp"
tools.toolsets = ["ghes", "github"]

[network]
proxy = "{proxy}"
hosts."{name}".ca_file = "ca.pem"

[providers.ghes]
like = "github"
host = "https://{name}/"
title = "Corp GitHub"

[connectors.ghes]
provider = "ghes"
client_id = "{client_id}"
client_secret = "env:APP_SECRET"
"""


async def test_consent_call_and_revocation_at_an_enterprise_server_behind_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_SECRET", registered.CLIENT_SECRET)
    monkeypatch.setenv("LOANER_CONFIG", str(file := tmp_path / "config.toml"))
    async with providers(tmp_path) as running, an_office(tmp_path, enterprise(running.base_url)) as office:
        said = {"sandbox": running.base_url, "proxy": office.proxy, "name": NAME, "client_id": registered.CLIENT_ID}
        file.write_text(SETTINGS.format(**said))
        async with served(reading.load(home=with_store(tmp_path)), running, None) as corp:
            async with corp.agent() as agent:
                asked = await agent.call_tool(*ISSUE)
                assert error_of(asked)["code"] == "consent_required"
                assert corp.ledger() == []
                assert (await corp.decide(asked)).state == "approved"
                created = await corp.call(agent, *ISSUE)
                assert not created.is_error, text_of(created)
                other = await agent.call_tool("github_issue_create", ISSUE[1])
                assert error_of(other)["code"] == "policy_denied", "the public GitHub is another provider"

            (record,) = await corp.records(outcome="ok")
            assert (record["tool"], record["provider"], record["connector"]) == ("ghes_issue_create", "ghes", "ghes")
            (loan,) = [one for one in corp.ledger(kind="scoped") if "issues" in one["permissions"]]
            assert [(use["method"], use["path"]) for use in loan["uses"]] == [("POST", "/repos/acme/web/issues")]
            assert loan["revoked_at"] is not None

            revoke = [sys.executable, "-m", "loaner", "revoke", "--all-tokens", "--yes"]
            home = {**os.environ, "LOANER_HOME": str(tmp_path)}
            ended = await anyio.run_process(revoke, env=home, check=False)
            assert ended.returncode == 0, ended.stderr.decode()
            assert "Corp GitHub ended the grant; a probe was refused" in ended.stdout.decode()
            assert corp.ledger(revoked_at=None) == []
    assert {asked.splitlines()[0] for asked in office.asked} == {f"CONNECT {NAME}:443 HTTP/1.1"}
    assert any(" /api/v3/repos/acme/web/issues " in head for head in office.heard)
    assert any(" /login/device/code " in head for head in office.heard)


async def test_a_job_log_on_the_instances_own_host_is_read_through_the_proxy_and_without_the_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It resolves nowhere, and would be private: that the operator named it is why it is asked."""
    monkeypatch.setenv("APP_SECRET", registered.CLIENT_SECRET)
    monkeypatch.setenv("LOANER_CONFIG", str(file := tmp_path / "config.toml"))
    async with providers(tmp_path) as running, an_office(tmp_path, enterprise(running.base_url)) as office:
        said = {"sandbox": running.base_url, "proxy": office.proxy, "name": NAME, "client_id": registered.CLIENT_ID}
        file.write_text(SETTINGS.format(**said))
        async with served(reading.load(home=with_store(tmp_path)), running, None) as corp, corp.agent() as agent:
            web = {"owner": "acme", "repo": "web"}
            runs = (await corp.call(agent, "ghes_list_workflow_runs", web)).structured_content
            assert runs
            run = web | {"run_id": runs["runs"][0]["id"]}
            jobs = (await corp.call(agent, "ghes_list_workflow_jobs", run)).structured_content
            assert jobs
            read = await corp.call(agent, "ghes_get_job_logs", web | {"job_id": jobs["jobs"][0]["id"]})
    assert not read.is_error, text_of(read)
    assert read.structured_content
    assert read.structured_content["log"]
    (stored,) = [head for head in office.heard if " /blobs/" in head]
    assert "authorization:" not in stored.lower()


async def test_a_certificate_that_nobody_vouches_for_is_no_reason_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person and the agent are told that an operator has to act; the operator's log says what."""
    monkeypatch.setenv("APP_SECRET", registered.CLIENT_SECRET)
    monkeypatch.setenv("LOANER_CONFIG", str(file := tmp_path / "config.toml"))
    async with providers(tmp_path) as running, an_office(tmp_path, enterprise(running.base_url)) as office:
        said = {"sandbox": running.base_url, "proxy": office.proxy, "name": NAME, "client_id": registered.CLIENT_ID}
        trusted = SETTINGS.format(**said)
        unknown = trusted.replace(f'hosts."{NAME}".ca_file = "ca.pem"', "")
        file.write_text(unknown)
        with capture_logs() as lines:
            async with served(reading.load(home=with_store(tmp_path)), running, None) as corp, corp.agent() as agent:
                asked = await agent.call_tool(*ISSUE)
                assert (await corp.decide(asked)).state == "failed"
                told = error_of(await agent.call_tool(*ISSUE))
                assert (told["code"], told["retry"]) == ("settings_invalid", "never")
                assert "Corp GitHub cannot be reached from where loaner runs" in told["message"]
        reasons = " ".join(line.get("reason", "") for line in lines)
        assert f"the certificate of {NAME}:443 is not accepted" in reasons
        assert "set network.ca_file" in reasons

        file.write_text(trusted)
        async with served(reading.load(home=tmp_path), running, None) as corp, corp.agent() as agent:
            assert not (await corp.call(agent, *ISSUE)).is_error
            minted = len(corp.ledger(kind="scoped"))
        file.write_text(unknown)
        async with served(reading.load(home=tmp_path), running, None) as corp, corp.agent() as agent:
            told = error_of(await corp.call(agent, *ISSUE))
            assert (told["code"], told["retry"]) == ("provider_unreachable", "never")
            assert len(corp.ledger(kind="scoped")) == minted
