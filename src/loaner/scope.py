"""What one call needs, as values: permissions, the resource they are for, and who enforces which limit; no I/O.

A bound call works its own out (:attr:`loaner.catalog.BoundCall.scope`); what the caller claims is never looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

ANYTHING = "*"
"""In the place of a resource: every one."""
Enforcer = Literal["provider", "grant", "loaner"]
"""Who stops a call that goes beyond a limit: the provider by the credential itself, the provider by the wider
grant behind it, or loaner alone."""


@dataclass(frozen=True)
class Limit:
    """One limit of a loan and who enforces it."""

    what: str
    """``permissions``, ``resource`` or ``call``."""
    value: str
    enforced_by: Enforcer


@dataclass(frozen=True)
class Beside:
    """What a call reaches into besides its resource: the team that an issue moves to, the issue that it is a part of.

    It is ruled on as if the call were about it.
    """

    param: str
    """Which argument names it."""
    resource: str
    wider: str = ""
    around: tuple[str, ...] = ()
    id: str = ""
    known: bool = False
    """Nothing but this name says what it is, and what it is a part of."""


@dataclass(frozen=True)
class Scope:
    """What one call needs: permissions, and the one resource they are limited to."""

    provider: str
    permissions: frozenset[str]
    """In the provider's own spelling: ``issues:write``, ``chat:write``, ``issues:create``. May be empty only where
    the operation says ``none`` out loud."""
    resource: str
    """``kind:name``: ``repository:acme/web``, ``channel:#releases``, ``team:ENG``, ``workspace``, ``user``."""
    alternatives: tuple[frozenset[str], ...] = ()
    """Other permission sets that would do as well, where the provider accepts either."""
    limits: tuple[Limit, ...] = ()
    narrower: str = ""
    """What the call is about inside the resource, where it names something: ``issue:acme/web#12``. No credential can
    be limited to it; a task can."""
    wider: str = ""
    """What the resource's own name says it is a part of: ``team:ENG`` for ``issue:ENG-12``."""
    around: tuple[str, ...] = ()
    """What the provider says that it is a part of besides: the teams of a project. Rules see it, tasks do not."""

    ids: Mapping[str, str] = field(default_factory=dict)
    """The provider's own ids, where they are known, by what the scope calls it: a name can change hands."""

    only: tuple[str, ...] = ()
    """The repositories, of one account, that a search of all is limited to: no more was agreed to."""

    account: str = ""
    """The account that a call about no one repository names."""

    beside: tuple[Beside, ...] = ()

    @property
    def target(self) -> str:
        """The account that it is about, as far as it says; else the kind of its resource."""
        return self.account or self.resource_name.partition("/")[0]

    @property
    def resource_id(self) -> str:
        """Of the resource; empty where it is not known."""
        return self.ids.get(self.resource, "")

    @property
    def leads_out(self) -> frozenset[str]:
        """The arguments that reach out of what contains its resource: what was agreed to of that alone does not cover
        them."""
        own = {self.resource, *_container(self.wider, self.around)}
        return frozenset(
            one.param
            for one in self.beside
            if one.known and own.isdisjoint({one.resource, *_container(one.wider, one.around)})
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All that a task may call it by, the narrowest first."""
        return tuple(name for name in (self.narrower, self.resource, self.wider) if name)

    @property
    def resource_name(self) -> str:
        return self.resource.partition(":")[2] or self.resource

    @property
    def resource_kind(self) -> str:
        return self.resource.partition(":")[0]

    def instead(self, permissions: frozenset[str]) -> Scope:
        """The same scope with one of its alternatives."""
        told = ", ".join(sorted(permissions))
        limits = tuple(replace(limit, value=told) if limit.what == "permissions" else limit for limit in self.limits)
        return replace(self, permissions=permissions, limits=limits)

    def limited(self, only: tuple[str, ...], by: Enforcer) -> Scope:
        """The same, of these repositories alone."""
        limits = (*self.limits, Limit("resource", ", ".join(only), by)) if only else self.limits
        return replace(self, only=only, limits=limits)

    def without_one(self) -> Iterator[Scope]:
        """For a search of several repositories: the same without each of them in turn, since one may be gone."""
        if len(self.only) > 1:
            whole = ", ".join(self.only)
            for gone in self.only:
                only = tuple(name for name in self.only if name != gone)
                limits = tuple(
                    replace(one, value=", ".join(only)) if one.value == whole else one for one in self.limits
                )
                yield replace(self, only=only, limits=limits)

    def told(self) -> str:
        """``issues:write on acme/web``."""
        asked = ", ".join(sorted(self.permissions)) or "no permission"
        return f"{asked} on {self.resource_name}"


def _container(wider: str, around: tuple[str, ...]) -> tuple[str, ...]:
    """What its name says that it is a part of; only where that says nothing, what its provider does."""
    return (wider,) if wider else around


def is_about(resources: Collection[str], names: Collection[str]) -> bool:
    """Is what a call is about one of these? ``names``: all that its scope calls it, with the kind before a colon."""
    known = {short for name in names for short in (name, name.partition(":")[2]) if short}
    return ANYTHING in resources or not known.isdisjoint(resources)
