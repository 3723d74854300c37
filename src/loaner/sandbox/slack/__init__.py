"""Slack as its documentation describes it: consent, rotating user tokens, and the Web API on real state."""

from __future__ import annotations

from loaner.sandbox.slack.app import create_app

__all__ = ["create_app"]
