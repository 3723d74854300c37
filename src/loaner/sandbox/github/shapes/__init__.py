"""GitHub's JSON, one function per schema of its OpenAPI description."""
