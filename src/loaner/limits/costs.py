"""What a call takes of its provider's limits, read from the same steps by which it is carried out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from loaner.catalog import BoundCall
from loaner.catalog.provider import Provider
from loaner.catalog.rate import RateLimit

Unasked = Literal["give_back", "refresh"]


def costs(bound: BoundCall, *, minting: bool = True) -> Iterator[tuple[RateLimit, int]]:
    """What one call takes of each limit; its credential included, where it is ``minting`` one."""
    rate, requests = bound.operation.provider.rate, list(_requests(bound))
    for rate_limit in rate.limits:
        amount = rate_limit.mint * minting + sum(
            rate_limit.write if changes else rate_limit.read
            for path, changes in requests
            if not rate_limit.paths or path.startswith(rate_limit.paths)
        )
        if amount:
            yield rate_limit, amount
    for path, _ in requests:
        if alone := rate.of_method(path):
            yield alone, 1
        yield from ((each.of(str(bound.arguments[each.param])), 1) for each in rate.each if each.path == path)


def unasked(provider: Provider, what: Unasked) -> Iterator[tuple[RateLimit, int]]:
    """What loaner spends for itself, whether or not there is room."""
    for rate_limit in provider.rate.limits:
        if amount := rate_limit.give_back if what == "give_back" else rate_limit.refresh:
            yield rate_limit, amount


def of_methods(bound: BoundCall) -> list[RateLimit]:
    """The limits that single methods of this call have for themselves."""
    rate = bound.operation.provider.rate
    return [alone for path, _ in _requests(bound) if (alone := rate.of_method(path))]


def known(provider: Provider) -> Iterator[RateLimit]:
    """Every limit of a provider."""
    yield from provider.rate.limits
    for path in provider.rate.methods:
        if alone := provider.rate.of_method(path):
            yield alone


def _requests(bound: BoundCall) -> Iterator[tuple[str, bool]]:
    """Path of each request of this call, and whether it changes anything."""
    operation = bound.operation
    for name, param in operation.params.items():
        lookup = operation.provider.lookups[param.lookup] if param.lookup else None
        if lookup and lookup.needed(bound.arguments.get(name)):
            yield lookup.steps[0].path or "", False
    for step in operation.steps:
        if not step.upload_to and (step.when is None or step.when.holds(bound.arguments)):
            yield step.path or "", step.changes
