"""Behaviours that the providers' documents leave in doubt: loaner must work with each of them both ways.

Every field says which doubt it stands for. Defaults are the reading we hold the likeliest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields


@dataclass
class Switches:
    """One mutable set per sandbox; read by the providers at the moment they act."""

    github_token_ceiling: bool = False
    """GitHub allows ten tokens per user, application and scope set an hour and revokes the oldest. Its docs say so
    of OAuth Apps; whether it binds the tokens of GitHub Apps, scoped ones included, is not stated."""

    github_device_interval: int = 5
    """Seconds between polls. GitHub says 5; whether it may say another number is up to GitHub."""

    github_expired_token_word: str = "expired_token"  # noqa: S105 - an error code, not a secret
    """A device code past its time: RFC 8628 §3.5 says ``expired_token``; GitHub's table once calls it
    ``token_expired``."""

    github_hourly_limit: int = 5000
    """Requests an hour for one user or installation: 5,000, and 15,000 under GitHub Enterprise Cloud. Raise it for long
    runs."""

    github_stateless_installation_tokens: bool = True
    """Since 2026 installation tokens are ``ghs_<app id>_<JWT>`` of about 520 characters; the older form has 40."""

    github_unknown_target_status: int = 422
    """POST …/token/scoped for an account where the app is not installed: the OpenAPI lists 404 and 422 for the
    operation, and does not say which of them that is."""

    github_first_use_status: int = 0
    """Users report that a token's first use, milliseconds after its mint, may be answered 401, or 403 while its
    permissions are not known yet. 0: every token is known at once."""

    github_former_names_mint: bool = False
    """Whether POST …/token/scoped takes a repository by the name that it had before it was renamed; not documented."""

    github_incomplete_search: bool = False
    """A search that takes too long answers what it has, with ``incomplete_results: true``; perhaps no items."""

    github_sso_left_out: bool = False
    """Lists leave out organisations that want a single sign-on first, and say so in a header (``partial-results``)."""

    github_inline_bytes: int = 1_000_000
    """Bytes of a file that its JSON holds at most; beyond, ``encoding`` is ``none`` and ``content`` is empty."""

    github_largest_blob: int = 100_000_000
    """Bytes of a file that is given at all; beyond, 403 with the code ``too_large``."""

    github_installations: str = "acme"
    """Accounts where the app is installed, in the order of GET /user/installations: ``alice,acme,bigcorp``, or none."""

    github_suspended: str = ""
    """Those of them whose installation is suspended."""

    github_not_accepted: str = ""
    """Permissions of the app that an account has not accepted yet: ``bigcorp:issues,acme:checks``."""

    slack_rotation: bool = True
    """An app without token rotation gets tokens that never expire, and revoking one ends the authorization."""

    slack_scopes_accumulate: bool = False
    """Whether a second consent of the same person adds to the scopes of the first, and shares its two live tokens."""

    slack_granted_wider: bool = False
    """Whether a user token also carries ``identify``, which nobody asked for, as older copies of the docs show."""

    slack_user_access_shape: str = "both"
    """``flat``, ``nested`` or ``both``: oauth.v2.user.access has no published example, so where its token stands
    (at the top, or under ``authed_user`` as with oauth.v2.access) is open."""

    slack_refresh_grace_seconds: int = 0
    """How long a used refresh token still works. The docs speak of a short grace and give no number."""

    slack_public_app: bool = False
    """An app marked public by PKCE: no secret needed with a verifier, refresh tokens last 30 days."""

    slack_reads_accept_json: bool = False
    """Reading methods, and files.getUploadURLExternal, list only forms as their content type; whether JSON bodies
    are ignored there (as here) or read is not said."""

    slack_found_people_flat: bool = False
    """Whether a person that a search finds has ``user_id`` and ``full_name``, as its users show, or is a user object:
    assistant.search.context has no published example of one."""

    slack_tier_multiplier: int = 20
    """Slack writes "20+ per minute"; this stretches the number before the plus. 0 means no limit."""

    slack_posting_limit: bool = False
    """One message a second in a channel: the docs call it a rule that bursts may break."""

    linear_refresh_ends_access: bool = True
    """Refreshing answers a new pair; that the previous access token dies with it is not said in so many words."""

    linear_revoke_ends_authorization: bool = False
    """The docs call it revoking "a user's access": perhaps every token of that user for the app dies with the one."""

    linear_remembers_consent: bool = False
    """Without ``prompt=consent``, whether a person who allowed as much before is sent back without being asked."""

    linear_code_seconds: int = 600
    """How long an authorization code lives; not published."""

    linear_issues_create_updates: bool = False
    """Whether ``issues:create`` is enough for issueUpdate, as some users report; the docs name only creating."""

    linear_forbidden_status: int = 200
    """The HTTP status of an answer refused for want of a scope: GraphQL's 200, or 403 as its ``statusCode`` says."""

    linear_input_error_status: int = 200
    """The HTTP status when the whole answer is a user's error (not found, invalid input): 200, or 400 as
    its ``statusCode`` says."""

    linear_ratelimit_status: int = 400
    """The HTTP status of RATELIMITED: 400 in the newer copy of the docs, 200 in the older."""

    linear_requests_per_hour: int = 5000
    """Requests a user's OAuth tokens may make; an older copy of the docs says 1200."""

    linear_complexity_per_hour: int = 2_000_000
    """Points of complexity for them; an older copy says 200,000."""

    idp_https_redirects: bool = False
    """Whether a sign-in may lead back to another machine, by https: for a loaner behind a proxy with TLS. No document
    of a provider is in doubt here; the sandbox as a rule keeps to this machine."""

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def update(self, wanted: Mapping[str, object]) -> None:
        """Change the named switches, all or none.

        Raises:
            ValueError: for a name that is no switch, or a value of another type.
        """
        kinds = {each.name: type(getattr(self, each.name)) for each in fields(self)}
        for name, value in wanted.items():
            if name not in kinds:
                raise ValueError(f"no such switch: {name}")
            if type(value) is not kinds[name]:  # exact: True is no number here
                raise ValueError(f"switch {name} takes {kinds[name].__name__}")
        for name, value in wanted.items():
            setattr(self, name, value)
