"""Access tokens of people: checked, or refused."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from loaner.characters import hides
from loaner.clock import Now
from loaner.errors import InsufficientScope, LoanerError, NotAuthenticated
from loaner.identity import jwt_checks, token_claims
from loaner.identity.caller import Agent, Caller, Subject, UnverifiedToken, is_reserved
from loaner.identity.introspection import Introspection
from loaner.identity.issuer_keys import IssuerKeys
from loaner.secret import fingerprint
from loaner.settings import IdentitySettings
from loaner.settings.identity import ACCESS_TYPE

_REMEMBERED: Final = 4096


@dataclass(frozen=True)
class SignedClaims:
    """What a checked access token says. Only :meth:`AccessTokens.check` makes one."""

    subject: Subject
    agent: Agent
    scopes: frozenset[str]
    expires_at: datetime
    display: str
    fingerprint: str

    def caller(self, *, environment: str, origin: str) -> Caller:
        return Caller(self.subject, self.agent, environment, origin, self.display)


class AccessTokens:
    """Checks JWT access tokens (RFC 9068 §4) of one issuer for one audience, as RFC 8725 advises; and others, by asking
    the issuer, where settings say so.

    Conclusions are remembered by the token's hash while the token and the key set it was checked against last.
    """

    def __init__(self, identity: IdentitySettings, *, audience: str, keys: IssuerKeys, now: Now) -> None:
        """Raises :class:`SettingsInvalid` for a secret of introspection that is not there."""
        self._identity = identity
        self._audiences = token_claims.accepted_audiences(audience)
        self._keys = keys
        self._now = now
        self._known: OrderedDict[str, tuple[int, SignedClaims]] = OrderedDict()
        self._introspection = Introspection(identity.introspection, keys, now) if identity.introspection else None
        self.types: frozenset[str | None] = frozenset(
            None if one == "none" else one.lower() for one in identity.token_types
        )
        """``typ`` in small letters, or ``None`` for none at all."""

    async def check(self, token: UnverifiedToken) -> SignedClaims:
        """Believe the token or refuse it.

        Raises :class:`NotAuthenticated`, whose cause may be told to whoever sent the token,
        :class:`InsufficientScope`, and :class:`IssuerUnreachable` when the issuer's keys cannot be obtained.
        """
        try:
            return await self.read(token)
        except jwt_checks.Rejected as failure:
            raise _refused(failure, self._identity.required_scope) from None

    async def read(self, token: UnverifiedToken) -> SignedClaims:
        """The same for an operator: raises :class:`.jwt_checks.Rejected`, which names the check and the setting."""
        if len(token) > jwt_checks.MAX_TOKEN:  # not even to be hashed
            raise jwt_checks.Rejected("form", "too long")
        name = fingerprint(token)
        if not jwt_checks.is_jwt(token):
            if self._introspection is None:
                raise jwt_checks.Rejected(
                    "form", "not a JWT", cure="introspection, if the issuer answers for opaque tokens"
                )
            return self._believed(await self._introspection.claims(token), name, own_type=False)
        generation = await self._keys.settle()
        remembered = self._known.get(name)
        if remembered is not None and remembered[0] == generation:
            claims = remembered[1]
        else:
            claims = await self._verify(token, name)
            self._known[name] = (self._keys.generation, claims)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if self._now() >= claims.expires_at:
            self._known.pop(name, None)
            raise _expired(claims.expires_at.timestamp())
        return claims

    async def _verify(self, token: UnverifiedToken, name: str) -> SignedClaims:
        header = jwt_checks.header_of(token)
        # An ID token or another JWT of the same issuer is not for us (RFC 9068 §4).
        algorithm = jwt_checks.algorithm_of(header, algorithms=self._identity.algorithms, types=self.types)
        claims = jwt_checks.verified(
            token,
            await self._keys.key(jwt_checks.key_id_of(header), algorithm),
            algorithm,
            issuer=self._identity.issuer,
            require=("iss",),  # the rest is looked at below, in the order of `token_claims.CHECKS`
        )
        return self._believed(claims, name, own_type=jwt_checks.type_of(header) == ACCESS_TYPE)

    def _believed(self, claims: dict[str, Any], name: str, *, own_type: bool) -> SignedClaims:
        """``own_type``: its ``typ`` says that it is an access token."""
        identity, now = self._identity, self._now().timestamp()
        token_claims.for_us(claims, self._audiences, identity.other_audiences)
        expires = token_claims.valid_until(claims, now)
        if now >= expires:
            raise _expired(expires)
        if not own_type:
            token_claims.no_id_token(claims, identity.client_id)
        display = claims.get("preferred_username")
        return SignedClaims(
            subject=Subject(identity.issuer, token_claims.subject_of(claims, identity.subject_claim)),
            agent=self._agent(claims),
            scopes=token_claims.scopes_of(claims, identity.scope_claim, identity.required_scope),
            expires_at=datetime.fromtimestamp(expires, UTC),
            display=display if isinstance(display, str) and not hides(display) else "",
            fingerprint=name,
        )

    def _agent(self, claims: dict[str, Any]) -> Agent:
        """Who acts: the current actor (RFC 8693 §4.1), else the client the token was issued to (RFC 9068 §2.2).

        ``sub`` and ``iss`` together name an actor. This issuer vouches for its own; for another's, where settings say.
        """
        ours = self._identity.issuer
        if "act" not in claims:
            client = token_claims.client_of(claims, self._identity.agent_claim)
            return Agent(_not_reserved(client), "client", ours)
        actor = claims["act"]
        issuer = actor.get("iss", ours) if isinstance(actor, dict) else None
        if issuer != ours and issuer not in self._identity.actor_issuers:
            raise jwt_checks.Rejected("agent", f"act.iss is {jwt_checks.shown(issuer)}", cure="actor_issuers")
        return Agent(_not_reserved(token_claims.name_in(actor, "sub", "agent")), "actor", issuer)


def _not_reserved(name: str) -> str:
    if is_reserved(name):
        raise jwt_checks.Rejected("agent", f"the name {jwt_checks.shown(name)} is reserved")
    return name


def _expired(since: float) -> jwt_checks.Rejected:
    return jwt_checks.Rejected("expired", f"since {datetime.fromtimestamp(since, UTC).isoformat()}")


def _refused(failure: jwt_checks.Rejected, scope: str) -> LoanerError:
    """One answer for every forgery: which check failed is the log's business."""
    told = f"{failure.check}: {failure.found}" + (f"; see identity.{failure.cure}" if failure.cure else "")
    match failure.check:
        case "scope":
            return InsufficientScope(f"the access token lacks the scope {scope}.", log=told)
        case "expired":
            return NotAuthenticated("the access token has expired.", do="Sign in again.", log=told)
    return NotAuthenticated("the access token is not valid here.", do="Sign in again.", log=told)
