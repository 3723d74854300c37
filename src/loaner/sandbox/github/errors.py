"""GitHub's error answers.

Shape from GitHub docs "Troubleshooting the REST API": ``message``, ``documentation_url``, ``status`` as a string, and
``errors`` where validation failed.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from loaner.sandbox.refusals import GITHUB

CONFLICT = 409
DOCUMENTATION = "https://docs.github.com/rest"


class ApiError(Exception):
    """An answer other than success, raised from wherever it is noticed."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: list[dict[str, object]] | None = None,
        headers: Mapping[str, str] | None = None,
        page: str = DOCUMENTATION,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}
        self.page = page

    def response(self) -> JSONResponse:
        body: dict[str, object] = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        body |= {"documentation_url": self.page, "status": str(self.status)}
        return JSONResponse(body, status_code=self.status, headers=dict(self.headers))


def refused(name: str) -> ApiError:
    """A refusal by name, out of :mod:`loaner.sandbox.refusals`."""
    one = GITHUB[name]
    errors: list[dict[str, object]] = [dict(each) for each in one.errors]
    return ApiError(one.status, one.message, errors=errors or None, headers=one.headers, page=one.page)


def moved(to: str) -> ApiError:
    """The repository has another name now; the address that is given goes by its id."""
    return ApiError(301, "Moved Permanently", headers={"location": to})


def not_found() -> ApiError:
    """Also what somebody gets who may not know that the thing exists."""
    return ApiError(404, "Not Found")


def empty(status: int = 409) -> ApiError:
    """A repository without any commit: 409 for what git knows, 404 for its contents."""
    return ApiError(status, "Git Repository is empty." if status == CONFLICT else "This repository is empty.")


def bad_credentials() -> ApiError:
    return ApiError(401, "Bad credentials")


def not_accessible() -> ApiError:
    """The token holds too few permissions."""
    return ApiError(403, "Resource not accessible by integration")


def invalid_request(problem: str) -> ApiError:
    """A body that does not fit the operation's schema."""
    return ApiError(422, f"Invalid request.\n\n{problem}")


def validation_failed(resource: str, field: str, code: str, message: str = "") -> ApiError:
    """``code`` is one of missing, missing_field, invalid, already_exists, unprocessable, custom."""
    error: dict[str, object] = {"resource": resource, "field": field, "code": code}
    return ApiError(422, "Validation Failed", errors=[error | ({"message": message} if message else {})])
