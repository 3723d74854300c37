"""A provider as data: how consent is had there, how a key is narrowed and given back, how it fails.

Read from ``connectors/<provider>/provider.toml``. Endpoints are written ``host-key:/path`` or
``METHOD host-key:/path``; the only placeholder in them is ``{client_id}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from loaner.catalog.base import Definition
from loaner.catalog.form import Form
from loaner.catalog.identify import Identify
from loaner.catalog.lookup import Lookup
from loaner.catalog.mention import Mention
from loaner.catalog.part_of import PartOf
from loaner.catalog.provider_parts import (
    WHERE,
    Instance,
    Meaning,
    ProviderAnswers,
    ProviderConsent,
    ProviderGrant,
    ProviderLending,
    ProviderLimits,
    ProviderReads,
    Where,
    is_where,
)
from loaner.catalog.rate import ProviderRate
from loaner.catalog.reason import FailureCode, Reason
from loaner.loopback import is_loopback
from loaner.scope import Beside


class Provider(Definition):
    """GitHub, Slack or Linear: everything about it that is not one operation."""

    name: str
    """The folder's name."""
    title: str
    """What people call it."""
    source: str
    """The page that documents how to authorize there."""
    hosts: dict[str, str]
    """Base URLs by a key of your choice, such as ``web`` and ``api``."""
    instances: tuple[Instance, ...] = ()
    """The first that fits an address counts."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every API request, as they are; no argument ever reaches a header."""
    consent: ProviderConsent
    """How a person's approval becomes a grant."""
    grant: ProviderGrant
    """How a grant is kept, refreshed and ended."""
    lending: ProviderLending
    """How a credential for one call is obtained and given back."""
    limits: ProviderLimits
    """Who enforces each limit."""
    reads: ProviderReads
    """How reading is put to the person."""
    answers: ProviderAnswers
    """How success and failure are told apart."""
    rate: ProviderRate
    """What the provider allows in a time."""
    levels: tuple[str, ...] = ()
    """From least to most, for permissions spelled ``name:level``."""
    implies: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What a permission includes besides itself."""
    always: frozenset[str] = frozenset()
    """Comes with every credential, asked for or not."""
    reasons: tuple[Reason, ...] = ()
    """Why it refuses, where the status does not say enough; the first that fits counts."""
    errors: dict[str, Meaning] = Field(default_factory=dict)
    """The provider's error words, and what each means: a :data:`FailureCode`, or the reason that tells it."""
    forms: dict[str, Form] = Field(default_factory=dict)
    """Shapes of names, which parameters go by."""
    found: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By the name of a parameter: the fields of results, as dotted paths, that give what it takes."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    """How a name becomes an id, which parameters go by."""
    identify: dict[str, Identify] = Field(default_factory=dict)
    """By kind of resource: how its canonical name is found out, where another one reaches it as well."""
    ids: dict[str, str] = Field(default_factory=dict)
    """By kind of resource: the pattern of the provider's own ids. A kind that is not here has none."""
    wider: tuple[PartOf, ...] = ()
    """Names that say what a resource is a part of."""
    mentions: tuple[Mention, ...] = ()
    """How a text that is posted notifies people."""
    unfurls: tuple[str, ...] = ()
    """Fields that, when false, keep it from fetching links of a text that is posted."""
    api: str = "api"
    """The host key that operations' paths belong to."""
    graphql: Where | None = None
    """Where GraphQL documents are posted."""

    @field_validator("hosts")
    @classmethod
    def _hosts_are_plain(cls, hosts: dict[str, str]) -> dict[str, str]:
        for key, base in hosts.items():
            parts = urlsplit(base)
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
                raise ValueError(f"host {key!r} must be https (http only on loopback)")
            if not parts.hostname or parts.username or parts.query or parts.fragment or base.endswith("/"):
                raise ValueError(f"host {key!r} must be a bare base URL without a trailing slash")
        return hosts

    @model_validator(mode="after")
    def _endpoints_use_known_hosts(self) -> Provider:
        for part in (self.consent, self.grant, self.grant.account, self.lending):
            for field, value in part:
                found = WHERE.search(value) if isinstance(value, str) else None
                if found and field not in {"scope_separator", "graphql"} and found["host"] not in self.hosts:
                    raise ValueError(f"{field}: unknown host key {found['host']!r}")
        for reason in self.reasons:
            if reason.link and is_where(reason.link).partition(":")[0] not in self.hosts:
                raise ValueError(f"reason {reason.name}: unknown host key in {reason.link!r}")
            if not reason.statuses and reason.name not in self.errors.values():
                raise ValueError(f"reason {reason.name}: nothing leads to it")
        return self

    @property
    def place(self) -> str:
        """All its base URLs, in one fixed order: what is granted at one place is nothing to another."""
        return " ".join(self.hosts[key] for key in sorted(self.hosts))

    def means(self, word: str) -> FailureCode | None:
        """What an error word means; ``None`` for one that is not listed."""
        meaning = self.errors.get(word)
        reason = self.reason(meaning) if meaning else None
        return reason.means if reason else cast("FailureCode | None", meaning)

    def reason(self, name: str) -> Reason | None:
        return next((one for one in self.reasons if one.name == name), None)

    def url(self, at: str, **values: str) -> str:
        """``web:/login/device/code`` as a URL; placeholders are percent-encoded as one segment each."""
        found = WHERE.fullmatch(at)
        if not found or found["host"] not in self.hosts:
            raise ValueError(f"{self.name}: {at!r} is not host-key:/path")
        path = re.sub(r"\{([a-z_]+)\}", lambda m: quote(values[m[1]], safe=""), found["path"])
        return self.hosts[found["host"]] + path

    def has(self, url: str) -> bool:
        """Is this address at one of its hosts? Another is none that a person is led to."""
        return url.startswith(tuple(f"{base}/" for base in self.hosts.values()))

    def told(self, reason: Reason, target: str) -> tuple[str, str]:
        """What happened and what to do about it, where ``target`` is the account that the call is about."""
        at = target or "the account"
        link = self.url(reason.link, target=target) if reason.link and target else ""
        return reason.cause.format(target=at), reason.do.format(target=at, link=link or "its page at the provider")

    def request(self, request: str, **values: str) -> tuple[str, str]:
        """``DELETE api:/applications/{client_id}/token`` as method and URL."""
        method, _, at = request.partition(" ")
        return method, self.url(at, **values)

    def covers(self, granted: frozenset[str], needed: frozenset[str]) -> bool:
        """Does a credential with ``granted`` suffice for ``needed``?"""
        return needed <= self._spread(granted | self.always)

    def excess(self, granted: frozenset[str], needed: frozenset[str]) -> frozenset[str]:
        """What of ``granted`` goes beyond ``needed``: what the credential could have done besides the call."""
        return frozenset(granted - self._spread(needed))

    def team_of(self, account_id: str) -> str:
        """The workspace of an account, as a grant names that (``team/user``); empty where it does not say which."""
        team, named, _ = account_id.partition("/")
        return team if named and re.fullmatch(self.grant.account.one_team, team) else ""

    def identifies(self, resource: str) -> Identify | None:
        """How to find out the canonical name of a resource; ``None`` where it has that already."""
        kind, named, name = resource.partition(":")
        identify = self.identify.get(kind) if named else None
        return identify if identify and identify.is_for(name) else None

    def id_in(self, resource: str) -> str:
        """The provider's own id, where the resource goes by that; empty where it goes by another name."""
        kind, _, name = resource.partition(":")
        return name if kind in self.ids and re.fullmatch(self.ids[kind], name) else ""

    def wider_than(self, resource: str) -> str:
        """What the resource says by its name that it is a part of; empty if nothing."""
        found = ((one, re.fullmatch(one.pattern, resource)) for one in self.wider)
        return next((f"{one.kind}:{match[1]}" for one, match in found if match), "")

    def beside(self, param: str, resource: str) -> Beside:
        """What a call reaches into, as far as its name tells."""
        wider = self.wider_than(resource)
        return Beside(param, resource, wider, known=bool(wider) or self.identifies(resource) is None)

    def _spread(self, permissions: frozenset[str]) -> frozenset[str]:
        """With everything that each permission includes, to the end."""
        reached: set[str] = set()
        waiting = list(permissions)
        while waiting:
            permission = waiting.pop()
            if permission in reached:
                continue
            reached.add(permission)
            waiting += self.implies.get(permission, ())
            name, _, level = permission.rpartition(":")
            if name and level in self.levels:
                waiting += [f"{name}:{lower}" for lower in self.levels[: self.levels.index(level)]]
        return frozenset(reached)

    def at(self, hosts: Mapping[str, str]) -> Provider:
        """The same provider elsewhere: on ``hosts``, all of them or none would be safe; or at ``{"address": …}``.

        Raises :class:`ValueError` where a host is missing, or one address does not tell them all.
        """
        if "address" in hosts:
            hosts = self._led_to(hosts["address"])
        if wrong := sorted(set(self.hosts) ^ set(hosts)):
            what = "is missing" if wrong[0] in self.hosts else "is no host of it"
            raise ValueError(f"{wrong[0]} {what}")
        return Provider.model_validate(self.model_dump() | {"hosts": {key: hosts[key] for key in self.hosts}})

    def _led_to(self, address: str) -> dict[str, str]:
        for instance in self.instances:
            if found := re.fullmatch(instance.address, address):
                return {key: base.format(**found.groupdict()) for key, base in instance.hosts.items()}
        raise ValueError(f"one address does not say where {' and '.join(self.hosts)} are")
