"""GitHub, emulated: the device and web flows, scoped and installation tokens, and the REST API over a real state."""

from __future__ import annotations

from loaner.sandbox.github.app import create_app

__all__ = ["create_app"]
