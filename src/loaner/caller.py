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

from loaner import jwts
from loaner.characters import hides
from loaner.clock import Now
from loaner.errors import NotAuthenticated
from loaner.jwks import IssuerKeys
from loaner.secret import fingerprint
from loaner.settings import IdentitySettings

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

_MAX_NAME: Final = 255
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
    """Checks JWT access tokens (RFC 9068 §4) of one issuer for one audience, as RFC 8725 advises.

    Conclusions are remembered by the token's hash while the token and the key set it was checked against last.
    """

    def __init__(self, identity: IdentitySettings, *, audience: str, keys: IssuerKeys, now: Now) -> None:
        self._identity = identity
        self._audience = audience
        self._keys = keys
        self._now = now
        self._known: OrderedDict[str, tuple[int, SignedClaims]] = OrderedDict()

    async def check(self, token: UnverifiedToken) -> SignedClaims:
        """Believe the token or refuse it.

        Raises :class:`NotAuthenticated`, whose cause may be told to whoever sent the token, and
        :class:`loaner.jwks.IssuerUnreachable` when the issuer's keys cannot be had.
        """
        if len(token) > jwts.MAX_TOKEN:  # not even to be hashed
            raise _refused("too long")
        name = fingerprint(token)
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
            raise NotAuthenticated("the access token has expired.", do="Sign in again.", log="exp")
        return claims

    async def _verify(self, token: UnverifiedToken, name: str) -> SignedClaims:
        try:
            header = jwts.header_of(token)
            # An ID token or another JWT of the same issuer is not for us (RFC 9068 §4).
            algorithm = jwts.algorithm_of(header, algorithms=self._identity.algorithms, types=("at+jwt",))
            claims = jwts.verified(
                token,
                await self._keys.key(jwts.key_id_of(header), algorithm),
                algorithm,
                issuer=self._identity.issuer,
                audience=self._audience,
                require=("iss", "aud", "sub", "exp", "iat"),
            )
        except jwts.Rejected as failure:
            raise _refused(str(failure)) from None
        return self._believed(claims, name)

    def _agent(self, claims: dict[str, Any]) -> Agent:
        """Who acts: the current actor (RFC 8693 §4.1), else the client the token was issued to (RFC 9068 §2.2).

        ``sub`` and ``iss`` together name an actor. This issuer vouches for its own; for another's, where settings say.
        """
        ours = claims["iss"]
        if "act" not in claims:
            return Agent(agent_name(claims.get("client_id", claims.get("azp")), "client_id"), "client", ours)
        actor = claims["act"]
        issuer = actor.get("iss", ours) if isinstance(actor, dict) else None
        if issuer != ours and issuer not in self._identity.actor_issuers:
            raise _refused("act.iss")
        return Agent(agent_name(actor.get("sub"), "act"), "actor", issuer)

    def _believed(self, claims: dict[str, Any], name: str) -> SignedClaims:
        now = self._now().timestamp()
        issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
        if (
            issued > now + jwts.SKEW
            or issued > expires
            or ("nbf" in claims and _moment(claims, "nbf") > now + jwts.SKEW)
        ):
            raise _refused("not yet valid")
        if not isinstance(claims["iss"], str):  # PyJWT compares, this narrows
            raise _refused("iss")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if {*audiences} - {self._audience, *self._identity.other_audiences}:
            raise _refused("aud: for others too")  # who could replay it here
        scope = claims.get("scope", "")
        display = claims.get("preferred_username")
        return SignedClaims(
            subject=Subject(claims["iss"], _name(claims["sub"], "sub")),
            agent=self._agent(claims),
            scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
            expires_at=datetime.fromtimestamp(expires, UTC),
            display=display if isinstance(display, str) and not hides(display) else "",
            fingerprint=name,
        )


def _moment(claims: dict[str, Any], name: str) -> int:
    value: object = claims[name]
    if not jwts.is_instant(value):
        raise _refused(name)
    return value


def _name(value: object, claim: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_NAME or hides(value):
        raise _refused(claim)
    return value


def agent_name(value: object, claim: str) -> str:
    """A name that an agent may have. Raises :class:`NotAuthenticated`."""
    name = _name(value, claim)
    if is_reserved(name):
        raise _refused(f"{claim}: reserved")
    return name


def _refused(reason: str) -> NotAuthenticated:
    """One answer for every forgery: which check failed is the log's business."""
    return NotAuthenticated("the access token is not valid here.", do="Sign in again.", log=reason)
