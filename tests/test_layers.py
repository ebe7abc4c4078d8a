"""Which room may import which, and what light commands must never load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import benchmarking

ROOT = Path(benchmarking.__file__).parent

ROOMS = (
    *("errors", "plugins", "io", "labels", "pictures", "models", "predictions"),
    *("scoring", "inference", "reports", "experiments", "cli"),
)
"""A room may import those before it, and itself; scoring and inference never meet."""
APART = {"inference": {"scoring"}}
"""Earlier rooms that a room may not import nevertheless."""

FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "jax", "timm", "onnx", "onnxruntime"}
FRAMEWORKS |= {"ray"}
HEAVY = FRAMEWORKS | {
    *("pandas", "scipy", "PIL", "cv2", "tqdm", "altair", "pyarrow", "requests", "fsspec"),
    *("vl_convert", "jinja2"),
    *("statsmodels", "sklearn", "foolbox", "efficientnet_lite_pytorch", "msgspec", "IPython"),
}
# The only room that may use a library.
USERS = {
    "PIL": {"pictures"},
    "cv2": {"pictures"},
    "fsspec": {"io"},
    "requests": {"io"},
    "safetensors": {"models", "predictions"},  # checkpoints, and stored runs
}
LIGHT = (
    "scoring",
    "reports/cells",
    "reports/grid",
    "reports/records",
    "reports/formats",
    "reports/figures",
    "cli/commands/table",
)
"""Modules that never import a framework, pandas, SciPy or Pillow, not even in a function."""

Graph = Mapping[str, set[str]]


@cache
def modules_of(root: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name within the package; "" is its __init__."""
    names = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


@cache
def imports(path: Path, *, everywhere: bool) -> set[str]:
    """Names that a file imports: anywhere, or only when it is imported itself."""
    lazy = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found, waiting = set(), list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif isinstance(node, ast.Attribute):
            found.add(dotted(node))  # such as package.name, after "import package"
        for_types_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if everywhere or not (isinstance(node, lazy) or for_types_only):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def dotted(node: ast.expr) -> str:
    """`a.b.c` as it is written; "" for the attribute of anything else, such as of a call."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@cache
def graph_of(root: Path, *, everywhere: bool) -> Graph:
    """The imports of each module of a package: modules of the package, and other libraries.

    A name from the package's own __init__ counts as its source module, which is imported when the
    name is used; only the version is exempt.
    """
    modules = modules_of(root)
    lazily = exports(modules[""]) if "" in modules else {}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imports(path, everywhere=everywhere):
            first, _, rest = name.partition(".")
            if first != root.name:
                graph[module].add(f"library {first}")
            elif rest in modules:
                graph[module] |= {rest} - {""}
            elif rest in lazily:
                graph[module].add(lazily[rest])
            elif rest.rpartition(".")[0] in modules:
                graph[module] |= {rest.rpartition(".")[0]} - {""}
    return graph


def exports(init: Path) -> dict[str, str]:
    """The module of each name that a package's __init__ imports lazily."""
    for node in ast.parse(init.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PLACES":
            return dict(ast.literal_eval(node.value))
    return {}


def reached(graph: Graph, module: str) -> Iterator[list[str]]:
    """The import path to each module and library that a module reaches, directly or not."""
    seen, waiting = {module}, [[module]]
    while waiting:
        way = waiting.pop(0)
        for following in sorted(graph.get(way[-1], ())):
            if following not in seen:
                seen.add(following)
                waiting.append([*way, following])
                yield waiting[-1]


def room_of(module: str) -> str:
    return module.partition(".")[0]


def violations(root: Path, rooms: tuple[str, ...], apart: Mapping[str, set[str]]) -> list[str]:
    """Import paths of any length from a module to a room that its own room may not import."""
    graph = graph_of(root, everywhere=True)
    found = []
    for module in graph:
        room = room_of(module)
        if room in ("", "__main__"):
            continue
        allowed = set(rooms[: rooms.index(room) + 1]) - apart.get(room, set())
        for way in reached(graph, module):
            if not way[-1].startswith("library ") and room_of(way[-1]) not in allowed:
                found.append(" -> ".join(way))
    return found


def test_every_module_has_a_room():
    rooms = {room_of(module) for module in modules_of(ROOT)} - {"", "__main__"}
    assert rooms == set(ROOMS)


def test_a_room_reaches_only_those_before_it():
    assert violations(ROOT, ROOMS, APART) == []


def plant(root: Path, **modules: str) -> Path:
    package = root / "planted"
    for name, text in modules.items():
        path = package / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    (package / "__init__.py").write_text("_PLACES = {'predict': 'inference.plan'}\n")
    return package


def test_a_violation_through_a_third_module_is_seen(tmp_path):
    """Each import by itself is allowed; the path from scoring to inference is not."""
    package = plant(
        tmp_path,
        scoring__table="from planted.reports import cells",
        reports__cells="def f():\n    from planted.inference import plan",
        inference__plan="",
    )
    rooms = ("reports", "scoring", "inference")
    assert "scoring.table -> reports.cells -> inference.plan" in violations(package, rooms, {})


def test_a_violation_through_the_public_names_is_seen(tmp_path):
    package = plant(tmp_path, scoring__table="from planted import predict", inference__plan="")
    assert violations(package, ("scoring", "inference"), {}) == ["scoring.table -> inference.plan"]


def test_a_violation_through_an_attribute_of_the_package_is_seen(tmp_path):
    text = "import planted\ndef f():\n    return planted.predict()"
    package = plant(tmp_path, scoring__table=text, inference__plan="")
    assert violations(package, ("scoring", "inference"), {}) == ["scoring.table -> inference.plan"]


def test_only_plug_ins_and_the_public_names_are_imported_by_text():
    users = {
        module
        for module, path in modules_of(ROOT).items()
        if {"importlib.import_module", "import_module", "__import__"}
        & imports(path, everywhere=True)
    }
    assert users == {"", "plugins"}


def test_rooms_that_must_not_meet_are_kept_apart(tmp_path):
    package = plant(
        tmp_path, scoring__table="", inference__plan="import planted.scoring.table as t"
    )
    rooms, apart = ("scoring", "inference"), {"inference": {"scoring"}}
    assert violations(package, rooms, {}) == []
    assert violations(package, rooms, apart) == ["inference.plan -> scoring.table"]


@pytest.mark.parametrize("light", LIGHT)
def test_what_makes_tables_never_reaches_a_framework(light):
    graph = graph_of(ROOT, everywhere=True)
    modules = [module for module in graph if f"{module}.".startswith(f"{light.replace('/', '.')}.")]
    assert modules
    forbidden = {f"library {name}" for name in FRAMEWORKS | {"pandas", "scipy", "PIL", "cv2"}}
    for module in modules:
        ways = [way for way in reached(graph, module) if way[-1] in forbidden]
        assert [" -> ".join(way) for way in ways] == []


@pytest.mark.parametrize("module", sorted(modules_of(ROOT)), ids=str)
def test_heavy_libraries_are_imported_inside_functions_only(module):
    at_once = {
        name.partition(".")[0] for name in imports(modules_of(ROOT)[module], everywhere=False)
    }
    assert at_once & HEAVY == set()


@pytest.mark.parametrize("library", USERS)
def test_a_library_is_used_in_its_own_rooms_only(library):
    graph = graph_of(ROOT, everywhere=True)
    users = {room_of(module) for module, names in graph.items() if f"library {library}" in names}
    assert users == USERS[library]


EVERY_PLUG_IN = """
import sys
from benchmarking.cli.commands import commands
from benchmarking.experiments import experiments
from benchmarking.inference.executors import executors
from benchmarking.models.frameworks import frameworks
from benchmarking.models.sources import sources
from benchmarking.pictures.sets import picture_sets
from benchmarking.reports.figures import figures
from benchmarking.reports.formats import reports
for discovered in (commands, experiments, executors, frameworks, sources, picture_sets, reports):
    assert discovered()
assert figures()
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["predict", "--help"], ["audit", "--help"], ["models", "--help"], ["table"]],
    ids=" ".join,
)
def test_with_every_plug_in_loaded_no_framework_is(arguments):
    script = f"""{EVERY_PLUG_IN}
from benchmarking.cli import main
try:
    status = main({arguments!r})
except SystemExit as end:
    status = end.code
assert status == 0
print("loaded:", sorted(set({sorted(HEAVY - {"msgspec"})!r}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_importing_the_package_loads_nothing_else():
    script = (
        "import sys; before = set(sys.modules); import benchmarking; "
        "print(sorted({n.partition('.')[0] for n in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    names = set(re.findall(r"\w+", done.stdout))
    assert not names & (HEAVY | {"numpy"})
