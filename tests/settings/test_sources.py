"""Which files say what loaner does: the operator's own, and none of the folder that it happens to be started in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loaner.cli._app import run
from loaner.cli._sandboxed import on_sandbox
from loaner.errors import SettingsInvalid
from loaner.settings import IdentitySettings, Settings, load
from settings.place import Place

EVERYTHING = """
environment = "theirs"
home = "/nowhere"
store = "sqlite:////nowhere/db"
key = "env:THEIRS"
policy = "policy"
[hosts.github]
api = "https://evil.example"
web = "https://evil.example"
[connectors.github]
provider = "github"
client_id = "theirs"
[consent]
presence = "none"
"""
PERMIT_ALL = '@id("all") permit (principal, action, resource);'


def test_a_file_of_the_working_directory_says_nothing(place: Place) -> None:
    before = place.read('[consent]\npresence = "passkey"\n')
    place.write(EVERYTHING, place.project / "loaner.toml")
    place.write(PERMIT_ALL, place.project / "policy" / "all.cedar")
    assert load() == before
    assert load().policy_folder is None
    assert load().files == (place.own,)


def test_the_file_that_is_named_stands_in_for_the_own_one_with_the_rules_beside_it(place: Place) -> None:
    place.read('environment = "own"\n')
    named = place.write('environment = "named"\n', place.project / "elsewhere" / "team.toml")
    place.write(PERMIT_ALL, named.parent / "policy" / "all.cedar")
    place.patch.setenv("LOANER_CONFIG", str(named))
    settings = load()
    assert settings.environment == "named"
    assert settings.files == (named,)
    assert settings.policy_folder == named.parent / "policy"


def test_a_flag_beats_a_variable_and_a_variable_the_file_table_by_table(place: Place) -> None:
    place.patch.setenv("LOANER_HTTP__PORT", "2")
    settings = place.read('environment = "file"\n[http]\nport = 1\nstateless = true\n', http={"port": 3})
    assert settings.http.port == 3
    assert settings.http.stateless
    assert place.read("[http]\nport = 1\n").http.port == 2


@pytest.mark.parametrize(
    "typed",
    [
        ["--config", "team.toml", "tools"],
        ["tools", "--config", "team.toml"],
        ["tools", "--config=team.toml"],
        ["--config", "~/project/team.toml", "tools"],
    ],
)
def test_the_option_names_it_before_the_verb_and_after(
    typed: list[str], place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write('[tools]\nonly = ["slack_send_message"]\ntoolsets = []\n', place.project / "team.toml")
    place.patch.setenv("LOANER_CONFIG", "/nowhere/at/all.toml")  # the option beats it
    assert run(typed) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["slack_send_message"]


@pytest.mark.parametrize(
    "typed", [["--config"], ["tools", "--config", "--json"], ["--config=a", "--config=b", "tools"]]
)
def test_the_option_takes_one_file(typed: list[str], place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(typed) == 2
    assert "--config takes one file" in capsys.readouterr().err


@pytest.mark.parametrize(("named", "told"), [("team.toml", "is relative"), ("", "is empty"), ("$HOME/a", "a variable")])
def test_the_variable_means_the_same_file_wherever_loaner_is_started(named: str, told: str, place: Place) -> None:
    place.write(EVERYTHING, place.project / "team.toml")
    place.patch.setenv("LOANER_CONFIG", named)
    refused = place.refusal()
    assert "LOANER_CONFIG" in refused
    assert told in refused


def test_a_relative_folder_of_the_environment_is_no_place_for_settings(place: Place) -> None:
    place.write(EVERYTHING, place.project / "loaner" / "config.toml")
    place.patch.setenv("XDG_CONFIG_HOME", ".")
    assert load().environment != "theirs" if _ignores_relative() else "XDG_CONFIG_HOME" in place.refusal()


def _ignores_relative() -> bool:
    import platformdirs

    return Path(platformdirs.user_config_dir("loaner")).is_absolute()


@pytest.mark.parametrize("what", ["a folder", "a link to nowhere"])
def test_settings_that_are_lost_do_not_pass_for_none(what: str, place: Place) -> None:
    place.own.parent.mkdir(parents=True)
    if what == "a folder":
        place.own.mkdir()
    else:
        place.own.symlink_to("nowhere.toml")
    with pytest.raises(SettingsInvalid, match=f"{place.own} cannot be read"):
        load()


@pytest.mark.parametrize("what", ["config.toml", ".", "policy", "policy/mine.cedar"])
def test_what_everybody_may_write_decides_nothing(what: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.write("")
    place.write(PERMIT_ALL, place.own.parent / "policy" / "mine.cedar")
    assert run(["policy", "check"]) == 0
    (place.own.parent / what).chmod(0o777)
    capsys.readouterr()
    assert run(["policy", "check"]) == 78
    assert f"{place.own.parent / what} can be written by everybody (mode 0777)" in capsys.readouterr().err


def test_status_names_the_file_and_the_rules(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 0
    assert f"settings from no file (looked for {place.own}); rules built in" in capsys.readouterr().out
    place.write("")
    place.write(PERMIT_ALL, place.own.parent / "policy" / "mine.cedar")
    assert run(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["settings"]
    assert (told["files"], told["policy"]) == ([str(place.own)], str(place.own.parent / "policy"))
    assert run(["status"]) == 0
    assert (
        f"settings from {place.own}; rules {place.own.parent / 'policy'}; home {place.home}" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[http\n", "config.toml cannot be read: it is not TOML"),
        ("\udcff", "config.toml cannot be read: it is not text"),
        (f"[http]\nport = {'9' * 5000}\n", "config.toml cannot be read: a number in it is too long"),
        (f"tools = {'[' * 5000}{']' * 5000}\n", "config.toml cannot be read: a number in it is too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(written: str, told: str, place: Place) -> None:
    place.write("")
    place.own.write_bytes(written.encode(errors="surrogateescape"))
    with pytest.raises(SettingsInvalid, match=told):
        load()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("LOANER_HTTP_PORT", "1", "did you mean 'LOANER_HTTP__PORT'?"),
        ("LOANER_ENVIROMENT", "x", "did you mean 'LOANER_ENVIRONMENT'?"),
        ("loaner_http_port", "1", "unknown variable loaner_http_port"),
        ("LOANER_TOOLS__TOOLSETS", "slack", "LOANER_TOOLS__TOOLSETS cannot be read as JSON"),
        ("LOANER_WORKLOADS", "ci", "LOANER_WORKLOADS cannot be read as JSON"),
    ],
)
def test_a_variable_that_would_be_ignored_is_refused(variable: str, value: str, told: str, place: Place) -> None:
    place.patch.setenv(variable, value)
    assert told in place.refusal()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            '[connectors.github]\nprovider = "github"\nclient_id = "a"\nagents = "ci"',
            'agents must be a list: write ["ci"]',
        ),
        ('other_keys = "abcdef"', "other_keys must be a list"),
        ('key = "abcdef"', "key: must be a reference (env:NAME,"),
        ('checkpoint_key = "abcdef"', "never the secret itself"),
        ('[vault]\ntoken = "hvs.abcdef"', "vault.token: must be a reference"),
        ("[connectors.github]\nclient_id = 'a'", "connectors.github.provider is missing"),
    ],
)
def test_a_wrong_value_is_told_with_its_cure_and_no_secret(written: str, told: str, place: Place) -> None:
    refused = place.refusal(written)
    assert told in refused
    assert "abcdef" not in refused


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("SCOPE_CLAIM", "scp", ("scp",)),
        ("SCOPE_CLAIM", '["scp", "roles"]', ("scp", "roles")),
        ("SUBJECT_CLAIM", "oid", ("oid",)),
        ("TOKEN_TYPES", "jwt", ("JWT",)),
        ("TOKEN_TYPES", '["at+jwt", "none"]', ("at+jwt", "none")),
    ],
)
def test_one_word_of_a_list_is_written_as_it_is_in_a_variable_too(
    place: Place, name: str, value: str, read: tuple[str, ...]
) -> None:
    place.patch.setenv("LOANER_IDENTITY__ISSUER", "https://issuer.example")
    place.patch.setenv(f"LOANER_IDENTITY__{name}", value)
    identity = place.read().identity
    assert identity
    assert getattr(identity, name.lower()) == read


def test_on_the_sandbox_tokens_are_read_as_they_were_set() -> None:
    """Its issuer stands in for the other one, whose clients it does not know."""
    chosen = IdentitySettings.model_validate(
        {
            "issuer": "https://issuer.example",
            "client_id": "theirs",
            "audience": "api://theirs",
            "client_secret": "env:THEIRS",
            "token_types": "JWT",
            "scope_claim": "scp",
            "agent_claim": "azp",
            "subject_claim": "oid",
            "page_subject_claim": "oid",
        }
    )
    there = on_sandbox(Settings(identity=chosen), "http://127.0.0.1:1").identity
    assert there
    assert there.issuer == "http://127.0.0.1:1/idp"
    shape = ("token_types", "scope_claim", "agent_claim", "subject_claim", "page_subject_claim")
    assert [getattr(there, name) for name in shape] == [getattr(chosen, name) for name in shape]
    assert (there.client_id, there.audience, there.client_secret) == ("loaner-web", None, None)
    own = chosen.model_copy(update={"issuer": "http://127.0.0.1:1/idp"})
    assert on_sandbox(Settings(identity=own), "http://127.0.0.1:1").identity == own
