"""Plug-ins of another distribution, installed like by a user and used in real commands."""

import csv
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest
from conftest import PLUGINS
from PIL import Image

from benchmarking import plugins
from benchmarking.errors import BenchmarkError
from benchmarking.inference.executors import Accepted, Failed, Finished, Output
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

ROOT = Path(__file__).parents[1]
DISTRIBUTION = Path(__file__).parent / "distribution"
MODULES = {
    "sources": "source",
    "frameworks": "framework",
    "picture_sets": "picture_set",
    "executors": "executor",
    "reports": "report",
    "experiments": "experiment",
    "figures": "figure",
}
FILES = {
    kind: DISTRIBUTION / "benchmarking_plugin_example" / f"{module}.py"
    for kind, module in MODULES.items()
}

GREEN, RED, ORANGE, YELLOW = (100, 160, 60), (180, 50, 50), (230, 150, 30), (235, 215, 80)
FRUIT = [  # class and colour; the model predicts orange for the last lemon
    *((948, GREEN), (948, GREEN), (949, RED), (949, RED), (950, ORANGE)),
    *((951, YELLOW), (951, YELLOW), (951, ORANGE)),
]
RUN = Run("fruit-sqlite", "fruit", "nearest-colour", "published")
SAME_COLOURS = (
    "warning: identical pictures, each of which counts: 4 (0.png = 1.png, 2.png = 3.png, 4.png = "
    "7.png, 5.png = 6.png)\n"
)


def install(source, site):
    """Install a distribution into a folder, offline, with the setuptools of this environment."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--no-compile", "--target", str(site), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A folder with the example distribution; its source is copied, since a build writes to it."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(DISTRIBUTION, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    return install(folder / "source", folder / "site")


def command(*arguments, on_path=()):
    """Run the command in a process that finds the distributions in a folder."""
    own = {plugins.FILES_VARIABLE, "IMAGENET_BENCHMARK_STORE", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    folders = os.pathsep.join(map(str, [*on_path, ROOT]))
    return subprocess.run(
        [sys.executable, "-m", "benchmarking", *map(str, arguments)],
        env={**environment, "PYTHONPATH": folders},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def example(site):
    """Run the command with the example distribution installed."""

    def run(*arguments):
        return command(*arguments, on_path=[site])

    return run


def a_database(path, fruit=FRUIT):
    """A database with a single-coloured picture for each class and colour."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE pictures (key TEXT PRIMARY KEY, class INTEGER, data BLOB)")
        for number, (label, colour) in enumerate(fruit):
            data = BytesIO()
            Image.new("RGB", (40, 30), colour).save(data, "PNG")
            row = (f"{number}.png", label, data.getvalue())
            connection.execute("INSERT INTO pictures VALUES (?, ?, ?)", row)
    return path


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    return a_database(tmp_path_factory.mktemp("database") / "fruit.sqlite")


@pytest.fixture(scope="session")
def stored(site, database, tmp_path_factory):
    """A store with a run of the example's model on the example's pictures."""
    folder = tmp_path_factory.mktemp("stored") / "store"
    arguments = ["predict", f"sqlite:{database}", "--models", "fruit", "--store", folder]
    done = command(*arguments, on_path=[site])
    assert done.returncode == 0, done.stderr
    return folder


def guesses(folder, run=RUN):
    return Store(folder).read(run).classes[:, 0].tolist()


def test_the_example_has_a_plug_in_of_each_kind_and_names_its_entry_points():
    assert MODULES.keys() == plugins.KINDS.keys()
    text = (DISTRIBUTION / "pyproject.toml").read_text()
    for kind, module in MODULES.items():
        assert f'[project.entry-points."imagenet_benchmarking.{kind}"]' in text
        assert f'"benchmarking_plugin_example.{module}"' in text
        assert f'\nPLUGIN = "{kind}"\n' in FILES[kind].read_text()


def test_mypy_accepts_each_module_of_the_example_as_its_contract(tmp_path):
    lines = []
    for kind, module in MODULES.items():
        package = import_module(plugins.KINDS[kind])
        contract = {"picture_sets": "PictureSet"}.get(kind, module.capitalize())
        lines += [f"from {package.__name__} import {contract}"]
        lines += [f"from benchmarking_plugin_example import {module}"]
        lines += [f"{module}_is: {contract} = {module}"]
    file = tmp_path / "every_module.py"
    file.write_text("\n".join(lines) + "\n")
    config = str(ROOT / "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, str(file)],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(DISTRIBUTION)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_model_of_an_installed_distribution_is_listed_and_is_gone_without_it(example):
    done = example("models")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if "fruit/" in line)
    assert line.split()[:8] == [
        *("NumPy", "fruit/nearest-colour", "available", "-", "12", "-", "-", "-")
    ]
    assert " 32 bilinear, crop 32, own scaling  " in line
    assert "fruit/" not in command("models").stdout


def test_its_weights_are_checked_against_the_digest_in_its_spec(example):
    done = example("models", "fruit", "--files")
    assert "fruit/nearest-colour  available, verified" in done.stdout


def test_it_predicts_with_random_weights_too(example, database, tmp_path):
    arguments = ["--models", "fruit", "--weights", "random", "--store", tmp_path / "store"]
    done = example("predict", f"sqlite:{database}", *arguments)
    assert done.returncode == 0, done.stderr
    assert "nearest-colour (NumPy, random weights): acc@1" in done.stdout


@pytest.mark.parametrize("executor", ["worker-process", "fresh-process", "in-process", "in-turn"])
def test_every_executor_reads_the_rows_of_the_database(executor, example, database, tmp_path):
    arguments = ["--models", "fruit", "--executor", executor, "--store", tmp_path]
    done = example("predict", f"sqlite:{database}", *arguments)
    assert (done.returncode, done.stderr) == (0, SAME_COLOURS)
    assert "nearest-colour (NumPy): acc@1 87.50 %, acc@5 100.00 %, 8 images" in done.stdout
    assert guesses(tmp_path) == [948, 948, 949, 949, 950, 951, 951, 950]
    assert Store(tmp_path).provenance(RUN).executor == executor


def test_what_a_run_depends_on_of_the_distribution_is_recorded(stored):
    made = Store(stored).provenance(RUN)
    assert made.versions["imagenet-benchmarking-plugin-example"] == "1.0"
    assert (made.platform, made.executor, made.batch_size) == ("NumPy", "worker-process", 2)


def test_a_database_is_known_by_its_table_whatever_its_name(example, database, stored, tmp_path):
    """The name fits a tar, but the database matches better, so it is the same image set."""
    shutil.copytree(stored, tmp_path / "store")
    place = shutil.copy(database, tmp_path / "fruit.tar")
    arguments = ["--images", "fruit-sqlite", "--models", "fruit", "--store", tmp_path / "store"]
    done = example("predict", place, *arguments)
    assert done.returncode == 0, done.stderr
    assert "nearest-colour (NumPy): complete since" in done.stdout


def test_a_label_that_is_none_of_the_classes_of_the_picture_set_is_refused(example, tmp_path):
    place = a_database(tmp_path / "fruit.sqlite", [(948, GREEN), (7, RED)])
    done = example("predict", place, "--models", "fruit", "--store", tmp_path / "store")
    assert done.returncode == 2
    assert "has pictures of class 7, which is not one of its 4 classes" in done.stderr


@pytest.fixture
def a_row_without_picture(database, tmp_path):
    place = shutil.copy(database, tmp_path / "fruit.sqlite")
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE pictures SET data = NULL WHERE key = '3.png'")
    return place


def test_a_row_that_holds_no_picture_is_named(example, a_row_without_picture, tmp_path):
    place = a_row_without_picture
    done = example("predict", place, "--models", "fruit", "--store", tmp_path / "store")
    assert done.returncode == 2
    assert "1 of 8 pictures cannot be used:" in done.stderr
    assert f"{place}, row '3.png' holds no picture." in done.stderr


def test_the_doctor_examines_the_rows_of_a_database(example, a_row_without_picture):
    done = example("doctor", a_row_without_picture)
    assert done.stdout.startswith("fruit-sqlite: 8 pictures, 4 classes, 1 to 3 of each class\n")
    assert "unreadable-file: files that cannot be read: 1\n    3.png\n" in done.stdout


def test_models_advance_together_in_the_executor_and_one_that_fails_stops_no_other(
    example, database, tmp_path
):
    files = [PLUGINS / "sources" / "brightness.py", PLUGINS / "frameworks" / "arithmetic.py"]
    arguments = [part for file in files for part in ("--plugin", file)]
    arguments += ["--models", "steady", "shaky", "steadier", "fruit"]
    of_each = {}
    for executor in ("in-turn", "in-process"):
        store = tmp_path / executor
        given = [*arguments, "--executor", executor, "--store", store]
        done = example("predict", f"sqlite:{database}", *given)
        assert done.returncode == 1
        assert "failed: brightness/shaky: out of memory: MemoryError: too heavy" in done.stderr
        runs = Store(store).runs("fruit-sqlite")
        assert sorted(run.model for run in runs) == ["nearest-colour", "steadier", "steady"]
        of_each[executor] = {run: guesses(store, run) for run in runs}
    assert of_each["in-turn"] == of_each["in-process"]


def test_the_executor_takes_all_jobs_at_once_and_gives_outputs_in_turn(monkeypatch):
    monkeypatch.syspath_prepend(DISTRIBUTION)
    executor = import_module("benchmarking_plugin_example.executor")

    def count(job):
        if job == "c":
            raise BenchmarkError("no")
        return range(len(job))

    def told(event):
        extra = [event.value] if isinstance(event, Output) else []
        return (type(event), event.job, *extra)

    assert list(map(told, executor.run(count, ["aa", "b", "c"], None))) == [
        *((Accepted, "aa"), (Accepted, "b"), (Accepted, "c")),
        *((Output, "aa", 0), (Output, "b", 0), (Failed, "c")),
        *((Output, "aa", 1), (Finished, "b"), (Finished, "aa")),
    ]


def test_its_runs_are_in_the_table_with_and_without_the_distribution(example, stored):
    for done in (example("table", "--store", stored), command("table", "--store", stored)):
        assert done.returncode == 0, done.stderr
        assert "fruit-sqlite, 8 pictures" in done.stdout
        row = done.stdout.splitlines()[-1].split()
        assert row[:4] == ["NumPy", "nearest-colour", "87.50", "±"]


def test_a_table_is_written_in_the_format_of_the_distribution(example, stored, tmp_path):
    file = tmp_path / "table.tsv"
    done = example("table", "--store", stored, "-o", file)
    assert done.returncode == 0, done.stderr
    assert f"wrote {file}\n" in done.stderr
    [about], headings, row = csv.reader(file.read_text().splitlines(), csv.excel_tab)
    assert about.startswith("fruit-sqlite, 8 pictures, fingerprint ")
    assert headings[:3] == ["Platform", "Model", "Recipe"]
    assert headings[3] == "4-class Acc@1 [95 % interval]"
    assert row[:3] == ["NumPy", "nearest-colour", "published"]
    assert row[3].startswith("87.50 [")


def test_a_format_of_the_distribution_is_unknown_without_it(stored, tmp_path):
    done = command("table", "--store", stored, "-o", tmp_path / "table.tsv")
    assert done.returncode == 2
    assert "table.tsv has no known suffix; use one of .csv, .json, .md, .tex, .txt." in done.stderr


def test_a_figure_of_the_distribution_is_drawn(example, stored, tmp_path):
    file = tmp_path / "ends.json"
    done = example("plot", "ends", "--store", stored, "-o", file)
    assert done.returncode == 0, done.stderr
    assert f"wrote {file}\n" in done.stderr
    assert '"accuracy": 0.875' in file.read_text()


def test_an_experiment_of_the_distribution_is_listed(example):
    done = example("audit", "--help")
    words = " ".join(done.stdout.split())
    assert "darker does the prediction change if the picture is darker? frameworks" in words


@pytest.mark.parametrize(("brightness", "changed", "status"), [("1", "0", 0), ("0.4", "4", 1)])
def test_an_experiment_of_the_distribution_runs(
    brightness, changed, status, example, database, tmp_path
):
    file = tmp_path / "darker.csv"
    arguments = [database, "--models", "fruit", "--brightness", brightness, "-o", file]
    done = example("audit", "darker", *arguments)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.startswith("8 pictures each\nModel ")
    assert file.read_text() == f"Model,Top-1 changed\nfruit/nearest-colour,{changed}\n"


def test_the_same_modules_are_plug_ins_as_files_before_and_after_the_command():
    source, framework = FILES["sources"], FILES["frameworks"]
    done = command("--plugin", source, "models", "fruit", "--plugin", framework)
    assert done.returncode == 0, done.stderr
    assert "NumPy     fruit/nearest-colour  available" in done.stdout


@pytest.mark.parametrize("executor", ["worker-process", "fresh-process"])
def test_a_worker_reads_rows_of_a_picture_set_that_is_a_file(executor, database, tmp_path):
    before, *after = (FILES[kind] for kind in ("picture_sets", "sources", "frameworks"))
    arguments = ["--plugin", before, "predict", f"sqlite:{database}", "--store", tmp_path]
    arguments += [part for file in after for part in ("--plugin", file)]
    done = command(*arguments, "--models", "fruit", "--executor", executor)
    assert (done.returncode, done.stderr) == (0, SAME_COLOURS)
    assert guesses(tmp_path) == [948, 948, 949, 949, 950, 951, 951, 950]


def test_a_module_that_is_both_installed_and_given_as_a_file_is_refused(example):
    done = example("--plugin", FILES["sources"], "models")
    assert done.returncode == 2
    assert done.stderr == (
        "imagenet-benchmark: plug-in 'fruit' (benchmarking_plugin_example.source) of "
        f"imagenet-benchmarking-plugin-example and {FILES['sources']} are both called 'fruit'; "
        "rename one.\n"
    )


HALFWAY = "NAME = 'halfway'\n"
WITHOUT_BUILD = """\
NAME, MODULES, EXTRA, DISTRIBUTIONS = "halfway", (), "", ()
def specs(): return ()
def weights_folder(spec): return None
"""
BROKEN = {  # no command needs the kinds of one distribution at the same time
    "broken-one": {
        "sources": WITHOUT_BUILD,
        "picture_sets": HALFWAY,
        "reports": HALFWAY,
        "experiments": HALFWAY,
        "figures": HALFWAY,
    },
    "broken-two": {"frameworks": HALFWAY},
    "broken-three": {"executors": HALFWAY},
    "broken-four": {"sources": "import a_library_that_nobody_has\n"},
}


@pytest.fixture(scope="session")
def broken(tmp_path_factory):
    """The folder of a broken distribution by its name, installed at first use."""
    sites = {}

    def site_of(name):
        if name not in sites:
            folder = tmp_path_factory.mktemp(name)
            package = name.replace("-", "_")
            project = f'[project]\nname = "{name}"\nversion = "1"\n'
            for kind, text in BROKEN[name].items():
                module = folder / "source" / package / f"{kind}.py"
                module.parent.mkdir(parents=True, exist_ok=True)
                module.write_text(text)
                project += f'[project.entry-points."imagenet_benchmarking.{kind}"]\n'
                project += f'half = "{package}.{kind}"\n'
            (folder / "source" / "pyproject.toml").write_text(project)
            sites[name] = install(folder / "source", folder / "site")
        return sites[name]

    return site_of


@pytest.mark.parametrize(
    ("name", "kind", "arguments", "lacks"),
    [
        ("broken-one", "sources", "models", "build."),
        ("broken-one", "picture_sets", "doctor {pictures}", "DESCRIPTION; match; open_pictures."),
        ("broken-one", "reports", "table --store {store}", "SUFFIX; render."),
        ("broken-one", "experiments", "audit --help", "HELP; PICTURES; add_arguments; run."),
        ("broken-one", "figures", "plot", "TITLE; content."),
        ("broken-two", "frameworks", "models", "BATCH_SIZES; EXECUTOR; EXTRA; MODULES; PRECISIONS"),
        ("broken-three", "executors", "predict {light}", "run."),
    ],
)
def test_a_broken_plug_in_of_each_kind_is_named_with_its_distribution_and_what_it_lacks(
    name, kind, arguments, lacks, broken, tree, stored, tmp_path
):
    files = [PLUGINS / "sources" / "brightness.py", PLUGINS / "frameworks" / "arithmetic.py"]
    light = [tree, "--models", "steady", "--store", tmp_path / "store"]
    light += [part for file in files for part in ("--plugin", file)]
    places = {"{pictures}": [tree], "{store}": [stored], "{light}": light}
    given = [part for word in arguments.split() for part in places.get(word, [word])]
    done = command(*given, on_path=[broken(name)])
    where = f"plug-in 'half' ({name.replace('-', '_')}.{kind}) of {name}"
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"imagenet-benchmark: {where} lacks {lacks}")
    assert f"in {plugins.KINDS[kind]}." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plug_in_that_cannot_be_imported_is_named_with_its_distribution(broken):
    done = command("models", on_path=[broken("broken-four")])
    assert done.returncode == 2
    assert done.stderr == (
        "imagenet-benchmark: plug-in 'half' (broken_four.sources) of broken-four cannot be "
        "imported: ModuleNotFoundError: No module named 'a_library_that_nobody_has'. Mend or "
        "uninstall broken-four.\n"
    )
