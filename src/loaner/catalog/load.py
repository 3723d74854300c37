"""Reading ``connectors/``: everything is checked before anything is offered, and a refusal has file and line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from loaner.catalog import instances, jobs
from loaner.catalog.catalog import Catalog
from loaner.catalog.dead_ends import dead_ends
from loaner.catalog.definition import OperationDefinition, problems
from loaner.catalog.instances import Likeness
from loaner.catalog.operation import Operation
from loaner.catalog.provider import Provider
from loaner.catalog.step import Step
from loaner.catalog.toml_lines import Lines, Loc, read
from loaner.errors import ConnectorInvalid, SettingsInvalid

_CHECKOUT = Path(__file__).resolve().parents[3] / "connectors"


def shipped() -> Path:
    """The connectors that come with loaner: inside the package, or at the top of a checkout."""
    packaged = Path(str(files("loaner"))) / "connectors"
    return packaged if packaged.is_dir() else _CHECKOUT


@dataclass(frozen=True)
class _Placed:
    """An operation and where it was read."""

    operation: Operation
    path: Path
    lines: Lines

    def refused(self, cause: str, *loc: str) -> ConnectorInvalid:
        return ConnectorInvalid(cause, where=f"{self.path}:{self.lines.of(loc)}")


def load(
    folder: Path | None = None,
    *,
    bases: Mapping[str, Mapping[str, str]] | None = None,
    every_base: bool = True,
    extra: Sequence[Path] = (),
    more: Mapping[str, Likeness] | None = None,
) -> Catalog:
    """Read and check every connector in ``folder`` (those shipped, if not said) and in each of ``extra``.

    ``bases`` replaces hosts, by provider and host key: all of a provider, or none would be safe. With ``every_base``
    every provider needs them once one has them, so that beside a sandbox no call can reach a real host by an omission.
    ``more`` are further instances of providers that are read. Raises :class:`ConnectorInvalid` with ``file:line``, and
    :class:`SettingsInvalid` for hosts that no provider has.
    """
    providers: dict[str, Provider] = {}
    operations: list[_Placed] = []
    files: dict[str, list[Path]] = {}
    for top in (folder or shipped(), *extra):
        if not top.is_dir():
            raise ConnectorInvalid("is not a folder of connectors.", where=f"{top}:1")
        for home in sorted(path for path in top.iterdir() if path.is_dir()):
            if (home / "provider.toml").is_file():
                providers[home.name] = _provider(home, bases, every_base=every_base)
            if home.name not in providers:
                raise ConnectorInvalid("there is no provider.toml.", where=f"{home / 'provider.toml'}:1")
            paths = sorted(path for path in home.glob("*.toml") if path.name != "provider.toml")
            operations += [_operation(path, providers[home.name]) for path in paths]
            files.setdefault(home.name, []).extend(paths)
    if strangers := sorted(set(bases or ()) - set(providers)):
        raise SettingsInvalid(
            f"hosts.{strangers[0]}: no provider is called {strangers[0]!r}.",
            do=f"Known: {', '.join(sorted(providers))}.",
        )
    for name, one in (more or {}).items():
        original, providers[name] = instances.added(name, one, providers)
        operations += [_operation(path, providers[name], one, original.title) for path in files[one.like]]
    instances.each_at_its_own([*(bases or ()), *(more or ())] if not every_base else (), providers)
    _check_together(operations)
    tools = {placed.operation.tool for placed in operations}
    named = jobs.jobs((folder or shipped(), *extra), tools, providers, more or {})
    return Catalog(providers, (placed.operation for placed in operations), jobs=named)


def _provider(home: Path, bases: Mapping[str, Mapping[str, str]] | None, *, every_base: bool) -> Provider:
    path = home / "provider.toml"
    data, lines = read(path)
    provider = _validated(Provider, {"name": home.name} | data, path, lines)
    if bases is None or (home.name not in bases and not every_base):
        return provider
    if home.name not in bases:
        raise ConnectorInvalid("its hosts are not replaced while others are.", where=f"{path}:{lines.of(('hosts',))}")
    return instances.elsewhere(provider, bases[home.name], setting=f"hosts.{home.name}")


def _operation(path: Path, provider: Provider, likeness: Likeness | None = None, original: str = "") -> _Placed:
    data, lines = read(path)
    if likeness:
        data = likeness.of_operation(data, provider.name, original)
    written = _validated(OperationDefinition, _with_documents(data, path, lines), path, lines)
    for loc, cause in problems(written, provider):
        raise ConnectorInvalid(f"{cause}.", where=f"{path}:{lines.of(loc)}")
    operation = Operation(
        provider=provider,
        name=path.stem,
        summary=written.summary,
        effect=written.effect,
        idempotent=written.idempotent,
        overwrites=bool(written.overwrites),
        source=written.source,
        toolset=f"{provider.name}.{written.toolset}",
        default=written.default,
        aliases=tuple(f"{provider.name}_{alias}" for alias in written.aliases),
        wording=written.phrase,
        wording_any=written.phrase_any or written.phrase,
        check=written.check,
        find=written.find,
        params=written.all_params,
        rule=written.scope,
        steps=written.steps,
        result=written.result,
        page=written.page,
        refusals={int(status): told for status, told in written.refusals.items()},
    )
    return _Placed(operation, path, lines)


def _with_documents(data: dict[str, Any], path: Path, lines: Lines) -> dict[str, Any]:
    """Puts the text of each GraphQL document in the place of its file name."""

    def filled(step: Any, loc: Loc) -> Any:
        if not isinstance(step, dict) or not isinstance(step.get("graphql"), str):
            return step
        document = path.parent / step["graphql"]
        if document.name != step["graphql"] or not document.is_file():
            raise ConnectorInvalid(
                f"there is no document {step['graphql']!r} beside it.", where=f"{path}:{lines.of((*loc, 'graphql'))}"
            )
        return step | {"graphql": document.read_text(encoding="utf-8")}

    if "request" in data:
        data = data | {"request": filled(data["request"], ("request",))}
    if isinstance(data.get("step"), list):
        data = data | {"step": [filled(step, ("step", index)) for index, step in enumerate(data["step"])]}
    return data


_Model = TypeVar("_Model", bound=BaseModel)


def _validated(model: type[_Model], data: dict[str, Any], path: Path, lines: Lines) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        loc: Loc = tuple(first["loc"])
        where = f"{path}:{lines.of(loc)}"
        raise ConnectorInvalid(_told(first["type"], first["msg"], loc, model), where=where) from None


def _told(kind: str, message: str, loc: Loc, model: type[BaseModel]) -> str:
    dotted = ".".join(str(part) for part in loc)
    if kind == "missing":
        return f"{dotted} is missing."
    if kind == "extra_forbidden":
        known = [*model.model_fields, *Step.model_fields]
        close = difflib.get_close_matches(str(loc[-1]), known, n=1)
        return f"unknown key {dotted!r}" + (f", did you mean {close[0]!r}?" if close else ".")
    return f"{dotted}: {message.removeprefix('Value error, ')}."


def _check_together(read_in: Sequence[_Placed]) -> None:
    """What only shows once all are read: two tools of one name, a tool named that does not read, a dead end."""
    reading = {placed.operation.tool for placed in read_in if placed.operation.effect == "read"}
    seen: set[str] = set()
    names = [(placed, placed.operation.tool, ()) for placed in read_in]
    aliases = [(placed, alias, ("aliases",)) for placed in read_in for alias in placed.operation.aliases]
    for placed, name, loc in names + aliases:
        if name in seen:
            raise placed.refused(f"there are two tools named {name!r}.", *loc)
        seen.add(name)
    for placed in read_in:
        for key, named in (("check", placed.operation.check), ("find", placed.operation.find)):
            if named and named not in reading:
                raise placed.refused(f"{key} names {named!r}, which is no tool that reads.", key)
    placed_at = {placed.operation.tool: placed for placed in read_in}
    for operation, name, cause in dead_ends({tool: placed.operation for tool, placed in placed_at.items()}):
        raise placed_at[operation.tool].refused(f"{cause}.", "params", name)
