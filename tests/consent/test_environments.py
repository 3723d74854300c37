"""A credential lent in one environment can never serve another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from house import CONNECTORS, POST, House, caller
from loaner.connectors import Connectors
from loaner.errors import ConsentNeeded, PolicyDenied

HERE, THERE = caller(), caller(environment="production")


async def test_what_was_granted_in_development_is_not_there_in_production(local: House) -> None:
    """Same person, agent, connector and store: the environment alone is another."""
    browser = local.browser(slack="alice")
    asked = await local.asked(POST, HERE)
    await browser.approve(asked.invitation.url, remember="hour")
    consent = await local.obtain(POST, HERE)
    assert consent.grant.environment == "development"
    assert isinstance(await local.refused(POST, THERE), ConsentNeeded)
    assert (await local.consents.status(THERE)).connected == []
    assert (await local.consents.status(THERE)).approved == []


@pytest.mark.parametrize("who", [THERE, caller(agent="another")])
def test_a_connector_serves_only_the_environments_and_agents_that_it_is_attached_to(who: object) -> None:
    attached = [replace(one, environments=("development",), agents=("reported:claude-code",)) for one in CONNECTORS]
    assert Connectors(attached).choose("slack", HERE).name == "slack-dev"
    with pytest.raises(PolicyDenied, match="connector-attached"):
        Connectors(attached).choose("slack", who)  # type: ignore[arg-type]
