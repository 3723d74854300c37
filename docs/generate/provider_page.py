"""Writes ``docs/provider-format.md``, from the two schemas. ``./run docs`` runs it, after ``schemas.py``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from schemas import schemas

HEAD = """# The provider definition format

Written by `./run docs` from the models in `src/loaner/catalog`.

A provider is a folder with one `provider.toml` and one `<operation>.toml` for each tool; the tool is then
`<folder>_<operation>`. The shipped ones are in [`connectors/`](../connectors). Your own go into a folder that the
setting `extra_connectors` names: a new provider, or further operations of a shipped one.

```sh
loaner provider new acme         # a commented start: acme/provider.toml, acme/get_item.toml, and the schemas
loaner provider check acme       # everything that is wrong, each with line and cure; a file can be named too
loaner explain acme_get_item …   # what one call would send; sends nothing
```

Two JSON Schemas let an editor complete and check while you type (Even Better TOML in VS Code, Taplo elsewhere): a first
line `#:schema ../operation.schema.json` points a file to its schema. The loader checks more than a schema can say.

No code is needed while the provider authorizes in one of the ways below (device flow, or authorization code with PKCE
and form bodies), and takes a bearer token. Anything else is a new style, which is code.

There are no expressions. A dotted path (`data.viewer.id`) leads into a JSON answer: digits are places in a list, and
`.` is the whole. A pattern is a Python regular expression, and has to fit the whole text. `host-key:/path` is a path at
one of `[hosts]`.
"""


def page() -> str:
    """The whole page."""
    made = {name: json.loads(text) for name, text in schemas().items()}
    parts = [HEAD.rstrip()]
    told: set[str] = set()
    for name, title in (("provider", "provider.toml"), ("operation", "<operation>.toml")):
        schema = made[f"{name}.schema.json"]
        parts.append(f"\n## `{title}`\n\n" + _table(schema))
        for inner in _reached(schema, schema["definitions"]):
            if inner not in told:
                told.add(inner)
                one = schema["definitions"][inner]
                if one.get("properties"):
                    parts.append(
                        f'\n### <a id="{inner.lower()}"></a>{inner}\n\n{one.get("description", "")}\n\n{_table(one)}'
                    )
    return "\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


def _reached(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    """The tables within, in the order in which a reader meets them."""
    found: list[str] = []

    def look(one: Any) -> None:
        for name in _named(one):
            if name not in found:
                found.append(name)
                look(definitions[name])

    look({key: value for key, value in schema.items() if key != "definitions"})
    return found


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for one in value.values():
            yield from _named(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)


def _table(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, one in schema["properties"].items():
        default = "required" if key in required else _default(one)
        cells = (f"`{key}`", _type(one), default, one.get("description", ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _default(one: dict[str, Any]) -> str:
    default = one.get("default")
    return f"`{json.dumps(default, ensure_ascii=False)}`" if default not in (None, [], {}, "") else ""


def _type(one: dict[str, Any]) -> str:
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in one:
        return " or ".join(dict.fromkeys(_type(each) for each in one["anyOf"]))
    if "enum" in one or "const" in one:
        return ", ".join(f"`{json.dumps(each)}`" for each in one.get("enum", [one.get("const")]))
    if one.get("type") == "array":
        return f"list of {_type(one['items'])}" if one.get("items") else "list"
    if one.get("type") == "object":
        inner = one.get("additionalProperties")
        return f"table of {_type(inner)}" if isinstance(inner, dict) else "table"
    words = {"string": "text", "integer": "number", "number": "number", "boolean": "`true`, `false`"}
    return words.get(str(one.get("type")), "any value")


if __name__ == "__main__":
    print(page(), end="")
