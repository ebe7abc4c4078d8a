"""The source distribution, the wheel, and the files for the host of the repository."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import benchmarking
from benchmarking.reports.bibliography import RELEASED, THIS_PACKAGE

ROOT = Path(__file__).parents[1]
CITATION = ROOT / "CITATION.cff"
NAME = "imagenet-benchmarking"
SCRIPTS = {
    "imagenet_benchmarking.py",
    "imagenet_keras_get_predictions.py",
    "imagenet_pytorch_get_predictions.py",
}
NOT_IN_SDIST = r"\.github/|\.gitignore$|\.pre-commit-config\.yaml$"
"""Files that only the repository needs."""
GENERATED = r"PKG-INFO$|setup\.cfg$|imagenet_benchmarking\.egg-info/"
JUNK = (
    *("build/lib/benchmarking/old.py", ".venv/lib/x.py", ".mypy_cache/x.json", "notes.txt"),
    *("tests/__pycache__/x.cpython-311.pyc", "examples/.ipynb_checkpoints/x.ipynb"),
    *("benchmarking/__pycache__/x.cpython-311.pyc", "precomputed-random/x/x.safetensors"),
)


def run(*command, cwd, **variables):
    """Standard output of a command, which must succeed, without this process's settings."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH"}}
    settings = {**kept, "PIP_CONFIG_FILE": os.devnull, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def listed(*options):
    """Existing files that git lists; skips the test if there is no repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository: its list of files is unknown")
    names = run("git", "ls-files", "-z", *options, cwd=ROOT).split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


def build(kind, source, folder):
    """Build "sdist" or "wheel" with the backend of pyproject.toml in this environment."""
    folder.mkdir(exist_ok=True)
    code = f"from setuptools.build_meta import build_{kind} as build; build({str(folder)!r})"
    run(sys.executable, "-c", code, cwd=source)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The source distribution, built from a copy that also has files which must be left out."""
    folder = tmp_path_factory.mktemp("sdist")
    ignored = shutil.ignore_patterns(".*_cache", ".git", ".venv", "build", "*.egg-info", "*.pyc")
    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    for name in JUNK:
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_text("junk")
    return build("sdist", folder / "source", folder / "dist")


@pytest.fixture(scope="module")
def unpacked(sdist, tmp_path_factory):
    """The folder that the source distribution unpacks to."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope="module")
def wheel(unpacked, tmp_path_factory):
    """The wheel, built from the source distribution as pip and build do."""
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel") / "dist")


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def without(names, pattern):
    return {name for name in names if not re.match(pattern, name)}


def test_the_source_distribution_holds_every_tracked_file_but_those_for_the_repository(unpacked):
    assert without(listed(), NOT_IN_SDIST) - files_of(unpacked) == set()


def test_the_source_distribution_holds_nothing_else(unpacked):
    known = listed("--cached", "--others", "--exclude-standard")
    found = without(files_of(unpacked), GENERATED)
    assert found - known == set()
    assert found == without(found, NOT_IN_SDIST)


def test_the_source_distribution_leaves_out_caches_and_builds(unpacked):
    assert files_of(unpacked).isdisjoint(JUNK)


def test_the_source_distribution_is_small(sdist):
    assert sdist.stat().st_size < 3_000_000


def test_the_wheel_holds_the_package_its_data_and_the_three_scripts_of_2019(wheel, unpacked):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    stem = "-".join(wheel.name.split("-")[:2])
    package = {f"benchmarking/{name}" for name in files_of(unpacked / "benchmarking")}
    assert "benchmarking/data/imagenet_classes.csv" in package
    assert without(names, rf"{stem}\.dist-info/") == package | {
        f"{stem}.data/scripts/{name}" for name in SCRIPTS
    }


def test_the_wheel_holds_the_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
        assert archive.read(name) == (ROOT / "LICENSE").read_bytes()


def test_an_index_would_accept_both(sdist, wheel):
    run(tool("twine"), "check", "--strict", sdist, wheel, cwd=sdist.parent)


def test_tests_run_from_the_source_distribution(unpacked, tmp_path):
    folder = tmp_path / "unpacked"
    shutil.copytree(unpacked, folder)
    code = "import benchmarking; print(benchmarking.__file__)"
    assert run(sys.executable, "-c", code, cwd=folder).startswith(str(folder))
    chosen = (
        "tests/test_layers.py",
        "tests/test_shipped.py",
        "-k",
        "not 2019 and not no_framework",
    )
    output = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *chosen, cwd=folder)
    assert int(re.search(r"(\d+) passed", output)[1]) > 100


def required_by(name, found=None):
    """The installed requirements of a distribution, recursively."""
    found = {} if found is None else found
    for text in metadata.requires(name) or []:
        needed = Requirement(text)
        installed = needed.marker is None or needed.marker.evaluate({"extra": ""})
        if installed and needed.name.lower() not in found:
            found[needed.name.lower()] = metadata.distribution(needed.name)
            required_by(needed.name, found)
    return found


def packed(distribution, folder):
    """A wheel made of an installed distribution, so that no index is needed."""
    (tag, *_) = re.findall(r"^Tag: (.+)$", distribution.read_text("WHEEL"), re.MULTILINE)
    name = re.sub(r"[-_.]+", "_", distribution.metadata["Name"])
    not_packed = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    paths = [
        path
        for path in distribution.files
        if path.parts[0] != ".." and path.suffix != ".pyc" and path.name not in not_packed
    ]
    (information,) = {path.parts[0] for path in paths if path.match("*.dist-info/METADATA")}
    with zipfile.ZipFile(folder / f"{name}-{distribution.version}-{tag}.whl", "w") as archive:
        for path in paths:
            archive.write(path.locate(), str(path))
        archive.writestr(f"{information}/RECORD", "".join(f"{path},,\n" for path in paths))


@pytest.fixture(scope="module")
def empty_environment(wheel, tmp_path_factory):
    """The bin folder of a new environment with the wheel and its own requirements."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "wheels").mkdir()
    for distribution in required_by(NAME).values():
        packed(distribution, folder / "wheels")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(
        *(*pip, "install", "--quiet", "--no-index", "--no-compile"),
        *("--find-links", folder / "wheels", wheel),
        cwd=folder,
    )
    run(*pip, "check", cwd=folder)
    return python.parent


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere") / "store"
    shutil.copytree(ROOT / "precomputed", folder)
    return folder


def test_the_wheel_prints_the_table_in_an_empty_environment(empty_environment, store, tmp_path):
    command = (empty_environment / "imagenet-benchmark", "table", "--store", store)
    printed = run(*command, "--images", "demo", cwd=tmp_path)
    assert re.search(r"Keras +efficientnet-lite0 +90\.00 ± 13\.66", printed)
    run(*command, "--images", "demo", "-o", "table.md", cwd=tmp_path)
    assert (tmp_path / "table.md").read_text() == (ROOT / "results" / "demo.md").read_text()


def test_the_empty_environment_holds_the_wheel_and_no_framework(empty_environment, tmp_path):
    code = (
        "import benchmarking, importlib.util as u;"
        "print(benchmarking.__file__, *map(u.find_spec, ('torch', 'keras', 'PIL', 'pandas')))"
    )
    place, *others = run(empty_environment / "python", "-c", code, cwd=tmp_path).split()
    assert place.startswith(str(empty_environment.parent))
    assert others == 4 * ["None"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("models",),
        ("check", "--store", "STORE"),
        ("show", "efficientnet-lite-keras/efficientnet-lite0", "--images=demo", "--store=STORE"),
        ("compare", "--all", "--images=demo", "--store=STORE"),
        ("export", "arrays", "--to=npy", "--images=demo", "--store=STORE"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_without_a_framework_run_in_an_empty_environment(
    arguments, empty_environment, store, tmp_path
):
    arguments = [argument.replace("STORE", str(store)) for argument in arguments]
    run(empty_environment / "imagenet-benchmark", *arguments, cwd=tmp_path)


def test_the_advice_in_an_empty_environment_names_what_is_missing(empty_environment, tmp_path):
    command = [empty_environment / "imagenet-benchmark", "predict", "demo", "--store", "mine"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    program, verb, *what = shlex.split(done.stderr.partition("run: ")[2])
    assert (program, verb) == ("pip", "install")
    assert {Requirement(one).name for one in what} >= {"torch", "keras", "foolbox"}


def test_an_address_in_an_empty_environment_says_what_to_install(empty_environment, tmp_path):
    command = [empty_environment / "imagenet-benchmark", "table", "--store", "s3://bucket/store"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "imagenet-benchmark: fsspec is not installed; run: pip install 'fsspec'\n",
    )


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_the_scripts_of_2019_run_in_an_empty_environment(script, empty_environment, tmp_path):
    assert f"usage: {script}" in run(empty_environment / script, "--help", cwd=tmp_path)


def tool(name):
    """A program of this environment, else of the system; skips the test if it is missing."""
    place = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=place)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def github():
    folder = ROOT / ".github"
    if not folder.is_dir():
        pytest.skip("no .github: this is a source distribution")
    return folder


@pytest.mark.parametrize(
    "linter",
    [
        ("zizmor", "--offline", "--no-progress", "--persona=pedantic"),
        ("actionlint",),
        ("check-jsonschema", "--builtin-schema=vendor.github-workflows"),
    ],
    ids=lambda linter: linter[0],
)
def test_a_linter_accepts_the_workflow(linter, github):
    run(tool(linter[0]), *linter[1:], *github.glob("workflows/*.yml"), cwd=ROOT)


def test_the_forms_of_issues_are_valid(github):
    forms = set(github.glob("ISSUE_TEMPLATE/*.yml")) - {github / "ISSUE_TEMPLATE" / "config.yml"}
    assert len(forms) == 3
    schema = "--builtin-schema=vendor.github-issue-forms"
    run(tool("check-jsonschema"), schema, *sorted(forms), cwd=ROOT)


def workflow(github):
    return (github / "workflows" / "tests.yml").read_text()


def test_the_workflow_runs_the_gate_on_the_python_that_was_tested(github):
    tested = re.search(r"with Python ([\d.]+):", (ROOT / "constraints.txt").read_text())[1]
    assert re.findall(r"python-version: (.+?)(?: #.*)?\n", workflow(github)) == [f'"{tested}"']
    assert re.findall(r"- run: (.+)", workflow(github)) == [".ci/run"]


def test_the_classifiers_name_no_python_that_the_workflow_does_not_run(wheel, github):
    (name,) = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/METADATA")]
    told = zipfile.ZipFile(wheel).read(name).decode().partition("\n\n")[0]
    versions = re.findall(r"^Classifier: Programming Language :: Python :: (3\.\d+)$", told, re.M)
    assert all(f'python-version: "{version}"' in workflow(github) for version in versions)


def test_the_citation_file_is_valid_and_complete():
    run(
        tool("check-jsonschema"), "--builtin-schema=vendor.citation-file-format", CITATION, cwd=ROOT
    )
    names = set(re.findall(r"^([a-z-]+):", CITATION.read_text(), re.MULTILINE))
    assert names >= {
        *("cff-version", "title", "message", "abstract", "type", "authors", "version"),
        *("date-released", "license", "keywords", "references"),
    }


def test_package_citation_and_changelog_agree_about_the_version_and_its_date():
    """The first heading of the changelog with a date is the last released version."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    released = re.search(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", changelog, re.MULTILINE)
    assert released.groups() == (benchmarking.__version__, RELEASED)
    fields = dict(re.findall(r'^([a-z-]+): "?(.+?)"?$', CITATION.read_text(), re.MULTILINE))
    assert (fields["version"], fields["date-released"]) == released.groups()
    assert fields["title"] == THIS_PACKAGE.title
    assert f"- name: {THIS_PACKAGE.authors[0]}" in CITATION.read_text()


def test_pre_commit_runs_the_checks_of_the_makefile():
    path = ROOT / ".pre-commit-config.yaml"
    if not path.is_file():
        pytest.skip("no .pre-commit-config.yaml: this is a source distribution")
    hooks = re.findall(r"entry: \.venv/bin/(.+?)(?: --force-exclude)?\n", path.read_text())
    recipe = re.search(r"^check:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    checks = re.findall(r"\$\(BIN\)/(.+?)(?: --check)?(?: \.)?\n", recipe[1])
    assert hooks == checks == ["ruff format", "ruff check", "mypy"]
