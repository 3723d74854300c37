"""Who asks: which person, through which agent, in which environment, from where.

A :class:`Caller` is only ever made here. Over stdio the person is the local user and the agent is what the
client says of itself (*reported*); over HTTP both come from an access token that was checked (*verified*).
"""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NewType

from loaner import jwts, token_claims
from loaner.characters import hides
from loaner.clock import Now
from loaner.errors import InsufficientScope, LoanerError, NotAuthenticated
from loaner.introspection import Introspection
from loaner.jwks import IssuerKeys
from loaner.secret import fingerprint
from loaner.settings import IdentitySettings
from loaner.settings.identity import ACCESS_TYPE

LOCAL: Final = "local"
"""The issuer of a person who is vouched for by the operating system."""


@dataclass(frozen=True)
class Subject:
    """The person on whose behalf a call is made. Never an email or a display name."""

    issuer: str
    sub: str

    @property
    def key(self) -> str:
        """One string for the store; unambiguous, as an issuer is a URL or ``local`` and holds no space."""
        return f"{self.issuer} {self.sub}"


AgentKind = Literal["client", "actor", "workload", "reported", "loaner"]
"""Who vouches for an agent's name: an issuer for the ``client`` of its token, or for the ``actor`` in it; a job's own
issuer for a ``workload``; nobody for what is ``reported``. ``loaner`` is this program, on a person's behalf."""
VERIFIED: Final = frozenset({"client", "actor", "workload"})


@dataclass(frozen=True)
class Agent:
    """The software that asks, what kind of name it has, and which issuer gave it."""

    name: str
    kind: AgentKind = "reported"
    issuer: str = ""
    """Empty where no issuer vouches for it."""
    version: str | None = None

    @property
    def verified(self) -> bool:
        """Does an issuer vouch for the name?"""
        return self.kind in VERIFIED

    @property
    def key(self) -> str:
        """One string for the store. The same name of another kind or issuer is another agent."""
        return " ".join((self.kind, *((self.issuer or "-",) if self.verified else ()), self.name))

    @property
    def standing(self) -> str:
        return f"verified {self.kind}" if self.verified else "reported, not verified"

    def recorded(self) -> dict[str, Any]:
        """As a record has it."""
        return {
            "agent": self.name,
            "agent_version": self.version,
            "agent_verified": self.verified,
            "agent_kind": self.kind,
            "agent_issuer": self.issuer or None,
        }

    def stored(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Agent:
        """One that was :meth:`stored`; of an earlier loaner's, which knew no issuer, nothing is taken on trust."""
        kind = stored.get("kind", "reported")
        return cls(stored["name"], kind, stored.get("issuer", ""), stored.get("version"))


def is_reserved(name: str) -> bool:
    """Would an agent of this name pass for loaner itself?"""
    return name.casefold().partition(" ")[0] == "loaner"


@dataclass(frozen=True)
class SuppliedTask:
    """What the host of a request signed that it is for; the call is bound to it. ``TaskTokens`` alone makes one."""

    id: str
    """Of its issuer and ``jti``."""
    issuer: str
    wanted: Mapping[str, Any]
    """As an agent would propose it."""
    issued: datetime
    ends: datetime
    agreed: bool
    """Its issuer speaks for the person, who is not asked."""


@dataclass(frozen=True)
class Caller:
    subject: Subject
    agent: Agent
    environment: str
    origin: str
    """Where the call came from, as loaner observed it: ``this computer (stdio, pid 4121)``."""
    display: str = ""
    """A name to show to this same person; nothing is decided by it."""
    task: SuppliedTask | None = field(default=None, compare=False)
    """What this one request is bound to; it is no part of who asks."""

    @property
    def key(self) -> str:
        """Names one (subject, agent, environment), for handles that belong to all three."""
        return hashlib.sha256(f"{self.subject.key}\x1f{self.agent.key}\x1f{self.environment}".encode()).hexdigest()


def local_subject() -> Subject:
    """The person at this computer, as the operating system knows them.

    Not from ``$USER`` where it can be helped: an agent may set the environment of what it starts.
    """
    if sys.platform == "win32":
        return Subject(LOCAL, getpass.getuser())
    import pwd

    try:
        return Subject(LOCAL, pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # a container may run under a number without a name
        return Subject(LOCAL, str(os.getuid()))


UnverifiedToken = NewType("UnverifiedToken", str)
"""An access token as it came in: nothing in it may be believed."""

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
        :class:`InsufficientScope`, and :class:`loaner.jwks.IssuerUnreachable` when the issuer's keys cannot be had.
        """
        try:
            return await self.read(token)
        except jwts.Rejected as failure:
            raise _refused(failure, self._identity.required_scope) from None

    async def read(self, token: UnverifiedToken) -> SignedClaims:
        """The same for an operator: raises :class:`loaner.jwts.Rejected`, which names the check and the setting."""
        if len(token) > jwts.MAX_TOKEN:  # not even to be hashed
            raise jwts.Rejected("form", "too long")
        name = fingerprint(token)
        if not jwts.is_jwt(token):
            if self._introspection is None:
                raise jwts.Rejected("form", "not a JWT", cure="introspection, if the issuer answers for opaque tokens")
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
        header = jwts.header_of(token)
        # An ID token or another JWT of the same issuer is not for us (RFC 9068 §4).
        algorithm = jwts.algorithm_of(header, algorithms=self._identity.algorithms, types=self.types)
        claims = jwts.verified(
            token,
            await self._keys.key(jwts.key_id_of(header), algorithm),
            algorithm,
            issuer=self._identity.issuer,
            require=("iss",),  # the rest is looked at below, in the order of `token_claims.CHECKS`
        )
        return self._believed(claims, name, own_type=jwts.type_of(header) == ACCESS_TYPE)

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
            raise jwts.Rejected("agent", f"act.iss is {jwts.shown(issuer)}", cure="actor_issuers")
        return Agent(_not_reserved(token_claims.name_in(actor, "sub", "agent")), "actor", issuer)


def _not_reserved(name: str) -> str:
    if is_reserved(name):
        raise jwts.Rejected("agent", f"the name {jwts.shown(name)} is reserved")
    return name


def _expired(since: float) -> jwts.Rejected:
    return jwts.Rejected("expired", f"since {datetime.fromtimestamp(since, UTC).isoformat()}")


def _refused(failure: jwts.Rejected, scope: str) -> LoanerError:
    """One answer for every forgery: which check failed is the log's business."""
    told = f"{failure.check}: {failure.found}" + (f"; see identity.{failure.cure}" if failure.cure else "")
    match failure.check:
        case "scope":
            return InsufficientScope(f"the access token lacks the scope {scope}.", log=told)
        case "expired":
            return NotAuthenticated("the access token has expired.", do="Sign in again.", log=told)
    return NotAuthenticated("the access token is not valid here.", do="Sign in again.", log=told)
