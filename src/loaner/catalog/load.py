"""Reading ``connectors/``: everything is checked before anything is offered, and a refusal tells all that is wrong,
each with file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from loaner.catalog import instances, jobs, schema_file
from loaner.catalog.catalog import Catalog
from loaner.catalog.dead_ends import dead_ends
from loaner.catalog.definition import OperationDefinition, problems, unused
from loaner.catalog.faults import File, collected, refused
from loaner.catalog.instances import Likeness
from loaner.catalog.operation import Operation
from loaner.catalog.provider import Provider
from loaner.catalog.schema_file import SchemaFile
from loaner.catalog.toml_lines import Lines, Loc, read
from loaner.errors import ConnectorInvalid, Fault, SettingsInvalid

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

    def fault(self, cause: str, *loc: str) -> Fault:
        return Fault(f"{self.path}:{self.lines.of(loc)}", cause)


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
    tops = (folder or shipped(), *extra)
    providers, operations, files = _read_all(_homes(tops), bases, every_base=every_base)
    if strangers := sorted(set(bases or ()) - set(providers)):
        raise SettingsInvalid(
            f"hosts.{strangers[0]}: no provider is called {strangers[0]!r}.",
            do=f"Known: {', '.join(sorted(providers))}.",
        )
    for name, one in (more or {}).items():
        original, providers[name] = instances.added(name, one, providers)
        operations += [_operation(path, providers[name], one, original.title) for path in files[one.like]]
    instances.each_at_its_own([*(bases or ()), *(more or ())] if not every_base else (), providers)
    if faults := list(_together(operations)):
        raise refused(faults)
    tools = {placed.operation.tool for placed in operations}
    named = jobs.jobs(tops, tools, providers, more or {})
    return Catalog(providers, (placed.operation for placed in operations), jobs=named)


def check(home: Path) -> list[str]:
    """The tools of one provider's folder, read beside the shipped ones. Raises :class:`ConnectorInvalid` with all that
    is wrong in it."""
    providers, operations, _ = _read_all([*_homes([shipped()]), home], None, every_base=True)
    if faults := list(_together(operations)):
        raise refused(faults)
    return [one.operation.tool for one in operations if one.path.parent == home and home.name in providers]


_Files = dict[str, list[Path]]
_START = "Start one with: loaner provider new NAME"


def _homes(tops: Iterable[Path]) -> Iterator[Path]:
    for top in tops:
        if not top.is_dir():
            raise ConnectorInvalid("is not a folder of connectors.", where=f"{top}:1")
        yield from sorted(path for path in top.iterdir() if path.is_dir())


def _read_all(
    homes: Iterable[Path], bases: Mapping[str, Mapping[str, str]] | None, *, every_base: bool
) -> tuple[dict[str, Provider], list[_Placed], _Files]:
    providers: dict[str, Provider] = {}
    operations: list[_Placed] = []
    files: _Files = {}
    faults: list[Fault] = []
    for home in homes:
        with collected(faults):
            if (home / "provider.toml").is_file():
                providers.pop(home.name, None)  # one that is shipped gives way
                providers[home.name] = _provider(home, bases, every_base=every_base)
            elif home.name not in providers:
                faults.append(Fault(f"{home / 'provider.toml'}:1", "there is no provider.toml.", _START))
        paths = sorted(path for path in home.glob("*.toml") if path.name != "provider.toml")
        files.setdefault(home.name, []).extend(paths)
        for path in paths:
            with collected(faults):
                if home.name in providers:
                    operations.append(_operation(path, providers[home.name]))
                else:
                    _written(path, *read(path), None)  # for what is wrong in it besides
    if faults:
        raise refused(faults)
    return providers, operations, files


def _provider(home: Path, bases: Mapping[str, Mapping[str, str]] | None, *, every_base: bool) -> Provider:
    path = home / "provider.toml"
    data, lines = read(path)
    provider = _defined(path, {"name": home.name} | data, lines)
    if bases is None or (home.name not in bases and not every_base):
        return provider
    if home.name not in bases:
        raise ConnectorInvalid("its hosts are not replaced while others are.", where=f"{path}:{lines.of(('hosts',))}")
    return instances.elsewhere(provider, bases[home.name], setting=f"hosts.{home.name}")


def _defined(path: Path, data: dict[str, Any], lines: Lines) -> Provider:
    """What a provider's file says. Raises :class:`ConnectorInvalid` with all that is wrong in it."""
    file = File(path, data, lines, SchemaFile(shipped(), schema_file.PROVIDER))
    provider = file.read(Provider)
    file.must_be_good()
    assert provider is not None  # noqa: S101 - or there is a fault
    return provider


def _operation(path: Path, provider: Provider, likeness: Likeness | None = None, original: str = "") -> _Placed:
    data, lines = read(path)
    if likeness:
        data = likeness.of_operation(data, provider.name, original)
    written = _written(path, data, lines, provider)
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


def _written(path: Path, data: dict[str, Any], lines: Lines, provider: Provider | None) -> OperationDefinition:
    """What the file says, where nothing is wrong in it. Raises :class:`ConnectorInvalid` with all that is; without a
    provider, what shows without it."""
    file = File(path, _with_documents(data, path, lines), lines, SchemaFile(shipped(), schema_file.OPERATION))
    written = file.read(OperationDefinition)
    if written and provider and file.concerns(("effect",)):  # most of the rest hangs on that
        known = bool(file.faults)
        found = [*problems(written, provider), *(() if known else unused(written, provider))]
        for loc, cause in [(loc, cause) for loc, cause in found if file.concerns(loc)]:
            file.add(loc, f"{cause}.")
    file.must_be_good()
    assert written is not None  # noqa: S101 - or there is a fault
    return written


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


def _together(read_in: Sequence[_Placed]) -> Iterator[Fault]:
    """What only shows once all are read: two tools of one name, a tool named that does not read, a dead end."""
    reading = {placed.operation.tool for placed in read_in if placed.operation.effect == "read"}
    seen: set[str] = set()
    names = [(placed, placed.operation.tool, ()) for placed in read_in]
    aliases = [(placed, alias, ("aliases",)) for placed in read_in for alias in placed.operation.aliases]
    for placed, name, loc in names + aliases:
        if name in seen:
            yield placed.fault(f"there are two tools named {name!r}: rename one.", *loc)
        seen.add(name)
    for placed in read_in:
        for key, named in (("check", placed.operation.check), ("find", placed.operation.find)):
            if named and named not in reading:
                yield placed.fault(f"{key} names {named!r}, which is no tool that reads.", key)
    placed_at = {placed.operation.tool: placed for placed in read_in}
    for operation, name, cause in dead_ends({tool: placed.operation for tool, placed in placed_at.items()}):
        yield placed_at[operation.tool].fault(f"{cause}.", "params", name)
