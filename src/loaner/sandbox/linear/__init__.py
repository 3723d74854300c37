"""Linear as its documentation describes it: consent, rotating tokens, and GraphQL over a real workspace."""

from __future__ import annotations

from loaner.sandbox.linear.app import create_app

__all__ = ["create_app"]
