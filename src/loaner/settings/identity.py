"""The issuer that vouches for people and agents, and where its tokens differ from RFC 9068.

Each difference is a word from a closed list that an operator writes; without it, the strict reading holds.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from loaner.settings import urls
from loaner.settings.references import Reference
from loaner.settings.sections import Issuer, _Section

ACCESS_TYPE: Final = "at+jwt"
ClientAuth = Literal["client_secret_basic", "client_secret_post"]
"""How a client's secret is sent (OpenID Connect Core 1.0 §9)."""


def _listed(written: Any) -> Any:
    """One word stands for a list of it."""
    return (written,) if isinstance(written, str) else written


def _as_types(written: Any) -> Any:
    """Media types have no case, and ``application/`` may be left out (RFC 7515 §4.1.9)."""
    words = _listed(written)
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        return words
    plain = [word.lower().removeprefix("application/") for word in words]
    return tuple("JWT" if word == "jwt" else word for word in plain)


TokenType = Literal["at+jwt", "JWT", "none"]
ScopeClaim = Literal["scope", "scp", "roles"]
AgentClaim = Literal["client_id", "azp", "appid", "cid"]
SubjectClaim = Literal["sub", "oid", "uid", "user_id"]
"""None of these may be given to another person later, as a name or a mail address may."""
OneOrMore = (BeforeValidator(_listed), Field(min_length=1))


class IntrospectionSettings(_Section):
    """The client that asks the issuer about tokens that are no JWT (RFC 7662)."""

    client_id: str
    """The id of that client."""
    client_secret: Reference
    """Where its secret is kept."""
    client_auth: ClientAuth | None = None
    """How the secret is sent; when not set, as the issuer's metadata offers."""
    endpoint: Annotated[str, AfterValidator(urls.must_be_private)] | None = None
    """Where to ask; ``introspection_endpoint`` of the issuer's metadata when not set."""


class IdentitySettings(_Section):
    """The OIDC issuer whose access tokens ``loaner serve --http`` accepts and where people sign in."""

    issuer: Issuer
    """The issuer, letter by letter as its tokens name it in ``iss``."""
    audience: str | None = None
    """What names this server in a token's ``aud``; the public URL of ``/mcp`` when not set. A URL may have a slash at
    its end. A token for others too is refused, unless ``other_audiences`` lists them all."""
    client_id: str = "loaner-web"
    """The client with which the consent pages sign people in (authorization code + PKCE)."""
    client_secret: Reference | None = None
    """Its secret, if it is registered as a confidential one."""
    client_auth: ClientAuth | None = None
    """How the secret is sent; when not set, as the issuer's metadata offers: ``client_secret_basic`` if it can be."""
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    """How its tokens may be signed."""
    required_scope: str = "tools"
    """The scope that an access token needs."""
    requested_scope: str | None = None
    """What clients are told to ask for, where the issuer's own name for it is longer: ``api://…/tools``."""
    other_audiences: tuple[str, ...] = ()
    """What may stand in ``aud`` beside ``audience``: services that are trusted not to replay a token here."""
    actor_issuers: tuple[str, ...] = ()
    """Issuers besides this one whose actors (``act.iss``, RFC 8693) its tokens may name."""
    token_types: Annotated[tuple[TokenType, ...], BeforeValidator(_as_types), Field(min_length=1)] = (ACCESS_TYPE,)
    """Which ``typ`` an access token may have; ``none``: no ``typ`` at all. What is no ``at+jwt`` must not look like an
    ID token."""
    scope_claim: Annotated[tuple[ScopeClaim, ...], *OneOrMore] = ("scope",)
    """The claim with the scopes, as a string or a list; of several names, the first that the token has. So below."""
    agent_claim: Annotated[tuple[AgentClaim, ...], *OneOrMore] = ("client_id", "azp")
    """The claim with the client that the token was issued to."""
    subject_claim: Annotated[tuple[SubjectClaim, ...], *OneOrMore] = ("sub",)
    """The claim that says who the person is, in an agent's access token."""
    page_subject_claim: Annotated[tuple[SubjectClaim, ...], *OneOrMore] = ("sub",)
    """The same in the ID token of the pages' sign-in. Both must give one value for one person."""
    account_claims: dict[str, str] = Field(default_factory=dict)
    """By provider, the claim of the pages' ID token that names the person's account there: a GitHub login, a Slack
    ``TEAM/USER``, a Linear user id. Another account is refused, and so is anybody whose token lacks the claim."""
    introspection: IntrospectionSettings | None = None
    """Without it, a token that is no JWT is refused."""

    @model_validator(mode="after")
    def _tell_id_tokens_apart(self) -> Self:
        """An ID token's ``aud`` is the client that it signs somebody in to (OpenID Connect Core 1.0 §2)."""
        if self.token_types != (ACCESS_TYPE,) and self.client_id in {self.audience, *self.other_audiences}:
            raise ValueError(
                "client_id must not be an audience of access tokens when token_types lists JWT or none: an ID token "
                "would look like an access token. Register the pages as a client of their own"
            )
        return self
