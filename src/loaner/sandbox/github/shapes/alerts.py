"""Code-scanning and secret-scanning alerts."""

from __future__ import annotations

from loaner.sandbox.github.alerts import CodeAlert, SecretAlert
from loaner.sandbox.github.shapes.basics import Json, Urls, stamp
from loaner.sandbox.github.state import Repository


def code_alert(urls: Urls, at: Repository, shown: CodeAlert) -> Json:
    """Schema ``code-scanning-alert-items``."""
    here = f"{urls.repo(at)}/code-scanning/alerts/{shown.number}"
    page = f"{urls.repo_page(at)}/security/code-scanning/{shown.number}"
    return {
        "number": shown.number,
        "created_at": stamp(shown.at),
        "updated_at": stamp(shown.at),
        "url": here,
        "html_url": page,
        "instances_url": f"{here}/instances",
        "state": shown.state,
        "fixed_at": stamp(shown.at) if shown.state == "fixed" else None,
        "dismissed_by": None,
        "dismissed_at": None,
        "dismissed_reason": None,
        "dismissed_comment": None,
        "rule": _rule(shown),
        "tool": {"name": shown.tool, "guid": None, "version": "2.20.0"},
        "most_recent_instance": {
            "ref": f"refs/heads/{at.default_branch}",
            "analysis_key": ".github/workflows/codeql.yml:analyze",
            "environment": "{}",
            "category": "/language:python",
            "state": shown.state,
            "commit_sha": at.git.branches[at.default_branch],
            "message": {"text": shown.message},
            "location": {
                "path": shown.path,
                "start_line": shown.line,
                "end_line": shown.line,
                "start_column": 1,
                "end_column": 20,
            },
            "classifications": [],
        },
    }


def whole_code_alert(urls: Urls, at: Repository, shown: CodeAlert) -> Json:
    """Schema ``code-scanning-alert``: its rule says more."""
    more = {
        "full_description": f"{shown.description}, which lets others change what it does.",
        "help": f"# {shown.description}\n\nUse parameters.",
        "help_uri": f"{urls.web}/codeql/{shown.rule}",
    }
    return code_alert(urls, at, shown) | {"rule": _rule(shown) | more}


def _rule(shown: CodeAlert) -> Json:
    return {
        "id": shown.rule,
        "severity": "warning",
        "security_severity_level": shown.severity,
        "name": shown.rule,
        "description": shown.description,
        "tags": ["security"],
    }


def secret_alert(urls: Urls, at: Repository, shown: SecretAlert, *, hidden: bool) -> Json:
    """Schema ``secret-scanning-alert``; ``hidden`` leaves the literal secret out."""
    here = f"{urls.repo(at)}/secret-scanning/alerts/{shown.number}"
    body: Json = {
        "number": shown.number,
        "created_at": stamp(shown.at),
        "updated_at": stamp(shown.at),
        "url": here,
        "html_url": f"{urls.repo_page(at)}/security/secret-scanning/{shown.number}",
        "locations_url": f"{here}/locations",
        "state": shown.state,
        "resolution": shown.resolution,
        "resolved_at": stamp(shown.at) if shown.resolution else None,
        "resolved_by": None,
        "resolution_comment": None,
        "secret_type": shown.kind,
        "secret_type_display_name": shown.shown_kind,
        "push_protection_bypassed": False,
        "push_protection_bypassed_by": None,
        "push_protection_bypassed_at": None,
        "validity": shown.validity,
        "publicly_leaked": shown.publicly_leaked,
        "multi_repo": False,
        "first_location_detected": _details(urls, at, shown),
        "has_more_locations": False,
    }
    return body if hidden else body | {"secret": shown.secret}


def location(urls: Urls, at: Repository, shown: SecretAlert) -> Json:
    """Schema ``secret-scanning-location``."""
    return {"type": "commit", "details": _details(urls, at, shown)}


def _details(urls: Urls, at: Repository, shown: SecretAlert) -> Json:
    """Schema ``secret-scanning-location-commit``."""
    tip = at.git.commits[at.git.branches[at.default_branch]]
    blob, here = tip.files.get(shown.path, tip.tree), urls.repo(at)
    return {
        "path": shown.path,
        "start_line": shown.line,
        "end_line": shown.line,
        "start_column": 1,
        "end_column": 20,
        "blob_sha": blob,
        "blob_url": f"{here}/git/blobs/{blob}",
        "commit_sha": tip.sha,
        "commit_url": f"{here}/git/commits/{tip.sha}",
        "html_url": f"{urls.repo_page(at)}/blob/{tip.sha}/{shown.path}#L{shown.line}",
    }
