"""Other hosts for a provider: all of its own and nobody else's, except beside a sandbox."""

from __future__ import annotations

import json

import pytest

from loaner.assembly import read_catalog
from loaner.cli import _sandboxed
from loaner.cli._app import run
from loaner.errors import ConnectorInvalid, SettingsInvalid
from settings.place import Place


def further(name: str = "ghes", **more: str) -> str:
    said = {"like": "github", "host": "https://ghe.example", "title": "Corp GitHub"} | more
    return "\n".join([f"[providers.{name}]", *(f'{key} = "{value}"' for key, value in said.items())])


ENTERPRISE = '[hosts.github]\nweb = "https://ghe.example/"\napi = "https://GHE.example:443/api/v3/"\n'


def test_one_provider_is_replaced_alone(place: Place) -> None:
    providers = read_catalog(place.read(ENTERPRISE)).providers
    assert providers["github"].hosts == {"web": "https://ghe.example", "api": "https://ghe.example/api/v3"}
    assert providers["slack"].hosts == {"web": "https://slack.com"}


def test_beside_a_sandbox_no_provider_is_left_real(place: Place) -> None:
    settings = place.read(f'sandbox = "http://127.0.0.1:9"\n{ENTERPRISE}')
    with pytest.raises(ConnectorInvalid, match="its hosts are not replaced while others are"):
        read_catalog(settings)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('[hosts.github]\nweb = "https://ghe.example"\n', "hosts.github: api is missing"),
        (f'{ENTERPRISE}apo = "https://ghe.example"\n', "hosts.github: apo is no host of it"),
        ('[hosts.gihub]\nweb = "https://ghe.example"\n', "hosts.gihub: no provider is called 'gihub'"),
        ('hosts.github = ""', "hosts.github.address: must begin with https://"),
        ('hosts.github = "http://ghe.example"', "hosts.github.address: must begin with https://"),
        ("hosts.github = {}", "hosts.github:"),
        ("hosts.github = 7", "hosts.github:"),
        ('hosts.linear = "https://linear.example"', 'hosts.linear = { web = "https://…", api = "https://…" }'),
        (further(like="gihub"), "providers.ghes.like: no provider is called 'gihub'"),
        (further(host="http://ghe.example"), "providers.ghes.host.address: must begin with https://"),
        (further(like="linear"), "providers.ghes.host: one address does not say where web and api are"),
        (further(title="GitHub"), "providers.ghes.title: another provider is called 'GitHub'"),
        (further(title="{owner}"), "providers.ghes.title:"),
        (further("github"), "providers.github: the name 'github' is taken"),
        (further("write"), "providers.write: the name 'write' is taken"),
        (further("loaner"), "providers.loaner: the name 'loaner' is taken"),
        (further("gh_es"), "providers.gh_es"),
        (further(host="https://github.com/"), "ghes and github are both at api.github.com"),
        ('hosts.github = "https://GHE.example:443"\n' + further(), "github and ghes are both at ghe.example"),
        ('[hosts.ghes]\nweb = "https://ghe.example"\n' + further(), "hosts.ghes: no provider"),
        (f'{further()}\ntoken = "x"', "unknown setting 'providers.ghes.token'"),
    ],
)
def test_hosts_that_fit_no_provider_are_refused_by_name(written: str, told: str, place: Place) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read_catalog(place.read(written))
    assert told in refused.value.told()


@pytest.mark.parametrize(
    ("address", "web", "api"),
    [
        ("https://ghe.corp.example", "https://ghe.corp.example", "https://ghe.corp.example/api/v3"),
        ("https://GHE.corp.example:443//", "https://ghe.corp.example", "https://ghe.corp.example/api/v3"),
        ("https://ghe.corp.example:8443/api/v3/", "https://ghe.corp.example:8443", None),
        ("https://acme.ghe.com/", "https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://acme.ghe.com.corp.example", "https://acme.ghe.com.corp.example", None),
        ("https://github.com/", "https://github.com", "https://api.github.com"),
    ],
)
def test_one_address_tells_all_hosts(address: str, web: str, api: str | None, place: Place) -> None:
    github = read_catalog(place.read(f'hosts.github = "{address}"')).providers["github"]
    assert github.hosts == {"web": web, "api": api or f"{web}/api/v3"}


def test_a_refusal_names_the_settings_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.write('hosts.linear = "https://linear.example"')
    assert run(["tools"]) == 78
    told = capsys.readouterr().err
    assert "hosts.linear: " in told
    assert f"settings file: {place.own}" in told


def test_a_further_instance_has_tools_of_its_own_and_no_word_of_the_first(place: Place) -> None:
    everything = read_catalog(place.read(further() + '\n[tools]\ntoolsets = ["all"]'))
    ghes, github = everything.providers["ghes"], everything.providers["github"]
    assert (ghes.hosts["api"], github.hosts["api"]) == ("https://ghe.example/api/v3", "https://api.github.com")
    of = {name: [one for one in everything.operations if one.provider.name == name] for name in ("ghes", "github")}
    assert [one.name for one in of["ghes"]] == [one.name for one in of["github"]]
    for one in of["ghes"]:
        texts = [one.description, one.wording, one.wording_any, one.check, one.find, *one.aliases, one.toolset]
        told = json.dumps([texts, one.input_schema, one.output_schema]).replace("Corp GitHub", "")
        assert "github" not in told.lower().replace(".github/workflows", ""), one.tool
        assert one.source.startswith("https://docs.github.com/")
    create = everything["ghes_issue_create"]
    assert (create.find, create.check) == ("ghes_search_repositories", "ghes_list_issues")
    assert everything["ghes_search_code"].wording == "search code on Corp GitHub"


def test_beside_a_sandbox_a_further_instance_is_there_too(place: Place) -> None:
    settings = _sandboxed.on_sandbox(place.read(further()), "http://127.0.0.1:9")
    assert read_catalog(settings).providers["ghes"].hosts["api"] == "http://127.0.0.1:9/github/api"
    assert "ghes" in {one.provider for one in _sandboxed.connectors(settings)}
