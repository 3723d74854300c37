"""What was checked of a commit: check runs (``checks: read``) and statuses (``statuses: read``).

GitHub docs, REST API "Check runs" and "Commit statuses".
"""

from __future__ import annotations

from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import ApiError
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import checks as shapes
from loaner.sandbox.github.shapes.basics import Json

_OVER = "completed"
"""The status of every check run here."""


@operation("GET /repos/{owner}/{repo}/commits/{ref}/check-runs")
def list_check_runs(call: Call) -> Json:
    sha = _sha(call)
    name, status = call.query.get("check_name"), call.query.get("status", _OVER)
    found = [each for each in call.repo.checks.get(sha, []) if name in (None, each.name) and status == _OVER]
    shown = [shapes.check_run(call.urls, call.repo, sha, each) for each in call.page(found)]
    return {"total_count": len(found), "check_runs": shown}


@operation("GET /repos/{owner}/{repo}/commits/{ref}/status")
def get_combined_status(call: Call) -> Json:
    sha = _sha(call)
    found = call.repo.statuses.get(sha, [])
    return shapes.combined_status(call.urls, call.repo, sha, call.page(found), len(found))


def _sha(call: Call) -> str:
    found = call.repo.git.resolve(call.params["ref"])
    if found is None:
        raise ApiError(422, f"No commit found for SHA: {call.params['ref']}")
    return found.sha
