"""What belongs to an organisation: its new repositories.

GitHub docs, REST API "Create an organization repository": ``administration: write``; a name is taken in any case.
"""

from __future__ import annotations

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import validation_failed
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import repositories as shapes
from loaner.sandbox.github.state import Repository


@operation("POST /orgs/{org}/repos", status=201)
def create_repository(call: Call) -> Answer:
    world, owner, name = call.hub.world, call.organization, call.required("name")
    description, private, begins = call.text("description"), call.flag("private"), call.flag("auto_init")
    if world.find(f"{owner.login}/{name}"):
        raise validation_failed("Repository", "name", "custom", "name already exists on this account")
    made = Repository(world.next_id(), name, owner, {call.actor.login: "admin"}, call.hub.now(), public=not private)
    made.description = description or ""
    if begins:
        readme = made.git.add_blob(f"# {name}\n".encode())
        first = made.git.commit({"README.md": readme}, "Initial commit", call.signature())
        made.git.branches[made.default_branch] = first.sha
    world.repositories[made.id] = made
    shown = shapes.full_repository(call.urls, made, "admin")
    return Answer(shown, status=201, headers={"location": str(shown["url"])})
