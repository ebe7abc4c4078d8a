"""Write the JSON Schemas of commands, and the lists of fields in json.md, from the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarking.reports.documents import Document, schema_of
from benchmarking.reports.documents.check import CheckDocument
from benchmarking.reports.documents.compare import CompareDocument
from benchmarking.reports.documents.doctor import DoctorDocument
from benchmarking.reports.documents.models import ModelsDocument
from benchmarking.reports.documents.show import ShowDocument
from benchmarking.reports.documents.speed import SpeedDocument
from benchmarking.reports.documents.table import TableDocument
from benchmarking.reports.documents.transfer import TransferDocument
from benchmarking.reports.documents.verify import VerifyDocument

KINDS: tuple[type[Document], ...] = (
    *(TableDocument, VerifyDocument, CompareDocument, ShowDocument, ModelsDocument),
    *(DoctorDocument, CheckDocument, SpeedDocument, TransferDocument),
)
ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "benchmarking" / "data" / "schemas"
PAGE = ROOT / "docs" / "json.md"
_OF_ALL = ("schema", "version", "made_by")
_LISTS = re.compile(r"(?<=<!-- fields -->\n).*(?=<!-- end of fields -->)", re.DOTALL)


def schemas() -> dict[str, str]:
    """The text of each schema, by the name of its file."""
    return {f"{kind.NAME}.json": json.dumps(schema_of(kind), indent=1) + "\n" for kind in KINDS}


def page() -> str:
    """The text of json.md, with new lists of fields."""
    told: set[str] = set()
    fields = "\n".join(line for kind in KINDS for line in _command(kind, told))
    return _LISTS.sub(lambda _: f"\n{fields}\n", PAGE.read_text())


def _command(kind: type[Document], told: set[str]) -> Iterator[str]:
    """The fields of a document, and of those parts that are not told yet."""
    schema = schema_of(kind)
    yield f"## {kind.NAME}\n\n{schema['description']}\n"
    yield from _table({n: f for n, f in schema["properties"].items() if n not in _OF_ALL})
    for name, part in schema["$defs"].items():
        if "properties" in part and name not in told:
            told.add(name)
            yield f"### {name}\n\n{part['description']}\n"
            yield from _table(part["properties"])


def _table(properties: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| Field | Type | Meaning |\n|---|---|---|"
    for name, field in properties.items():
        yield f"| `{name}` | {_type(field)} | {field['description'].replace('|', '&#124;')} |"
    yield ""


def _type(field: Mapping[str, Any]) -> str:
    """The type of a field in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return "text" if name == "Verdict" else name
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if "enum" in field:
        return "one of " + ", ".join(f'"{value}"' for value in field["enum"])
    kind = {"string": "text", "number": "number", "integer": "whole number"}.get(
        field.get("type", ""), field.get("type", "anything")
    )
    if kind == "array":
        if "prefixItems" in field:
            return f"two values ({_type(field['prefixItems'][0])})"
        return f"list of {_type(field['items'])}"
    if kind == "object" and field.get("additionalProperties"):
        return f"object with values: {_type(field['additionalProperties'])}"
    return {"boolean": "true or false"}.get(kind, kind)


if __name__ == "__main__":
    SCHEMAS.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (SCHEMAS / name).write_text(text)
    PAGE.write_text(page())
