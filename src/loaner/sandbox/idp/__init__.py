"""A small OpenID provider: people sign in to loaner with it, and agents get access tokens from it."""

from __future__ import annotations

from loaner.sandbox.idp.app import create_app, root_routes

__all__ = ["create_app", "root_routes"]
