"""One access token, taken through the very checks that the HTTP door makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loaner.cli._report import Check, Report
from loaner.errors import NotAuthenticated, UsageError

if TYPE_CHECKING:
    from loaner.identity.access_tokens import AccessTokens
    from loaner.identity.caller import UnverifiedToken
    from loaner.identity.workloads import WorkloadTokens


async def of(token: str) -> Report:
    """Raises :class:`UsageError` where no setting says whose tokens are accepted."""
    from loaner.cli import _opened, _servers
    from loaner.clock import utc_now
    from loaner.identity.access_tokens import AccessTokens
    from loaner.identity.caller import UnverifiedToken
    from loaner.identity.issuer_faults import issuer_faults
    from loaner.identity.issuer_keys import IssuerKeys
    from loaner.identity.workloads import PeopleAndWorkloads, WorkloadTokens
    from loaner.network import Network

    settings, _ = _opened.settings_for_a_verb()
    identity = settings.identity
    if identity is None:
        raise UsageError("no setting says whose access tokens are accepted.", do="Set identity.issuer.")
    here = next((one.mcp_url for one in _servers.running(settings.home) if one.mcp_url), f"{settings.public_url}/mcp")
    audience = identity.audience or here
    about = f"an access token of {identity.issuer} for {audience}"
    network = Network.of(settings.network)
    async with IssuerKeys(identity.issuer, now=utc_now, network=network) as keys:
        people = AccessTokens(identity, audience=audience, keys=keys, now=utc_now)
        jobs = WorkloadTokens(
            settings.workloads,
            environment=settings.environment,
            scope=identity.required_scope,
            now=utc_now,
            keys={identity.issuer: keys},
            network=network,
        )
        async with jobs:
            if faults := await issuer_faults(keys, identity):
                issuer = Check("issuer", f"{identity.issuer} can be used", "failed", faults[0].told, faults[0].cure)
                return Report(about, [issuer])
            given = UnverifiedToken(token)
            if settings.workloads and PeopleAndWorkloads(people, jobs).is_of_a_job(given):
                return await _of_a_job(jobs, given)
            return await _of_a_person(people, given, about)


async def _of_a_job(jobs: WorkloadTokens, token: UnverifiedToken) -> Report:
    from loaner.identity.issuer_keys import IssuerUnreachable

    about, what = "the token of a job", "is one of the jobs that [[workloads]] name"
    try:
        claims = await jobs.check(token)
    except NotAuthenticated as refused:
        return Report(about, [Check("workload", what, "failed", refused.log, "workloads")])
    except IssuerUnreachable as away:
        return Report(about, [Check("key", "the issuer's keys can be had", "failed", str(away), "workloads")])
    return Report(about, [Check("workload", what, "ok")], [("agent", claims.agent.key), ("person", claims.subject.key)])


async def _of_a_person(people: AccessTokens, token: UnverifiedToken, about: str) -> Report:
    from loaner.identity.issuer_keys import IssuerUnreachable
    from loaner.identity.jwt_checks import Rejected, is_jwt
    from loaner.identity.token_claims import CHECKS

    left_out = {"active"} if is_jwt(token) else _SIGNED
    made = [name for name in CHECKS if name not in left_out]
    try:
        claims = await people.read(token)
    except Rejected as failure:
        cure = f"identity.{failure.cure}" if failure.cure else ""
        return Report(about, _until(made, failure.check, failure.found, cure))
    except IssuerUnreachable as away:
        check, cure = ("key", "") if is_jwt(token) else ("active", "identity.introspection")
        return Report(about, _until(made, check, str(away), cure))
    known = [("person", claims.subject.key), ("agent", claims.agent.key), ("scopes", " ".join(sorted(claims.scopes)))]
    return Report(about, _until(made, ""), [*known, ("until", claims.expires_at.isoformat())])


def _until(made: list[str], failed: str, found: str = "", cure: str = "") -> list[Check]:
    """Those before the one that failed have passed, since each is made only then."""
    from loaner.identity.token_claims import CHECKS

    at = made.index(failed) if failed in made else len(made)
    checks = [Check(name, CHECKS[name], "ok") for name in made[:at]]
    if failed:
        checks.append(Check(failed, CHECKS[failed], "failed", found, cure))
    return checks + [Check(name, CHECKS[name], "not looked at") for name in made[at + 1 :]]


_SIGNED = {"alg", "typ", "crit", "kid", "key", "signature"}
"""Checks of a token that can be read here; the issuer alone makes the one that stands in their place."""
