"""Tasks that a host brings with a request: signed, and believed only after every check.

A host that knows what its user asked for says so beforehand, in a JWT of its own: which tools, on what, how often. The
agent cannot write one, so nothing that it reads can widen it. The shape follows ``authorization_details`` (RFC 9396 §2)
and OAuth transaction tokens (draft-ietf-oauth-transaction-tokens); the checks follow RFC 8725.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from loaner.clock import Now
from loaner.errors import PolicyDenied, ProviderUnavailable, SettingsInvalid
from loaner.identity import jwt_checks
from loaner.identity.caller import Caller, HostTask, UnverifiedToken
from loaner.identity.issuer_keys import IssuerKeys, IssuerUnreachable, PublicKey, suits
from loaner.network import Network
from loaner.settings import TaskIssuerSettings

META: Final = "dev.loaner/task"
"""In a request's ``_meta``."""
HEADER: Final = "Loaner-Task"
TYPE: Final = "loaner-task+jwt"
"""Said in the header of each."""
DETAIL: Final = "dev.loaner/tools"
LONGEST: Final = 8 * 3600
"""Seconds that a task may live, as those that agents propose."""
_MAX_NAME: Final = 255
_FIELDS: Final = frozenset({"type", "actions", "resources", "count", "arguments", "open", "locations"})


class HostTasks:
    """Checks the tasks of the configured issuers. ``async with`` it: it holds their keys.

    ``people``: whose ``sub`` they name where an issuer's setting does not say; an issuer, or ``local``.
    """

    def __init__(
        self,
        issuers: Sequence[TaskIssuerSettings],
        *,
        people: str,
        audience: Callable[[], str],
        now: Now,
        keys: Mapping[str, IssuerKeys] | None = None,
        network: Network | None = None,
    ) -> None:
        self._issuers = {one.issuer: one for one in issuers}
        if len(self._issuers) != len(issuers):
            raise SettingsInvalid("two task_issuers have the same issuer.")
        self._people = people
        self._audience = audience
        self._now = now
        self._pinned = {one.issuer: _public_key(one) for one in issuers if one.public_key}
        self._keys = {
            one.issuer: (keys or {}).get(one.issuer) or IssuerKeys(one.issuer, now=now, network=network)
            for one in issuers
            if not one.public_key
        }
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for keys in self._keys.values():
            await self._stack.enter_async_context(keys)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def bound(self, token: UnverifiedToken | None, caller: Caller) -> Caller:
        """The caller, bound to the task that came with the request, if one did.

        Raises :class:`PolicyDenied`: a task that cannot be believed is never taken for none. Raises
        :class:`ProviderUnavailable` when its issuer's keys cannot be had.
        """
        if token is None:
            return caller
        issuer, claims = await self._verified(token)
        return replace(caller, task=self._believed(issuer, claims, caller))

    async def _verified(self, token: UnverifiedToken) -> tuple[TaskIssuerSettings, dict[str, Any]]:
        try:
            header, claimed = jwt_checks.header_of(token), jwt_checks.claimed_by(token).get("iss")
            issuer = self._issuers.get(claimed) if isinstance(claimed, str) else None
            if issuer is None:
                raise _refused("iss")
            algorithm = jwt_checks.algorithm_of(header, algorithms=issuer.algorithms, types=(TYPE,))
            key = await self._key(issuer, header, algorithm)
            require = ("iss", "aud", "sub", "exp", "iat", "jti")  # `aud` is compared below, as the only one
            return issuer, jwt_checks.verified(token, key, algorithm, issuer=issuer.issuer, require=require)
        except jwt_checks.Rejected as failure:
            raise _refused(str(failure)) from None

    async def _key(self, issuer: TaskIssuerSettings, header: dict[str, Any], algorithm: str) -> PublicKey | None:
        if issuer.issuer in self._pinned:
            pinned = self._pinned[issuer.issuer]
            return pinned if suits(pinned, algorithm) else None
        try:
            return await self._keys[issuer.issuer].key(jwt_checks.key_id_of(header), algorithm)
        except IssuerUnreachable as away:
            raise ProviderUnavailable(
                "the task that came with this call cannot be checked right now. Nothing was sent.", log=str(away)
            ) from None

    def _believed(self, issuer: TaskIssuerSettings, claims: dict[str, Any], caller: Caller) -> HostTask:
        here = issuer.audience or self._audience()
        if claims["aud"] not in (here, [here]):
            raise _refused("aud")  # one meant for others too could be replayed by them
        if (issuer.subjects or self._people, claims["sub"]) != (caller.subject.issuer, caller.subject.sub):
            raise _refused("sub")
        if _agent(claims) != caller.agent.name or _issuer(claims) not in {None, caller.agent.issuer}:
            raise _refused("agent")
        now = self._now().timestamp()
        times = claims["iat"], claims["exp"], claims.get("nbf", claims["iat"])
        if not all(map(jwt_checks.is_instant, times)):
            raise _refused("times")
        issued, expires, begins = times
        if max(issued, begins) > now + jwt_checks.SKEW or now >= expires or not 0 < expires - issued <= LONGEST:
            raise _refused("times")
        name = claims["jti"]
        if not isinstance(name, str) or not 1 <= len(name) <= _MAX_NAME:
            raise _refused("jti")
        return HostTask(
            id=hashlib.sha256(f"{issuer.issuer}\x1f{name}".encode()).hexdigest(),
            issuer=issuer.issuer,
            wanted=_wanted(claims, here, minutes=math.ceil((expires - issued) / 60)),
            issued=datetime.fromtimestamp(issued, UTC),
            ends=datetime.fromtimestamp(expires, UTC),
            agreed=issuer.agrees,
        )


def _wanted(claims: Mapping[str, Any], here: str, *, minutes: int) -> dict[str, Any]:
    """As a proposal, which is checked like any other before it is shown. What is not understood is refused."""
    details = claims.get("authorization_details")
    if not isinstance(details, list) or not details:
        raise _refused("authorization_details")
    operations: list[dict[str, Any]] = []
    resources: list[Any] = []
    for detail in details:
        # An unknown type or field may be a limit that we would not keep (RFC 9396 §5).
        if not isinstance(detail, dict) or detail.get("type") != DETAIL or not detail.keys() <= _FIELDS:
            raise _refused("authorization_details")
        actions, about = detail.get("actions"), detail.get("resources")
        if not isinstance(actions, list) or not isinstance(about, list) or not actions or not about:
            raise _refused("authorization_details")
        if detail.get("locations", [here]) != [here]:
            raise _refused("locations")
        given = {name: detail[name] for name in ("count", "arguments", "open") if name in detail}
        operations += [{"tool": action, "resources": about, **given} for action in actions]
        resources += [one for one in about if one not in resources]
    return {
        "purpose": claims.get("purpose"),
        "operations": operations,
        "resources": resources,
        "minutes": minutes,
    }


def _public_key(issuer: TaskIssuerSettings) -> PublicKey:
    try:
        key = load_pem_public_key((issuer.public_key or "").encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, PublicKey) or not any(suits(key, algorithm) for algorithm in issuer.algorithms):
        raise SettingsInvalid(f"the public_key of task issuer {issuer.issuer} is none for its algorithms.")
    return key


def _agent(claims: Mapping[str, Any]) -> object:
    """Who acts: the current actor (RFC 8693 §4.1), else the client (RFC 8693 §4.3)."""
    if "act" in claims:
        return claims["act"].get("sub") if isinstance(claims["act"], dict) else None
    return claims.get("client_id")


def _issuer(claims: Mapping[str, Any]) -> object:
    """Whose agent is meant, where the task says so."""
    actor = claims.get("act")
    return actor.get("iss") if isinstance(actor, dict) else None


def _refused(reason: str) -> PolicyDenied:
    """One answer for every forgery: which check failed is the log's business."""
    return PolicyDenied(
        "the task that came with this call is not valid here.",
        rule="task-token",
        do="Tell the user: the host has to send a valid one.",
        log=f"task: {reason}",
    )
