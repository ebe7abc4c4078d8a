"""Find out what changes a model's answers: batching, a step of its recipe, or the framework.

'batch' runs each model in batches of 1, 2, 8 and 32, in reverse order, in a fresh process and on
one thread, and compares all with one picture at a time. 'recipe' changes one part of a model's
published recipe after the other, and tells what each costs. 'frameworks' runs models that have the
same weights in PyTorch and Keras in both.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarking.cli._options import BAR, add_weights, positive

if TYPE_CHECKING:
    from benchmarking.audits import Model
    from benchmarking.image_sets import Picture
    from benchmarking.specs import ModelSpec

NAME = "audit"
HELP = "find out what changes a model's answers: batching, recipe, framework"
_SEED = 0
_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    audits = parser.add_subparsers(title="audits", metavar="AUDIT", required=True)

    def audit(name: str, run: Callable[[argparse.Namespace], int], what: str, limit: int) -> Any:
        found = audits.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        found.set_defaults(audit=run)
        if name == "recipe":
            found.add_argument("model", metavar="MODEL", help="as in 'predict --models'")
        add = found.add_argument
        add("pictures", metavar="PICTURES", help="a tar or folder of labelled pictures, or 'demo'")
        add(
            "--limit",
            type=positive,
            default=limit,
            metavar="N",
            help="pictures, evenly spread (default: %(default)s)",
        )
        add("--gpu", type=int, metavar="ID", help="number of the GPU (default: as in 'predict')")
        add("--workers", type=positive, default=2, metavar="N", help="threads that decode pictures")
        add("--weights-dir", type=Path, metavar="DIR", help="folder with the files of weights")
        add(
            "-o",
            "--output",
            type=Path,
            metavar="FILE",
            help="also write a .csv file, with --layers of the layers",
        )
        return found

    batch = audit("batch", _batch, "does batching change the answer?", 100)
    recipe = audit("recipe", _recipe, "what does each step of a model's recipe cost?", 500)
    frameworks = audit("frameworks", _frameworks, "do two frameworks say the same?", 500)
    for command in (batch, frameworks):
        command.add_argument(
            "--models", nargs="+", metavar="MODEL", help="as in 'predict' (default: all at hand)"
        )
    add_weights(batch, "'random' needs no files, and tries the machinery alone")
    recipe.add_argument(
        "--recipe-file",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="recipes of your own, .toml or .json, with the parts that differ from the published "
        "one: library, interpolation, resize, crop, scaling, resize_rounding, crop_rounding",
    )
    frameworks.add_argument(
        "--layers", action="store_true", help="say after which layer differences begin"
    )


def run(args: argparse.Namespace) -> int:
    """Run an audit; 1 if it finds that answers change."""
    status: int = args.audit(args)
    return status


def _batch(args: argparse.Namespace) -> int:
    from benchmarking.audits import batching
    from benchmarking.sources import framework_of

    specs, pictures = _ready(args), _pictures(args)
    headings = ["Platform", "Model", "Against batch 1", "Max |difference|", "Top-1", "Top-5", ""]
    lines, changed = [headings], []
    for spec in specs:
        tests = batching.tests(_model(args, spec), pictures, threads=1)
        answers = _answers(f"{spec.source}/{spec.name}", batching.answer, tests)
        reference, *others = answers
        for found in (batching.effect(reference, other) for other in others):
            verdict = "rounding" if found.is_noise else "CHANGES THE ANSWER"
            if not found.is_noise:
                changed.append((spec, found))
            lines.append(
                [
                    *(framework_of(spec).TITLE, spec.name, found.title),
                    *(f"{found.difference:.1e}", f"{len(found.top1)}", f"{len(found.top5)}"),
                    verdict,
                ]
            )
    _print(lines, left=3, about=f"{len(pictures)} pictures each")
    _write(args, lines)
    for spec, found in changed:
        keys = ", ".join(pictures[row].key for row in found.top1[:_SHOWN])
        if keys:
            print(f"{spec.name}, {found.title}: another first guess of {keys}")
    return 1 if changed else 0


def _recipe(args: argparse.Namespace) -> int:
    from benchmarking.audits import recipes

    args.models, args.weights = [args.model], "published"
    pictures = _pictures(args)
    written: list[list[str]] = []
    for spec in _ready(args):
        published = spec.recipes["published"]
        own = {
            path.stem: recipes.recipe_from(_document(path), published) for path in args.recipe_file
        }
        test = recipes.RecipeTest(
            _model(args, spec), tuple(pictures), {**recipes.variations(published), **own}
        )
        answers = _answers(f"{spec.source}/{spec.name}", recipes.answer, [test], len(test.recipes))
        lines = [["Recipe", "Acc@1", "Difference [95 % interval]", "p", "Other first guess"]]
        for harm in recipes.harms(test, answers):
            low, high = harm.interval
            cost = f"{100 * harm.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
            costs = [cost, f"{harm.p_value:.2g}", f"{100 * harm.flips / harm.n:.1f} %"]
            is_reference = harm.recipe == published
            lines.append(
                [harm.title, f"{100 * harm.acc1:.2f}", *([""] * 3 if is_reference else costs)]
            )
        about = f"{spec.source}/{spec.name}, {len(pictures)} pictures; published: {published}"
        _print(lines, left=1, about=about)
        written += [[f"{spec.source}/{spec.name}", *line] for line in lines[1:]]
    _write(args, [["Model", *lines[0]], *written])
    return 0


def _frameworks(args: argparse.Namespace) -> int:
    from benchmarking.audits import batching, twins
    from benchmarking.errors import BenchmarkError

    args.weights = "published"
    ready, pictures = _ready(args), _pictures(args)
    pairs = [pair for pair in twins.twins() if any(spec in ready for spec in pair)]
    if not pairs:
        raise BenchmarkError("none of these models has the same weights in two frameworks.")
    lines = [["Model", "Max |difference|", "Top-1", "Top-5"]]
    inside = [["Model", "Layer", "Max |difference|", "Max |value|"]]
    for pair in pairs:
        tests = [
            twins.TwinTest(_model(args, spec), tuple(pictures), 4 if args.layers else 0)
            for spec in pair
        ]
        answers = _answers(pair[0].name, twins.answer, tests, 1 + args.layers)
        said = [one for one in answers if not isinstance(one, twins.Layers)]
        found = batching.effect(*said)
        name = pair[0].name
        lines.append([name, f"{found.difference:.1e}", f"{len(found.top1)}", f"{len(found.top5)}"])
        layers = [one for one in answers if isinstance(one, twins.Layers)]
        if layers:
            inside += [
                [name, one.name, f"{one.difference:.1e}", f"{one.scale:.1e}"]
                for one in twins.layer_differences(*layers)
            ]
    _print(lines, left=1, about=f"PyTorch and Keras, {len(pictures)} pictures each")
    if args.layers:
        _print(inside, left=2, about="after each layer, of the first four pictures")
    _write(args, inside if args.layers else lines)
    return 0


def _ready(args: argparse.Namespace) -> list[ModelSpec]:
    from benchmarking.cli._models import chosen

    args.recipe = "published"
    specs, obstacles = chosen(args)
    for name, obstacle in obstacles.items() if args.models else ():
        print(f"left out: {name}: {obstacle}", file=sys.stderr)
    return specs


def _pictures(args: argparse.Namespace) -> Sequence[Picture]:
    from benchmarking.datasets import open_pictures
    from benchmarking.image_sets import spread

    return spread(open_pictures(args.pictures), args.limit)


def _model(args: argparse.Namespace, spec: ModelSpec) -> Model:
    from benchmarking.audits import Model

    seed = _SEED if args.weights == "random" else None
    return Model(spec.source, spec.name, args.gpu, args.workers, args.weights_dir, seed)


def _answers(
    title: str, function: Callable[[Any], Iterator[Any]], tests: Sequence[Any], each: int = 0
) -> list[Any]:
    """What processes of their own answer, one for each test, under a bar.

    Raises:
        BenchmarkError: one failed; what it wrote is shown.
    """
    from tqdm import tqdm

    from benchmarking.errors import BenchmarkError
    from benchmarking.executors import Failed, Piece, fresh_process

    found = []
    total = each * len(tests) or None
    with tqdm(desc=title, total=total, **BAR) as bar:
        for event in fresh_process.run(function, tests):
            if isinstance(event, Failed):
                raise BenchmarkError(f"{title}: {event.reason}\n{event.details}".rstrip())
            if isinstance(event, Piece):
                found.append(event.value)
                bar.update()
            else:
                bar.refresh()
    return found


def _document(path: Path) -> Mapping[str, Any]:
    """A recipe as a file has it.

    Raises:
        BenchmarkError: it cannot be read.
    """
    import json
    import tomllib

    from benchmarking.errors import BenchmarkError

    try:
        text = path.read_text("utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} is no readable .toml or .json file: {error}") from error
    if not isinstance(found, dict):
        raise BenchmarkError(f"{path} holds no names and values.")
    return found


def _print(lines: Sequence[Sequence[str]], left: int, about: str) -> None:
    from benchmarking.reports import aligned

    print(f"{about}\n{aligned(lines, left)}")


def _write(args: argparse.Namespace, lines: Sequence[Sequence[str]]) -> None:
    """Write a table, if that is asked for."""
    import io

    from benchmarking import files

    if args.output:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        files.write(args.output, text.getvalue().encode())
