"""Other hosts for a provider: all of its own and nobody else's, except beside a sandbox."""

from __future__ import annotations

import pytest

from loaner.assembly import read_catalog
from loaner.errors import ConnectorInvalid, SettingsInvalid
from settings.place import Place

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
    ],
)
def test_hosts_that_fit_no_provider_are_refused_by_name(written: str, told: str, place: Place) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read_catalog(place.read(written))
    assert told in refused.value.told()
