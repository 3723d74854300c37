"""What loaner can do at which provider, read from ``connectors/`` and checked before anything is offered."""

from __future__ import annotations

from loaner.catalog.catalog import Catalog
from loaner.catalog.instances import Likeness
from loaner.catalog.load import load, shipped
from loaner.catalog.operation import BoundCall, Operation, PlannedRequest
from loaner.catalog.params import Param
from loaner.catalog.provider import Provider

__all__ = ["BoundCall", "Catalog", "Likeness", "Operation", "Param", "PlannedRequest", "Provider", "load", "shipped"]
