"""Show how a stored run was made: weights, recipe, pictures, versions, device, date."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarking.cli.options import add_stores, add_weights, chosen_stores
from benchmarking.cli.output import add_output, check_output, deliver

NAME = "show"
HELP = "show how a stored run was made"
_LONGEST, _SHOWN = 500, 60  # characters of a value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "pattern", metavar="RUN", help="MODEL, SOURCE/MODEL, SOURCE/MODEL:RECIPE, or the run's file"
    )
    parser.add_argument("--images", metavar="NAME", help="the image set of the run")
    add_weights(parser, "'random' shows a run of 'predict --weights random'")
    add_output(parser, ".json")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print the known facts, one per line."""
    from dataclasses import asdict

    from benchmarking.io.printable import printable
    from benchmarking.predictions.selection import the_run

    check_output(args)
    store = chosen_stores(args)
    found = the_run(store, args.pattern, args.images)
    document = {"run": str(found), "file": str(store.path(found))}
    provenance = store.provenance(found)
    made = asdict(provenance)
    if not made["incidents"]:
        del made["incidents"]  # none happened; that is not the same as unknown
    lines = list(_lines({**document, **made}))
    width = max(len(name) for name, _ in lines)
    text = "\n".join(printable(f"{name:{width}}  {text}") for name, text in lines)

    def as_json() -> str:
        from benchmarking.reports.documents import as_json, named
        from benchmarking.reports.documents.show import ShowDocument

        return as_json(ShowDocument(named(found), document["file"], provenance))

    deliver(args, text, {".json": as_json})
    return 0


def _lines(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Names and values; nested values have both names, and missing values are "unknown"."""
    for name, value in document.items():
        title = before + (name.replace("_", " ") if name.isidentifier() else name)
        if isinstance(value, Mapping) and value:
            yield from _lines(value, f"{title}: ")
        else:
            yield title, "unknown" if value is None or value in ({}, "", ()) else _text(value)


def _text(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if isinstance(value, str) and len(text) > _LONGEST:  # such as a stratum for each picture
        return f"{text[:_SHOWN]}… ({len(text):,} characters; -o FILE.json has all)"
    return text
