"""Where an answer may lead: a host that the operation's file names, or the provider's own."""

from __future__ import annotations

import pytest

from loaner import catalog
from loaner.errors import ProviderRejected
from loaner.network import Network
from loaner.provider_call.connections import ProviderConnections
from loaner.provider_call.echoes import Echoes
from loaner.provider_call.exchanges import Exchanges
from loaner.provider_call.terms import Terms
from loaner.provider_call.transport import ProviderTransport
from loaner.secret import Secret
from loaner.settings import NetworkSettings

BASES = {"github": {"web": "https://ghe.corp.example", "api": "https://ghe.corp.example/api/v3"}}
BOUND = catalog.load(bases=BASES, every_base=False)["github_get_job_logs"].bind(
    {"owner": "acme", "repo": "web", "job_id": 1}
)


async def allowed(url: str) -> bool:
    async with ProviderTransport() as transport:
        exchanges = Exchanges(BOUND, Secret("lent"), transport, Terms(), Echoes([]))
        return exchanges._allow(BOUND.operation.steps[0], url)


async def test_an_answer_may_lead_to_the_providers_own_host_and_to_those_of_its_file() -> None:
    assert await allowed("https://ghe.corp.example/storage/1?sig=x") is True
    assert await allowed("https://a.blob.core.windows.net/1?sig=x") is False


@pytest.mark.parametrize(
    "url",
    [
        "https://minio.corp.example/1",
        "https://ghe.corp.example.evil.example/1",
        "https://ghe.corp.example:8443/1",
        "http://ghe.corp.example/1",
        "https://x@ghe.corp.example/1",
        "http://localhost/1",
        "https://[",
    ],
)
async def test_any_other_host_is_refused_by_its_name(url: str) -> None:
    """MUST 45."""
    with pytest.raises(ProviderRejected, match="on another host") as refused:
        await allowed(url)
    assert ("(minio.corp.example)" in refused.value.told()) is ("minio" in url)


def test_a_proxy_leads_to_names_and_to_no_address() -> None:
    """MUST 45: what it looks up is a name that a file allows."""
    network = Network.of(
        NetworkSettings.model_validate({"proxy": "http://127.0.0.1:1", "no_proxy": ["inside.example"]})
    )
    at = ProviderConnections(network)
    assert at.proxied("a.blob.core.windows.net")
    assert not any(at.proxied(host) for host in ("10.0.0.1", "[fd00::1]", "inside.example"))
