"""A task that a host signed for this request: one name, one task scope, one person; agreed to once and over once."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Connection, select

from loaner.consent import requests
from loaner.consent.tasks import stored
from loaner.consent.tasks.scope import TaskScope
from loaner.consent.tasks.stored import Holder, Task
from loaner.errors import PolicyDenied
from loaner.identity.caller import Caller, HostTask
from loaner.store.restored import restored_at
from loaner.store.tables import tasks as rows


def id_of(supplied: HostTask, task_scope: TaskScope, caller: Caller) -> str:
    """Follows from the token, so that the same name with anything else in it is known for another task."""
    return hashlib.sha256(f"{supplied.id} {task_scope.need} {caller.key}".encode()).hexdigest()[:32]


def find(
    connection: Connection, supplied: HostTask, task_scope: TaskScope, caller: Caller, holder: Holder, at: datetime
) -> Task | None:
    """The running task that this token is, or ``None`` where nobody agreed to it yet.

    Raises :class:`PolicyDenied` where its name is another's, and where it is over: a token that is still valid does not
    bring back what a person ended, or what a restore of the store has forgotten.
    """
    mine = id_of(supplied, task_scope, caller)
    known = set(
        connection.execute(
            select(rows.c.id).where(rows.c.subject == holder.subject, rows.c.need == supplied.id)
        ).scalars()
    )
    asked = requests.newest(connection, caller.key, supplied.id)
    if known - {mine} or (asked is not None and asked.digest != task_scope.need):
        raise PolicyDenied("another task came under the same name (jti).", rule="task-token")
    running = next((one for one in stored.held(connection, holder, at) if one.id == mine), None)
    since = restored_at(connection)
    if since is not None and supplied.issued <= since:  # how much of it was used before is not known any more
        raise PolicyDenied(
            "the task that came with this call was signed before loaner's store was restored.",
            rule="task-ended",
            do="Its host has to send another.",
        )
    if known and running is None:
        raise PolicyDenied(
            "the task that came with this call is over.", rule="task-ended", do="Its host has to send another."
        )
    return running
