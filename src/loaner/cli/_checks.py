"""Everything that a server needs, looked at without one: settings, rules, store, issuer, the way to each provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from loaner.cli._report import Check, Report
from loaner.errors import LoanerError

if TYPE_CHECKING:
    from loaner.identity.issuer_keys import IssuerKeys
    from loaner.provider_call import ProviderTransport
    from loaner.settings import IdentitySettings, Settings

_PATIENCE = 6.0
"""Seconds for one host."""
Look = Callable[[], Awaitable[str]]
"""Says what it found; raises :class:`LoanerError` or :class:`_Fault` where something is wrong."""

Named = tuple[str, str, Look]
"""Its short name, what is looked at, and the look."""


class _Fault(Exception):
    def __init__(self, found: str, cure: str) -> None:
        super().__init__(found)
        self.cure = cure


async def everything() -> Report:
    """Each check that can be made; without settings there is none but that."""
    from loaner.cli import _opened

    about = "this loaner"
    try:
        settings, sandboxed = _opened.settings_for_a_verb()
    except LoanerError as wrong:
        return Report(about, [_failed("settings", "can be read", wrong)])
    files = ", ".join(str(file) for file in settings.files) or f"no file; looked for {settings.looked_for}"
    checks = [Check("settings", "can be read", "ok", files)]
    for name, what, look in _at_home(settings, sandboxed=sandboxed):
        checks.append(await _made(name, what, look))
    async with _outside(settings, sandboxed=sandboxed) as looks:
        found: dict[int, Check] = {}

        async def make(at: int, name: str, what: str, look: Look) -> None:
            found[at] = await _made(name, what, look)

        async with anyio.create_task_group() as group:
            for at, (name, what, look) in enumerate(looks):
                group.start_soon(make, at, name, what, look)
    return Report(about, [*checks, *(found[at] for at in sorted(found))])


async def _made(name: str, what: str, look: Look) -> Check:
    try:
        return Check(name, what, "ok", await look())
    except _Fault as fault:
        return Check(name, what, "failed", str(fault), fault.cure)
    except LoanerError as wrong:
        return _failed(name, what, wrong)


def _failed(name: str, what: str, wrong: LoanerError) -> Check:
    return Check(name, what, "failed", f"{wrong.cause} ({wrong.log})" if wrong.log else wrong.cause, wrong.do)


def _at_home(settings: Settings, *, sandboxed: bool) -> list[Named]:
    return [
        ("connectors", "are complete, with their secrets", partial(_of_connectors, settings, sandboxed=sandboxed)),
        ("identity", "has its secrets", partial(_of_identity, settings)),
        ("rules", "can be ruled by", partial(_of_rules, settings)),
        ("network", "settings can be used", partial(_of_network, settings)),
        ("store", "can be read", partial(_of_store, settings)),
    ]


async def _of_connectors(settings: Settings, *, sandboxed: bool) -> str:
    from loaner import connectors
    from loaner.assembly import whole_catalog

    providers = whole_catalog(settings).providers
    if sandboxed:
        return "the sandbox's own"
    named = [one.name for one in connectors.from_settings(settings.connectors, providers)]
    return ", ".join(named) or "none is configured yet: add [connectors.NAME]"


async def _of_identity(settings: Settings) -> str:
    from loaner.settings import resolve

    identity = settings.identity
    if identity is None:
        return "none is set: nobody can come over HTTP"
    asking = identity.introspection
    if identity.client_secret:
        resolve(identity.client_secret, setting="identity.client_secret")
    if asking:
        resolve(asking.client_secret, setting="identity.introspection.client_secret")
    return identity.issuer


async def _of_rules(settings: Settings) -> str:
    from loaner.assembly import whole_catalog
    from loaner.policy import load

    load(settings.policy_folder, whole_catalog(settings).operations, read_only=settings.tools.read_only)
    return str(settings.policy_folder or "built in")


async def _of_network(settings: Settings) -> str:
    from loaner.network import Network

    Network.of(settings.network)
    return "through network.proxy" if settings.network.proxy else "direct"


async def _of_store(settings: Settings) -> str:
    from loaner.store.looking import NoStore, looked_at

    try:
        with looked_at(settings.store_url):
            return "this loaner's own version"
    except NoStore as nowhere:
        return f"none yet at {nowhere.where}: the first server makes it"


@asynccontextmanager
async def _outside(settings: Settings, *, sandboxed: bool) -> AsyncIterator[list[Named]]:
    """The issuer, and the hosts of the providers that are configured. Nothing is proven to them, nor sent."""
    from loaner.assembly import whole_catalog
    from loaner.clock import utc_now
    from loaner.identity.issuer_faults import other_issuers
    from loaner.identity.issuer_keys import IssuerKeys
    from loaner.network import Network
    from loaner.provider_call import ProviderTransport
    from loaner.provider_call.connections import ProviderConnections

    try:
        network, providers = Network.of(settings.network), whole_catalog(settings).providers
    except LoanerError:  # told already
        yield []
        return
    used = set(providers) if sandboxed else {one.provider for one in settings.connectors.values()} & set(providers)
    bases = sorted({base for name in used for base in providers[name].hosts.values()})
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(ProviderTransport(ProviderConnections(network)))
        looks: list[Named] = [("host", f"{base} can be reached", _of_host(transport, base)) for base in bases]
        if settings.identity:
            keys = IssuerKeys(settings.identity.issuer, now=utc_now, network=network)
            await stack.enter_async_context(keys)
            looks.insert(0, ("issuer", "answers, and fits the settings", _of_issuer(keys, settings.identity)))
        for issuer, setting in other_issuers(settings).items():
            others = await stack.enter_async_context(IssuerKeys(issuer, now=utc_now, network=network))
            looks.append(("issuer", f"{issuer} answers, and publishes its keys", _of_keys(others, setting)))
        yield looks


def _of_issuer(keys: IssuerKeys, identity: IdentitySettings) -> Look:
    from loaner.identity.issuer_faults import issuer_faults

    async def look() -> str:
        if faults := await issuer_faults(keys, identity):
            raise _Fault("; ".join(one.told for one in faults), faults[0].cure)
        return identity.issuer

    return look


def _of_keys(keys: IssuerKeys, setting: str) -> Look:
    from loaner.identity.issuer_faults import keys_missing

    async def look() -> str:
        for one in await keys_missing(keys, setting):
            raise _Fault(one.told, one.cure)
        return ""

    return look


def _of_host(transport: ProviderTransport, base: str) -> Look:
    from loaner.provider_call import Unanswered

    async def look() -> str:
        try:
            await transport.exchange("GET", base, timeout=_PATIENCE, cut=True)
        except Unanswered as lost:
            raise _Fault(str(lost), "network, and the hosts of this provider") from None
        return ""

    return look
