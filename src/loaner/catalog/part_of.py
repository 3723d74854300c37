"""What a resource is a part of, where its own name says so: issue ENG-12 is one of team ENG."""

from __future__ import annotations

import re

from pydantic import field_validator

from loaner.catalog.base import Definition


class PartOf(Definition):
    """A name of a resource that says what it is a part of."""

    pattern: str
    """Of the resource; its one group is the name of the wider one."""
    kind: str
    """Kind of the wider resource."""

    @field_validator("pattern")
    @classmethod
    def _has_one_group(cls, pattern: str) -> str:
        if re.compile(pattern).groups != 1:
            raise ValueError("one group, for the wider resource's name")
        return pattern
