"""Linear's way to say no: a GraphQL error whose ``extensions`` say what kind (linear.app/developers/graphql, "Errors";
the list of types is in the published SDK, ``packages/sdk/src/error.ts``)."""

from __future__ import annotations

from graphql import GraphQLError

PATH = "/graphql"


def refused(message: str, *, type: str, code: str, status: int, shown: str) -> GraphQLError:  # noqa: A002 - its name there
    """An error that the caller's own request brought about. ``shown`` is the text Linear means for people."""
    return GraphQLError(
        message,
        extensions={
            "type": type,
            "code": code,
            "statusCode": status,
            "userError": True,
            "userPresentableMessage": shown,
        },
    )


def unauthenticated() -> GraphQLError:
    return refused(
        "Authentication required, not authenticated",
        type="authentication error",
        code="AUTHENTICATION_ERROR",
        status=401,
        shown="You need to authenticate to access this operation.",
    )


def scope_missing(scope: str) -> GraphQLError:
    message = f"Invalid scope: `{scope}` required"
    return refused(message, type="forbidden", code="FORBIDDEN", status=403, shown=message)


def forbidden(shown: str) -> GraphQLError:
    return refused("Forbidden", type="forbidden", code="FORBIDDEN", status=403, shown=shown)


def rate_limited(shown: str) -> GraphQLError:
    return refused("Rate limit exceeded", type="ratelimited", code="RATELIMITED", status=400, shown=shown)


def invalid_input(shown: str, message: str = "Argument Validation Error") -> GraphQLError:
    return refused(message, type="invalid input", code="INPUT_ERROR", status=400, shown=shown)


def not_found(kind: str) -> GraphQLError:
    return invalid_input(f"Could not find referenced {kind}.", f"Entity not found: {kind}")


def not_emulated(what: str) -> GraphQLError:
    """The sandbox's own: it would rather say so than pretend."""
    return refused(
        f"The sandbox does not emulate {what}",
        type="feature not accessible",
        code="FEATURE_NOT_ACCESSIBLE",
        status=400,
        shown=f"{what} is not emulated.",
    )
