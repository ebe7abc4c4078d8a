"""Who may import whom, and what the light commands must never load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarking

ROOT = Path(benchmarking.__file__).parent

# A module imports from lower levels, or from its own folder: its __init__ and _private modules.
LEVELS = {
    **dict.fromkeys(["errors", "escapes", "ahead"], 0),
    **dict.fromkeys(["specs", "provenance", "labels", "plugins", "files"], 1),
    **dict.fromkeys(["predictions", "published", "statistics", "imagenet", "downloads"], 2),
    **dict.fromkeys(["npy_files"], 2),
    **dict.fromkeys(["image_sets", "metrics", "table", "arrays_2019", "images", "weights"], 3),
    **dict.fromkeys(["label_files", "crops"], 4),
    "frameworks": 4,
    **dict.fromkeys(["store", "jobs"], 5),
    **dict.fromkeys(["sources", "datasets", "executors", "reports"], 5),
    **dict.fromkeys(["aggregate", "compare", "verify", "predict", "exchange", "prepare"], 6),
    **dict.fromkeys(["check", "unfinished", "shared_crops", "retries"], 6),
    "answers": 7,
    **dict.fromkeys(["sweep", "audits", "doctor"], 8),
    "cli": 9,
    **dict.fromkeys(["drop_in", "__main__"], 10),
}
HEAVY = {
    *("torch", "torchvision", "tensorflow", "keras", "pandas", "scipy", "PIL", "cv2", "tqdm"),
    *(
        "ray",
        "plotly",
        "pooch",
        "requests",
        "timm",
        "statsmodels",
        "sklearn",
        "foolbox",
        "efficientnet_lite_pytorch",
    ),
}
# The one module that knows a library.
ONLY_USER = {"PIL": "images", "cv2": "images", "safetensors": "store", "pooch": "downloads"}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def imports(path: Path, *, everywhere: bool) -> set[str]:
    """Modules that a file imports: anywhere, or as soon as it is itself imported."""
    tree = ast.parse(path.read_text())
    lazy = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found, waiting = set(), list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        for_types_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if everywhere or not (isinstance(node, lazy) or for_types_only):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def may_import(own: str, name: str) -> bool:
    """Whether a module of the room `own` may import this name of the package."""
    _, room, *inside = name.split(".")
    if room not in LEVELS:  # a name in benchmarking/__init__.py, not a room without a level
        return not (ROOT / room).is_dir() and not (ROOT / f"{room}.py").is_file()
    if room != own:
        return LEVELS[room] < LEVELS[own]
    return not inside or inside[0].startswith("_") or not is_module(own, inside[0])


def is_module(folder: str, name: str) -> bool:
    return (ROOT / folder / f"{name}.py").is_file()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_from_lower_levels_or_its_own_folder(path):
    own = path.parts[0].removesuffix(".py")
    names = {n for n in imports(ROOT / path, everywhere=True) if n.startswith("benchmarking.")}
    assert [name for name in sorted(names) if not may_import(own, name)] == []


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_heavy_libraries_are_imported_inside_functions_only(path):
    at_once = {name.split(".")[0] for name in imports(ROOT / path, everywhere=False)}
    assert at_once & HEAVY == set()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_library_with_one_user_has_no_other(path):
    own = path.parts[0].removesuffix(".py")
    used = {name.split(".")[0] for name in imports(ROOT / path, everywhere=True)}
    assert {library for library in used & ONLY_USER.keys() if ONLY_USER[library] != own} == set()


def test_the_table_command_reaches_no_prediction_code():
    found = imports(ROOT / "cli" / "table.py", everywhere=True)
    rooms = {name.split(".")[1] for name in found if name.startswith("benchmarking.")}
    assert rooms & {"predict", "sweep", "sources", "frameworks", "executors", "datasets"} == set()


EVERY_PLUG_IN = """
import sys
from benchmarking import cli, datasets, executors, frameworks, reports, sources
from benchmarking.plugins import discover
for package in (cli, datasets, executors, frameworks, reports, sources):
    assert discover(package)
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["predict", "--help"], ["models", "--help"], ["table"]],
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
print("loaded:", sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"
