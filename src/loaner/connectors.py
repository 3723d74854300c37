"""Registered apps, attached to environments and agents: which one serves this caller?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from loaner.errors import PolicyDenied, SettingsInvalid
from loaner.identity.caller import Caller
from loaner.secret import Secret
from loaner.settings import Connector, ConnectorSettings, resolve


class OtherApp(SettingsInvalid):
    """Another app is registered under the name of the connector than when a credential was obtained."""


class Connectors:
    """The connectors of one loaner. A credential lent in one environment can never serve another."""

    def __init__(self, connectors: Iterable[Connector]) -> None:
        self._by_name = {connector.name: connector for connector in connectors}

    def named(self, name: str) -> Connector:
        """Raises :class:`SettingsInvalid` when it is no longer configured."""
        if name not in self._by_name:
            raise SettingsInvalid(
                f"the connector {name!r} is not configured any more.",
                do=f"Put [connectors.{name}] back into the settings file, or revoke its grants.",
            )
        return self._by_name[name]

    def refuse_other_app(self, name: str, client_id: str | None, what: str) -> None:
        """Nothing of one app is sent in the name of another: what that one is told about it proves nothing.

        ``client_id`` is whose it is; ``None``, and a connector that is configured no more, are for others to judge.
        Raises :class:`OtherApp`.
        """
        now = self._by_name.get(name)
        if now is not None and client_id is not None and now.client_id != client_id:
            raise OtherApp(
                f"{what} is of the app {client_id}, and the connector {name!r} is the app {now.client_id} now, so "
                "nothing of it was sent.",
                do=f"Set connectors.{name}.client_id and its client_secret as they were to use or to end it.",
            )

    def choose(self, provider: str, caller: Caller) -> Connector:
        """The first connector of this provider that serves the caller's environment and agent.

        Raises :class:`PolicyDenied` when there is none.
        """
        agent = caller.agent
        of_provider = [connector for connector in self._by_name.values() if connector.provider == provider]
        for connector in of_provider:
            if connector.serves(caller.environment, agent=agent.name, kind=agent.kind, verified=agent.verified):
                return connector
        if not of_provider:
            raise PolicyDenied(
                f"no connector for {provider} is configured.",
                rule="connector-attached",
                do=f"An operator must add [connectors.{provider}] to the settings file.",
            )
        raise PolicyDenied(
            f"no connector for {provider} serves {agent.name} ({agent.standing}) in {caller.environment}.",
            rule="connector-attached",
            do="Other tools still work. An operator decides which agents and environments a connector serves.",
        )

    def serving(self, environment: str) -> frozenset[str]:
        """The providers that an app is registered at, for this environment."""
        return frozenset(
            one.provider for one in self._by_name.values() if not one.environments or environment in one.environments
        )

    def __iter__(self) -> Iterator[Connector]:
        return iter(self._by_name.values())


def without_secrets(configured: dict[str, ConnectorSettings]) -> Connectors:
    """The same apps for who only looks, and so has nothing to prove to a provider."""
    return Connectors(_connector(name, settings, None) for name, settings in configured.items())


def from_settings(configured: dict[str, ConnectorSettings], providers: Iterable[str]) -> Connectors:
    """Read the connectors, fetching each secret now, so that a missing one stops the start and not a call."""
    known = set(providers)
    connectors = []
    for name, settings in configured.items():
        if settings.provider not in known:
            raise SettingsInvalid(
                f"connectors.{name}.provider: no provider is called {settings.provider!r}.",
                do=f"Known: {', '.join(sorted(known))}.",
            )
        reference = settings.client_secret
        secret = resolve(reference, setting=f"connectors.{name}.client_secret") if reference else None
        connectors.append(_connector(name, settings, secret))
    return Connectors(connectors)


def _connector(name: str, settings: ConnectorSettings, secret: Secret | None) -> Connector:
    return Connector(
        name=name,
        provider=settings.provider,
        client_id=settings.client_id,
        client_secret=secret,
        environments=settings.environments,
        agents=settings.agents,
        team=settings.team or "",
        shared_accounts=settings.shared_accounts,
    )
