"""What carries tokens and sessions is https, or does not leave this machine; and has the one form that clients send."""

from __future__ import annotations

import pytest

from loaner.mcp_server.gate import HostNames
from loaner.settings import HttpSettings, load
from settings.place import Place


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://loaner.example.com", "https://loaner.example.com"),
        ("HTTPS://Loaner.Example.COM/", "https://loaner.example.com"),
        ("https://loaner.example.com:443", "https://loaner.example.com"),
        ("https://loaner.example.com:8443/", "https://loaner.example.com:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://LOCALHOST:8787/", "http://localhost:8787"),
        ("http://[0:0::1]:8787", "http://[::1]:8787"),
    ],
)
def test_a_public_address_is_brought_into_normal_form(written: str, normal: str, place: Place) -> None:
    assert place.read(f'[http]\npublic_url = "{written}"').public_url == normal


@pytest.mark.parametrize(
    "written",
    [
        "loaner.example.com",
        "loaner.example.com:8443",
        "//loaner.example.com",
        "ftp://loaner.example.com",
        "https://",
        "https:///mcp",
        "https://loaner.example.com/mcp",
        "https://loaner.example.com/?a=b",
        "https://loaner.example.com?",
        "https://loaner.example.com#top",
        "https://me:pw@loaner.example.com",
        "https://@loaner.example.com",
        "https://loaner.example.com.",
        "https://loaner.example.com:",
        "https://loaner.example.com:0",
        "https://loaner.example.com:99999",
        "https://loaner..example.com",
        "https://0.0.0.0:8787",
        "https://[::]:8787",
        "https://l\u00f6aner.example",
        "https://loaner.example.com\\\\@evil.example",
        " https://loaner.example.com",
        "",
        "http://loaner.example.com",
        "http://10.0.0.1:8787",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
    ],
)
def test_any_other_is_refused_by_name(written: str, place: Place) -> None:
    assert "http.public_url: must " in place.refusal(f'[http]\npublic_url = "{written}"')


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"])
def test_a_wildcard_says_nothing_of_how_loaner_is_reached(host: str, place: Place) -> None:
    told = place.refusal(http={"host": host})
    assert "http.public_url: must say how people and agents reach loaner" in told
    assert "http.public_url: must" in place.refusal(http={"host": host, "dangerously_plain_http": True})
    assert place.read(http={"host": host, "public_url": "https://loaner.example.com"})


@pytest.mark.parametrize("host", ["", "0", "0x0", "0.0", "a b", "http://x", "127.0.0.1:8787", "*"])
def test_what_the_system_might_take_for_every_address_is_no_host(host: str, place: Place) -> None:
    assert "http.host: must be an address or a host name" in place.refusal(http={"host": host})


@pytest.mark.parametrize("host", ["10.0.0.1", "loaner.internal", "fe80::1", "192.168.1.4"])
@pytest.mark.parametrize("public_url", [None, "http://127.0.0.1:8787"])
def test_other_machines_are_served_behind_tls_or_it_is_said_out_loud(
    host: str, public_url: str | None, place: Place
) -> None:
    said = {"host": host, "public_url": public_url}
    told = place.refusal(http=said)
    assert f"http.public_url: must begin with https://, since http.host ({host})" in told
    assert "http.dangerously_plain_http" in told
    assert load(http=said | {"dangerously_plain_http": True}).http.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_this_machine_needs_nothing_more(host: str, place: Place) -> None:
    url = place.read(http={"host": host}).public_url
    assert url == {"[::1]": "http://[::1]:8787", "::1": "http://[::1]:8787"}.get(host, f"http://{host.lower()}:8787")


ISSUERS = {
    "identity.issuer": '[identity]\nissuer = "{}"',
    "workloads.0.issuer": (
        '[[workloads]]\nissuer = "{}"\naudience = "a"\nagent = "b"\nenvironments = ["c"]\nclaims = {{sub = "d"}}'
    ),
    "task_issuers.0: issuer": '[[task_issuers]]\nissuer = "{}"',
    "hosts.github.api": '[hosts.github]\nweb = "https://ghe.example"\napi = "{}"',
}


@pytest.mark.parametrize("setting", ISSUERS)
@pytest.mark.parametrize(
    "url",
    [
        "http://id.example",
        "http://id.localhost",
        "id.example",
        "https://a@id.example",
        "https://id.example?x",
        "https://id.exa\\tmple",  # a parser would leave the tab out
        "https://id.example/r\u00e9alm",
        "https://id.example/realm\\\\other",
    ],
)
def test_whoever_is_believed_or_sent_a_credential_is_reached_safely(setting: str, url: str, place: Place) -> None:
    assert setting in place.refusal(ISSUERS[setting].format(url))


@pytest.mark.parametrize("setting", ISSUERS)
@pytest.mark.parametrize("url", ["https://id.example/realm", "http://127.0.0.1:9/idp"])
def test_an_address_that_is_safe_is_taken_letter_by_letter(setting: str, url: str, place: Place) -> None:
    assert url in str(place.read(ISSUERS[setting].format(url)))


def test_an_issuer_whose_key_is_given_is_only_a_name(place: Place) -> None:
    assert place.read('[[task_issuers]]\nissuer = "my-host"\npublic_key = "PEM"').task_issuers[0].issuer == "my-host"


@pytest.mark.parametrize(
    ("setting", "value", "normal"),
    [
        ("allowed_hosts", "Loaner.example.com:8443", "loaner.example.com:8443"),
        ("allowed_origins", "https://App.example.com:443/", "https://app.example.com"),
        ("allowed_origins", "null", "null"),
        ("allowed_origins", "vscode-file://vscode-app", "vscode-file://vscode-app"),
    ],
)
def test_other_names_have_normal_form_too(setting: str, value: str, normal: str, place: Place) -> None:
    assert getattr(place.read(http={setting: [value]}).http, setting) == (normal,)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("allowed_hosts", "https://loaner.example.com"),
        ("allowed_hosts", "loaner.example.com/x"),
        ("allowed_hosts", "*.example.com"),
        ("allowed_origins", "*"),
        ("allowed_origins", "https://*.example.com"),
        ("allowed_origins", "https://app.example.com/path"),
    ],
)
def test_other_names_are_exact(setting: str, value: str, place: Place) -> None:
    assert f"http.{setting}.0: must" in place.refusal(http={setting: [value]})


def test_a_port_that_clients_leave_out_is_left_out_of_our_names() -> None:
    assert HostNames.of("http://127.0.0.1", HttpSettings()).hosts == {"127.0.0.1", "localhost", "[::1]"}
