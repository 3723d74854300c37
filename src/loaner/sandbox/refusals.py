"""Refusals that come from a provider's rules and not from the request: what each of them looks like.

GitHub docs, "Troubleshooting the REST API", "Rate limits for the REST API", "Authenticating to the REST API", and for
the texts the reports of users. Slack: the "Errors" table of each method's page. Linear: the types of the published
SDK's ``error.ts``. A test has one happen as the fault ``refused:<name>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_DOCS = "https://docs.github.com"


@dataclass(frozen=True)
class Refused:
    status: int
    message: str
    page: str = f"{_DOCS}/rest"
    """The ``documentation_url``."""
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Mapping[str, str], ...] = ()


_CORRECT = "Although you appear to have the correct authorization credentials, the `acme` organization has"

GITHUB: dict[str, Refused] = {
    "saml": Refused(
        403,
        "Resource protected by organization SAML enforcement. You must grant your OAuth token access to it.",
        f"{_DOCS}/articles/authenticating-to-a-github-organization-with-saml-single-sign-on/",
        {"X-GitHub-SSO": "required; url=https://elsewhere.example/orgs/acme/sso?authorization_request=AZSC"},
    ),
    "ip_list": Refused(
        403,
        f"{_CORRECT} an IP allow list enabled, and your IP address is not permitted to access this resource.",
    ),
    "suspended": Refused(
        403,
        "This installation has been suspended",
        f"{_DOCS}/rest/reference/apps#create-an-installation-access-token-for-an-app",
    ),
    "restricted": Refused(
        403,
        f"{_CORRECT} enabled OAuth App access restrictions, meaning that data access to third-parties is limited.",
        f"{_DOCS}/articles/restricting-access-to-your-organization-s-data/",
    ),
    "archived": Refused(403, "Repository was archived so is read-only."),
    "too_large": Refused(
        403,
        "This API returns blobs up to 100 MB in size. The requested blob is too large to fetch via the API.",
        f"{_DOCS}/rest/repos/contents#get-repository-content",
        errors=({"resource": "Blob", "field": "data", "code": "too_large"},),
    ),
    "protected": Refused(
        403,
        f"You're not authorized to push to this branch. Visit {_DOCS}/articles/about-protected-branches/ for more.",
        f"{_DOCS}/articles/about-protected-branches",
    ),
    "workflow": Refused(
        403,
        "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` "
        "permission",
    ),
    "locked": Refused(403, "Unable to create comment because issue is locked."),
    "managed": Refused(403, "Unauthorized: As an Enterprise Managed User, you cannot access this content"),
    "account_suspended": Refused(403, "Sorry. Your account was suspended."),
    "blocked": Refused(451, "Repository access blocked"),
    "blocked_here": Refused(403, "Repository access blocked"),
    "legal": Refused(451, "Not here"),
    "new": Refused(403, "A reason of next year", f"{_DOCS}/rest/next#year"),
    "secondary": Refused(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        f"{_DOCS}/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits",
    ),
    "secondary_without_page": Refused(403, "You have exceeded a secondary rate limit.\nPlease wait."),
    "abuse": Refused(403, "Slow down", "https://developer.github.com/v3/#abuse-rate-limits"),
    "conflict": Refused(409, "Repository rule violations found\n\nChanges must be made through a pull request.\n\n"),
}

SLACK = (
    "account_inactive",
    "invalid_form_data",
    "is_archived",
    "message_limit_exceeded",
    "not_in_channel",
    "restricted_action_read_only_channel",
    "team_not_found",
    "word_of_next_year",
)

LINEAR: dict[str, tuple[str, str, str]] = {
    "document": ("graphql error", "GRAPHQL_VALIDATION_FAILED", 'Cannot query field "title" on type "Issue".'),
    "plan": ("usage limit exceeded", "USAGE_LIMIT_EXCEEDED", "Usage limit exceeded"),
    "complex": ("invalid input", "INPUT_ERROR", "Query too complex"),
    "uuid": ("invalid input", "INVALID_INPUT", "assigneeId must be a UUID"),
    "new": ("of next year", "WORD_OF_NEXT_YEAR", "Something else"),
}
"""Type, code and message of an error."""
