"""``loaner keys``: under which keys the store is sealed, and changing them while servers run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli._json import OBJECT

if TYPE_CHECKING:
    from collections import Counter

    from sqlalchemy import Connection

    from loaner.keys import FileKey
    from loaner.store import Store
    from loaner.store.rotation import Rotated

AsJson = Annotated[bool, typer.Option("--json", help=OBJECT)]

app = typer.Typer(help="The key that seals what is secret in the store.", no_args_is_help=True)


@app.command()
def show(as_json: AsJson = False) -> None:
    """List the keys, and how much is under each.

    By their ids.

    \b
    Examples:
      loaner keys show
    """
    import anyio

    primary, found = anyio.run(_show)
    if as_json:
        print(json.dumps({"seals": primary.hex(), "sealed": {key.hex(): many for key, many in found.items()}}))
        return
    for key, many in sorted({primary: 0, **found}.items(), key=lambda pair: pair[0] != primary):
        print(f"{key.hex()}  {many:6} sealed values{'  ← seals' if key == primary else ''}")


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Seal everything under a new key.

    Calls go on meanwhile. A key in loaner's own file is made anew. Where the settings name the key, they name the new
    one by now, and the one before it as `other_keys`; of a key in Vault a newer version is used.

    \b
    Examples:
      loaner keys rotate
    """
    import anyio

    rotated = anyio.run(_rotate)
    if as_json:
        print(json.dumps({"moved": rotated.moved, "unreadable": rotated.unreadable}))
        return
    print(f"✓ {rotated.moved} sealed or tagged values are under the new key")
    if rotated.unreadable:
        print(f"! {rotated.unreadable} open under no key that is here; they stay as they are")
    print("  the old key is not needed any more: `loaner keys retire`, or take it out of the settings")


@app.command()
def retire(as_json: AsJson = False) -> None:
    """Forget the old keys, for good.

    Those in loaner's own file. Refused while anything is sealed under them.

    \b
    Examples:
      loaner keys retire
    """
    import anyio

    many = anyio.run(_retire)
    if as_json:
        print(json.dumps({"retired": many}))
    else:
        print(f"✓ {many} old keys are gone" if many else "there is no old key")


async def _show() -> tuple[bytes, Counter[bytes]]:
    from loaner.cli._open import opened_store
    from loaner.keys import key_holder
    from loaner.settings import load
    from loaner.store import Sealed
    from loaner.store.rotation import counted

    settings = load()
    with opened_store(settings) as store:
        found = await store.read(counted)
        return Sealed(key_holder(settings, look=True)).key_id(), found


async def _rotate() -> Rotated:
    from loaner.store.rotation import rewrap

    async with _opened() as (store, file):
        if file:
            file.renew()
        return await rewrap(store)


async def _retire() -> int:
    from loaner.errors import UsageError
    from loaner.store.rotation import counted, tagged_before

    async with _opened() as (store, file):
        if file is None:
            raise UsageError("the settings name the key.", do="Take the old one out of `other_keys`.")

        def work(connection: Connection) -> int:
            # Within a write, so that no other one is under way.
            found = counted(connection)
            if needed := found.total() - found[store.sealed.key_id()] + tagged_before(connection):
                raise UsageError(
                    f"{needed} values are sealed or tagged under an old key.", do="Run: loaner keys rotate"
                )
            return file.retire()

        return await store.write(work)


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Store, FileKey | None]]:
    """The store, and the key where it is loaner's own file."""
    from loaner.keys import FileKey, key_holder
    from loaner.settings import load
    from loaner.settings.home import made
    from loaner.store import open_store

    settings = load()
    made(settings.home)
    holder = key_holder(settings)
    first = holder if isinstance(holder, FileKey) else getattr(holder, "holders", (holder,))[0]
    async with open_store(settings.store_url, holder) as store:
        yield store, first if isinstance(first, FileKey) else None
