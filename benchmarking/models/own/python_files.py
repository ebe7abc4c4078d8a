"""Models that a Python file of the user's defines: `model()` returns the model and its recipe.

    def model():
        network = ...  # a PyTorch module, a Keras model, or a function of crops
        return network, transform  # of torchvision or timm, or a Recipe

The file is run in a process of its own to learn its framework and recipe, and again in the process
that predicts. As a command, this module does the first.
"""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io import lifeline
from benchmarking.io.files import read_regular
from benchmarking.models.own.objects import framework_name, parameters_sha256
from benchmarking.models.own.recipes import own_recipe
from benchmarking.pictures.recipe import Preprocessing, recipe_from

FUNCTION = "model"
"""Name of the function that the file defines."""

_EXAMPLE = """def model():
    network = ...  # a PyTorch module, a Keras model, or a function of crops
    return network, transform  # of torchvision or timm, or a Recipe"""


@dataclass(frozen=True)
class Description:
    """What a Python file defines.

    Attributes:
        framework: name of the framework that runs the model.
        recipe: the recipe as a document; None if the file does not give one.
        parameters_sha256: digest of the model's parameters; empty for a plain function.
        distributions: the installed distributions that the file imports.
        error: why the file cannot be used; empty if it can.
    """

    framework: str = ""
    recipe: Mapping[str, Any] | None = None
    parameters_sha256: str = ""
    distributions: tuple[str, ...] = ()
    error: str = ""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The recipe; None if the file does not give one."""
        return None if self.recipe is None else recipe_from(self.recipe)


def load(path: Path) -> tuple[Any, Preprocessing | None]:
    """Run a file and call its function: the model, and its recipe if it gives one.

    Raises:
        WeightsError: the file cannot be run, lacks the function or returns something else, or its
            transform cannot be translated.
    """
    module = _imported(path)
    function = vars(module).get(FUNCTION)
    if not callable(function):
        raise WeightsError(f"{path.name} defines no function {FUNCTION}(); expected\n{_EXAMPLE}")
    with _explained(path, f"{FUNCTION}() in {path.name} raised"), _beside(path):
        returned = function()
    model, *recipe = returned if isinstance(returned, tuple) else (returned,)
    if len(recipe) > 1 or model is None:
        raise WeightsError(
            f"{FUNCTION}() in {path.name} returned {returned!r:.80}; expected a model and its "
            f"recipe:\n{_EXAMPLE}"
        )
    try:
        framework_name(model)
        return model, own_recipe(recipe[0]) if recipe else None
    except BenchmarkError as error:
        raise WeightsError(f"{FUNCTION}() in {path.name}: {error}") from error


def described(path: Path) -> Description:
    """What a file defines, found in a process of its own.

    Raises:
        WeightsError: the file cannot be used.
    """
    import msgspec

    package = str(Path(__file__).parents[2])
    search = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    with ExitStack() as stack:
        end, passed = lifeline.opened(stack, stack)
        done = subprocess.run(  # noqa: S603 - this package's own module, and the user's file
            [sys.executable, "-P", "-m", __name__, end, str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": search, "KERAS_BACKEND": "tensorflow"},
            pass_fds=passed,
            check=False,
        )
    try:
        found = msgspec.json.decode(done.stdout, type=Description)
    except msgspec.DecodeError as error:
        lines = done.stderr.decode(errors="replace").strip().split("\n")
        raise WeightsError(
            f"{path.name} ended its process with status {done.returncode}: {lines[-1]:.300}"
        ) from error
    if found.error:
        raise WeightsError(found.error)
    return found


def _description(path: Path) -> Description:
    try:
        model, recipe = load(path)
        document = recipe.as_document() if recipe else None
        digest = parameters_sha256(model)
        return Description(framework_name(model), document, digest, _distributions(path))
    except BenchmarkError as error:
        return Description(error=str(error))


def _distributions(path: Path) -> tuple[str, ...]:
    """The distributions of the modules that a file names in its imports."""
    modules = set()
    for node in ast.walk(ast.parse(read_regular(path))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    installed = packages_distributions() if modules else {}
    return tuple(sorted({name for module in modules for name in installed.get(module, ())}))


def _imported(path: Path) -> ModuleType:
    """Run a file as a module. No compiled copy is kept, which could be older than the file."""
    module = ModuleType(
        f"imagenet_benchmark_model_{hashlib.sha256(str(path).encode()).hexdigest()}"
    )
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look for it
    with _explained(path, f"{path.name} cannot be run:"), _beside(path):
        exec(compile(read_regular(path), str(path), "exec"), vars(module))  # noqa: S102 - on request
    return module


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let a file import modules from its own folder, as a script may."""
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn an error of the user's code into a sentence with its line.

    Raises:
        WeightsError: any error in the block.
    """
    try:
        yield
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        line = _line_of(error, path)
        where = f" in line {line}" if line else ""
        raise WeightsError(
            f"{what} {type(error).__name__}{where}: {str(error).strip():.500}"
        ) from error


def _line_of(error: BaseException, path: Path) -> int | None:
    """The last line of a file that took part in an error."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def main() -> None:
    """Print the description of the file that the command names, as JSON."""
    import msgspec

    end, path = sys.argv[1:]
    lifeline.depend_on(end)
    with redirect_stdout(sys.stderr):  # the file may print
        found = _description(Path(path))
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
