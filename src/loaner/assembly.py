"""Putting one loaner together from its settings: every room is made here and handed what it needs."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import anyio
import structlog

from loaner import catalog as catalogs
from loaner import connectors as registered
from loaner.audit import Audit, agreement, closing, event, signing
from loaner.audit.drift import Drifts
from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.catalog import Catalog, Likeness
from loaner.clock import Now, Steady, utc_now
from loaner.connectors import Connectors
from loaner.consent import Consents, Proposal
from loaner.consent.end_approvals import end_covered
from loaner.cursors import Cursors
from loaner.errors import InvalidArguments, SettingsInvalid, StoreUnusable
from loaner.grants import altered, seals
from loaner.grants.grants import Grants
from loaner.grants.idle import Idle
from loaner.grants.refresh import Refresher
from loaner.grants.revoke import Revoker
from loaner.identity.caller import LOCAL
from loaner.identity.host_tasks import HostTasks
from loaner.journey import Journey
from loaner.keys import key_holder
from loaner.lending import Lender
from loaner.lending.loan import Style
from loaner.lending.revocations import Revocations
from loaner.lending.shared import Sharing
from loaner.lending.styles.down_scoped import DownScoped
from loaner.lending.styles.pass_through import PassThrough
from loaner.limits.limiter import Limiter
from loaner.look_ups import LookUps
from loaner.network import Network
from loaner.policy import Policy
from loaner.policy import load as read_policy
from loaner.provider_call import ProviderTransport
from loaner.provider_call.connections import ProviderConnections
from loaner.provider_call.workspace import FoundNames
from loaner.settings import Settings
from loaner.settings.home import made
from loaner.settings.paths import refuse_written_by_others
from loaner.shutdown import Shutdown
from loaner.stopping import Stopper
from loaner.store import Store, clock_seen, open_store

log = structlog.get_logger(__name__)


@dataclass
class Loaner:
    """One loaner, open and running."""

    settings: Settings
    now: Now
    store: Store
    catalog: Catalog
    """What agents are shown: of the chosen tools, those of providers that a connector serves."""
    transport: ProviderTransport
    connectors: Connectors
    grants: Grants
    consents: Consents
    lender: Lender
    revocations: Revocations
    stopper: Stopper
    idle: Idle
    audit: Audit
    limiter: Limiter
    drifts: Drifts
    policy: Policy
    journey: Journey
    task_tokens: HostTasks
    running: CallsInFlight
    shutdown: Shutdown
    base_url: str
    """Where our own pages are reached; set once the listening port is known."""
    way_in: str = ""
    """What a person does first whose browser is on another computer; told with each link."""


def read_catalog(settings: Settings) -> Catalog:
    """The tools that this loaner shows, with the hosts that its settings name."""
    return _shown(whole_catalog(settings), settings)


def whole_catalog(settings: Settings) -> Catalog:
    """Every tool that there is, shown or not."""
    extra = [settings.extra_connectors] if settings.extra_connectors else []
    for folder in extra:
        for file in (folder, *folder.rglob("*.*")):  # they say where credentials go
            refuse_written_by_others(file)
    more = {name: Likeness(one.like, one.host, one.title) for name, one in settings.providers.items()}
    return catalogs.load(bases=settings.hosts or None, every_base=settings.sandbox is not None, extra=extra, more=more)


def _shown(everything: Catalog, settings: Settings) -> Catalog:
    tools = settings.tools
    shown = everything.selected(
        toolsets=tools.toolsets, tools=tools.only, exclude=tools.exclude, read_only=tools.read_only
    )
    if settings.project is None:
        return shown
    says = settings.project.says
    toolsets = says.toolsets or (() if says.tools else ("all",))
    return shown.within(everything.selected(toolsets=toolsets, tools=says.tools))


@asynccontextmanager
async def open_loaner(
    settings: Settings,
    *,
    connectors: Connectors | None = None,
    now: Now = utc_now,
    serving: bool = True,
    store: Store | None = None,
) -> AsyncIterator[Loaner]:
    """Open the store, start what runs beside the calls, and close everything in order.

    Not ``serving``, nothing runs beside: a verb that only looks must not send anything to a provider. It brings a
    ``store`` that it opened to look at, and then nothing is made on the disk either.

    Raises :class:`loaner.errors.LoanerError` when a setting, a connector file or the store cannot be used.
    """
    now = Steady(now)
    everything = whole_catalog(settings)
    catalog = _shown(everything, settings)
    # Read before the store is opened: a policy that cannot be ruled by leaves nothing running.
    task = host_task(settings)
    policy = read_policy(settings.policy_folder, everything.operations, read_only=settings.tools.read_only)
    for one in policy.warnings if serving else ():
        log.warning("a rule can never match", where=one.where, rule=one.rule, problem=one.problem)
    signer = partial(signing.signer_of, settings)
    if settings.checkpoint_key and not store:
        signer()  # one that cannot be used stops the start
    network = Network.of(settings.network) if not store else Network()  # who only looks sends nothing
    connectors = connectors or registered.from_settings(settings.connectors, catalog.providers)
    async with (
        nullcontext(store) if store else _store(settings, now, serving=serving) as opened,
        ProviderTransport(ProviderConnections(network)) as transport,
        HostTasks(
            settings.task_issuers,
            people=settings.identity.issuer if settings.identity else LOCAL,
            audience=lambda: f"{loaner.base_url}/mcp",
            now=now,
            network=network,
        ) as task_tokens,
        anyio.create_task_group() as background,
    ):
        loaner = _assemble(settings, opened, transport, catalog, connectors, policy, task, task_tokens, now)
        if serving:
            await agreement.compare(opened, now)
            background.start_soon(agreement.keep, opened, now)
            await background.start(loaner.revocations.run)
            await background.start(loaner.stopper.run)
            background.start_soon(loaner.lender.refresher.unwritten.run)
            background.start_soon(loaner.consents.unwritten.run)
            background.start_soon(loaner.idle.run)
            background.start_soon(altered.keep, loaner.grants)
            background.start_soon(loaner.drifts.run)
            # Servers over one store sign with one key; where it is not known that they share it, an operator signs.
            if signing.is_shared(settings):
                background.start_soon(loaner.audit.keep_signing, signer)
            await background.start(loaner.consents.run)
            background.start_soon(loaner.running.watch, loaner.consents.tasks.over)
        try:
            yield loaner
        finally:
            await transport.unbroken.finish()  # first: what comes may have to be given back
            background.cancel_scope.cancel()


def _agreed_under(policy: Policy, settings: Settings) -> str:
    """What approvals hold under: the rules, and where the settings put providers. Elsewhere, a name means another."""
    elsewhere = {**settings.hosts, **{name: one.host for name, one in settings.providers.items()}}
    if not elsewhere:
        return policy.version
    return f"{policy.version}@{hashlib.sha256(json.dumps(elsewhere, sort_keys=True).encode()).hexdigest()[:16]}"


@asynccontextmanager
async def _store(settings: Settings, now: Now, *, serving: bool) -> AsyncIterator[Store]:
    made(settings.home)
    async with open_store(settings.store_url, key_holder(settings)) as store:
        if serving:
            await _refuse_set_back(store, now)
        await seals.reseal(store, event.note, now())
        yield store


async def _refuse_set_back(store: Store, now: Now) -> None:
    """No witness may be later than our clock. One that cannot be read keeps no server from refusing calls itself."""
    for witness in (clock_seen.noted, clock_seen.recorded):
        try:
            seen = await store.read(witness)
        except StoreUnusable as failure:
            log.warning("the clock was not compared with the store", reason=failure.log)
        else:
            clock_seen.refuse_behind(seen, now())


def host_task(settings: Settings) -> Proposal | None:
    """The task that is demanded: the operator's, else that of the project. A project replaces none."""
    project = settings.project
    task = settings.task or (project.file.parent / project.says.task if project and project.says.task else None)
    if task is None:
        return None
    try:
        content = settings.task.read_bytes() if settings.task else project.task if project else None
        return Proposal.of(tomllib.loads((content or b"").decode()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise SettingsInvalid(f"the task {task} cannot be read: {type(failure).__name__}.") from None
    except InvalidArguments as failure:
        raise SettingsInvalid(f"the task {task} is invalid: {failure.cause}") from None


def _assemble(
    settings: Settings,
    store: Store,
    transport: ProviderTransport,
    catalog: Catalog,
    connectors: Connectors,
    policy: Policy,
    host_task: Proposal | None,
    task_tokens: HostTasks,
    now: Now,
) -> Loaner:
    grants = Grants(store, now, catalog.providers, connectors)
    styles: dict[str, Style] = {style.name: style for style in (PassThrough(), DownScoped(transport, now))}
    shutdown = Shutdown()
    audit = Audit(store, now, shutdown)
    limiter, drifts = Limiter(store, now, settings.limiter), Drifts(store, now)
    revocations = Revocations(
        store, styles, catalog.providers, connectors, closing.close, settings.environment, now, limiter
    )
    running = CallsInFlight(store)
    revoker = Revoker(grants, catalog.providers, connectors, transport, now, limiter)
    stopper = Stopper(
        store, revoker, revocations, running, end_yeses=partial(end_covered, note=event.note), note=event.note, now=now
    )
    loaner: Loaner
    consents = Consents(
        store=store,
        grants=grants,
        transport=transport,
        catalog=catalog,
        connectors=connectors,
        settings=settings,
        now=now,
        base_url=lambda: loaner.base_url,
        policy_version=_agreed_under(policy, settings),
        host_task=host_task,
        note=event.note,
        end_unused=stopper.end_unused,
        running=running,
    )
    sharing = Sharing(limiter, revocations, running, consents.tasks.lasting, now)
    lender = Lender(
        store, styles, Refresher(grants, transport, now, limiter), revocations, now, limiter, running, sharing
    )
    cursors = Cursors(store.sealed.holder.derive("cursors"))
    journey = Journey(
        audit,
        catalog,
        policy,
        connectors,
        consents,
        lender,
        LookUps(audit, lender, limiter, transport, now, FoundNames(now)),
        transport,
        cursors,
        limiter,
        drifts,
        task_tokens,
        running,
        now,
    )
    loaner = Loaner(
        settings=settings,
        now=now,
        store=store,
        catalog=catalog.of_providers(connectors.serving(settings.environment)),
        transport=transport,
        connectors=connectors,
        grants=grants,
        consents=consents,
        lender=lender,
        revocations=revocations,
        stopper=stopper,
        idle=Idle(
            store,
            lender.refresher,
            catalog.providers,
            connectors,
            environment=settings.environment,
            days=settings.consent.idle_grant_days,
            now=now,
        ),
        audit=audit,
        limiter=limiter,
        drifts=drifts,
        policy=policy,
        journey=journey,
        task_tokens=task_tokens,
        running=running,
        shutdown=shutdown,
        base_url=settings.public_url,
    )
    return loaner
