"""Agents without a person at the keyboard: a job's own OIDC token says which agent it is.

GitHub Actions, Kubernetes service accounts and SPIFFE JWT-SVIDs are all JWTs of an issuer that publishes its keys.
Such a token is believed for one configured purpose: an agent's name, in the environments named.

A JWT-SVID need not say who issued it (``iss`` is none of its claims): its ``sub`` names a trust domain, and a setting
says whose keys speak for that domain. Whatever else is required of a job's token is required of it too.

https://docs.github.com/en/actions/reference/security/oidc
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens
https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Final, Protocol, Self, get_args

from loaner.characters import hides
from loaner.clock import Now
from loaner.errors import NotAuthenticated, SettingsInvalid
from loaner.identity import jwt_checks, token_claims
from loaner.identity.access_tokens import AccessTokens, SignedClaims
from loaner.identity.caller import Agent, Subject, UnverifiedToken, is_reserved
from loaner.identity.issuer_keys import IssuerKeys
from loaner.network import Network
from loaner.secret import fingerprint
from loaner.settings import WorkloadSettings
from loaner.settings.identity import ScopeClaim
from loaner.settings.sections import OF_CLIENTS

_LONGEST: Final = 24 * 3600
"""Seconds that a job's token may live: none of the known issuers' needs more, and a longer one is no job's."""
_TYPES: Final = (None, "jwt", "jose")


class Checks(Protocol):
    async def check(self, token: UnverifiedToken) -> SignedClaims: ...


class WorkloadTokens:
    """Checks tokens of the configured workloads, for one environment. ``async with`` it: it holds the keys.

    Raises :class:`SettingsInvalid` where two issuers would speak for one trust domain.
    """

    def __init__(
        self,
        workloads: Sequence[WorkloadSettings],
        *,
        environment: str,
        scope: str,
        now: Now,
        keys: Mapping[str, IssuerKeys] | None = None,
        network: Network | None = None,
    ) -> None:
        speaks_for: dict[str, str] = {}
        for one in workloads:
            if one.trust_domain and speaks_for.setdefault(one.trust_domain, one.issuer) != one.issuer:
                raise SettingsInvalid(f"the trust domain {one.trust_domain} has two issuers; one has to speak for it.")
            if is_reserved(one.agent) or hides(one.agent):
                raise SettingsInvalid(
                    f"workloads: {one.agent!r} is no name for an agent.",
                    do="Name it by its job, in visible characters.",
                )
        self._workloads = workloads
        self._environment = environment
        self._scope = scope
        self._now = now
        known = dict(keys or {})  # of the issuer that people sign in with; whoever made them closes them
        self._of_people = frozenset(known)
        self._own = {
            one.issuer: IssuerKeys(one.issuer, now=now, network=network) for one in workloads if one.issuer not in known
        }
        self._keys = known | self._own
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for keys in self._own.values():
            await self._stack.enter_async_context(keys)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def check(self, token: UnverifiedToken) -> SignedClaims:
        """Believe the token or refuse it. Raises :class:`NotAuthenticated` and ``IssuerUnreachable``."""
        try:
            header, claimed = jwt_checks.header_of(token), jwt_checks.claimed_by(token)
            candidates = [one for one in self._workloads if _may_come_from(one, claimed)]
            if not candidates:
                raise _refused("iss")
            # Each by the algorithms of its own: a workload of the same issuer may take weaker ones.
            candidates = [one for one in candidates if header.get("alg") in one.algorithms]
            if not candidates:
                raise _refused("alg")
            claims = await self._verified(token, header, candidates[0], names_issuer="iss" in claimed)
            self._refuse_people(claims)
        except jwt_checks.Rejected as failure:
            raise _refused(str(failure)) from None
        for workload in candidates:
            if self._is(workload, claims):
                return self._signed(workload, claims, token)
        raise _refused("no workload has these claims here")

    def _refuse_people(self, claims: dict[str, Any]) -> None:
        """No sign-in of a person passes for a job, nor their access token without the scope that it needs."""
        token_claims.no_id_token(claims)
        if claims.get("iss") in self._of_people and OF_CLIENTS & claims.keys():
            token_claims.scopes_of(claims, get_args(ScopeClaim), self._scope)

    def named(self, claimed: Mapping[str, Any]) -> bool:
        """Does a token that claims this say that it is one of these jobs? Nothing of it is believed."""
        return any(_may_come_from(one, claimed) and self._is(one, claimed) for one in self._workloads)

    async def _verified(
        self, token: UnverifiedToken, header: dict[str, Any], workload: WorkloadSettings, *, names_issuer: bool
    ) -> dict[str, Any]:
        # An access token is checked as one, and by nothing weaker: it is none of these types.
        algorithm = jwt_checks.algorithm_of(header, algorithms=workload.algorithms, types=_TYPES)
        return jwt_checks.verified(
            token,
            await self._keys[workload.issuer].key(jwt_checks.key_id_of(header), algorithm),
            algorithm,
            issuer=workload.issuer if names_issuer else None,
            require=("aud", "sub", "exp"),  # `aud` is compared with each workload's own
        )

    def _is(self, workload: WorkloadSettings, claims: Mapping[str, Any]) -> bool:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        return (
            (workload.trust_domain is None or _is_of(workload.trust_domain, claims))
            and audiences == [workload.audience]  # one meant for others too could be replayed by them
            and self._environment in workload.environments
            and all(_at(claims, name) == wanted for name, wanted in workload.claims.items())
            and ("sub" in workload.claims or not OF_CLIENTS & claims.keys())  # a client's token may be a person's
        )

    def _signed(self, workload: WorkloadSettings, claims: dict[str, Any], token: UnverifiedToken) -> SignedClaims:
        now, sub = self._now().timestamp(), claims["sub"]
        issued = claims.get("iat", None if workload.trust_domain is None else int(now))  # a JWT-SVID need not say
        times = [issued, claims["exp"], claims.get("nbf", issued)]
        if not all(map(jwt_checks.is_instant, times)):
            raise _refused("times")
        issued, expires, begins = times
        if max(issued, begins) > now + jwt_checks.SKEW or now >= expires or not 0 < expires - issued <= _LONGEST:
            raise _refused("times")
        if not isinstance(sub, str) or not sub.strip() or hides(sub):
            raise _refused("sub")
        acting = Subject(workload.issuer, sub)
        if workload.acts_for is not None:
            person_issuer, _, person = workload.acts_for.partition(" ")
            acting = Subject(person_issuer, person)
        return SignedClaims(
            subject=acting,
            agent=Agent(workload.agent, "workload", workload.issuer),
            scopes=frozenset({self._scope}),
            expires_at=datetime.fromtimestamp(expires, UTC),
            display="",
            fingerprint=fingerprint(token),
        )


class PeopleAndWorkloads:
    """Sends a token to whichever check is meant for its kind. A person's is ``at+jwt`` (RFC 9068 §2.1), or of another
    type that the issuer is known for and of no job. Either check is whole, so that choosing wins nothing."""

    def __init__(self, people: AccessTokens, workloads: WorkloadTokens) -> None:
        self._people = people
        self._workloads = workloads

    async def check(self, token: UnverifiedToken) -> SignedClaims:
        return await (self._workloads if self.is_of_a_job(token) else self._people).check(token)

    def is_of_a_job(self, token: UnverifiedToken) -> bool:
        """Is it to be checked as a job's?"""
        try:
            kind, claimed = jwt_checks.type_of(jwt_checks.header_of(token)), jwt_checks.claimed_by(token)
        except jwt_checks.Rejected:
            return False
        return kind in _TYPES and (kind not in self._people.types or self._workloads.named(claimed))


def _may_come_from(workload: WorkloadSettings, claimed: Mapping[str, Any]) -> bool:
    if workload.trust_domain is None or "iss" in claimed:
        return bool(claimed.get("iss") == workload.issuer)
    return _is_of(workload.trust_domain, claimed)


def _is_of(trust_domain: str, claims: Mapping[str, Any]) -> bool:
    """Whether ``sub`` is a SPIFFE ID of that trust domain (JWT-SVID §3.1, SPIFFE-ID §2)."""
    return str(claims.get("sub")).startswith(f"spiffe://{trust_domain}/")


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by name; one inside another as ``kubernetes.io/namespace``."""
    if path in claims:
        return claims[path]
    outer, _, inner = path.rpartition("/")
    nested = claims.get(outer)
    return nested.get(inner) if isinstance(nested, Mapping) else None


def _refused(reason: str) -> NotAuthenticated:
    """One answer for every forgery, the same as for a person's token."""
    return NotAuthenticated("the access token is not valid here.", do="Sign in again.", log=f"workload: {reason}")
