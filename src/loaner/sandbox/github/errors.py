"""GitHub's error answers.

Shape from GitHub docs "Troubleshooting the REST API": ``message``, ``documentation_url``, ``status`` as a string, and
``errors`` where validation failed.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

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
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        body: dict[str, object] = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        body |= {"documentation_url": DOCUMENTATION, "status": str(self.status)}
        return JSONResponse(body, status_code=self.status, headers=dict(self.headers))


def not_found() -> ApiError:
    """Also what somebody gets who may not know that the thing exists."""
    return ApiError(404, "Not Found")


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
