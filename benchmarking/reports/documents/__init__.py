"""JSON documents of commands, one module each; their dataclasses are also their schemas.

A document begins with the name and the version of its schema, and with the version of this package.
Shares are numbers in [0, 1], and a value that does not exist is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from inspect import cleandoc
from math import isfinite
from typing import Any, ClassVar, Protocol

from benchmarking import __version__
from benchmarking.predictions.run import Run
from benchmarking.predictions.stored_run import place_of

_FIRST = {
    "schema": "name of the schema of this document",
    "version": "version of the schema; it changes if its fields change",
    "made_by": "name and version of the package that wrote the document",
}


class Document(Protocol):
    """The contents of a document, as a dataclass."""

    NAME: ClassVar[str]
    """Name of the command."""
    VERSION: ClassVar[int]
    """Version of the schema."""


@dataclass(frozen=True)
class RunName:
    """A stored run.

    Attributes:
        images: name of the image set.
        source: name of the model's source.
        model: name of the model within its source.
        recipe: name of the preprocessing.
        store: name of the run's store, or path of its file; null if only one store is read.
    """

    images: str
    source: str
    model: str
    recipe: str
    store: str | None


def named(run: Run) -> RunName:
    """The name of a run."""
    return RunName(run.images, run.source, run.model, run.recipe, place_of(run) or None)


def as_json(document: Document) -> str:
    """The text of a document; characters that are not ASCII are escaped."""
    return json.dumps(as_data(document), indent=1, allow_nan=False) + "\n"


def as_data(document: Document) -> dict[str, Any]:
    """A document as dicts, lists, numbers and text."""
    if not is_dataclass(document) or isinstance(document, type):
        raise TypeError(f"{document!r} is no document")
    header = {
        "schema": f"imagenet-benchmark/{document.NAME}",
        "version": document.VERSION,
        "made_by": f"imagenet-benchmarking {__version__}",
    }
    found: dict[str, Any] = _finite(header | asdict(document))
    return found


def schema_of(kind: type[Document]) -> dict[str, Any]:
    """The JSON Schema of a kind of document, with the descriptions of its docstrings."""
    import msgspec

    ((top,), parts) = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    parts = {name: _described(part) for name, part in parts.items()}
    body = parts.pop(top["$ref"].rpartition("/")[2])
    types: dict[str, dict[str, object]] = {
        "schema": {"const": f"imagenet-benchmark/{kind.NAME}"},
        "version": {"const": kind.VERSION},
        "made_by": {"type": "string"},
    }
    header = {name: {"description": _FIRST[name], **what} for name, what in types.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"imagenet-benchmark {kind.NAME}",
        **{key: value for key, value in body.items() if key != "title"},
        "properties": header | body["properties"],
        "required": [*header, *body["required"]],
        "$defs": parts,
    }


def _described(part: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a part, with descriptions, and closed: it has its fields and no others."""
    if "properties" not in part:
        return {key: value for key, value in part.items() if key != "description"}
    text = cleandoc(part["description"])
    about = dict(re.findall(r"^ {4}(\w+): ((?:.|\n {8})+)", text, re.MULTILINE))
    fields = {
        name: {"description": " ".join(about[name].split()).rstrip("."), **what}
        for name, what in part["properties"].items()
    }
    return {
        **part,
        "description": text.partition("\n")[0],
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _finite(value: Any) -> Any:
    """A value with null for each number that is not finite, since JSON has no other form."""
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
