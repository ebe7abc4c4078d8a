"""The documentation site is built without warnings, is complete, and needs no other host."""

import argparse
import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

import benchmarking
from benchmarking.cli import _parser
from benchmarking.cli.commands import commands
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.sets import open_pictures

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONTRACTS = {
    "benchmarking.experiments.Experiment",
    "benchmarking.inference.executors.Executor",
    "benchmarking.models.frameworks.Framework",
    "benchmarking.models.sources.Source",
    "benchmarking.pictures.sets.PictureSet",
    "benchmarking.reports.figures.Figure",
    "benchmarking.reports.formats.Report",
}
FETCHED = {  # attributes whose addresses a browser fetches
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("video", "src"),
}


def fences(page: str, language: str) -> list[str]:
    """The fenced blocks of a language on a page of docs/."""
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Page(HTMLParser):
    """Anchors, links and fetched addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.ids.add(value)
            if (tag, name) == ("a", "href") and value:
                self.links.append(value)
            if (tag, name) in FETCHED and value:
                self.fetched.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built like `make docs` from a copy of its sources."""
    for module in ("zensical", "mkdocstrings", "griffe"):
        if find_spec(module) is None:
            pytest.skip(
                f"{module} is missing; in a clone: pip install -c constraints.txt '.[docs]'"
            )
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    for name in ("docs", "results", "benchmarking"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    command = [sys.executable, "docs/build.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "site"


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_page_of_the_docs_is_on_the_site(site):
    missing = [page.stem for page in DOCS.glob("*.md") if not (site / f"{page.stem}.html").exists()]
    assert missing == []


def test_every_page_of_the_docs_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = set(re.findall(r": (\S+\.md)$", navigation, re.MULTILINE))
    results = {
        f"results/{path.relative_to(ROOT / 'results')}" for path in (ROOT / "results").rglob("*.md")
    }
    assert listed == {page.name for page in DOCS.glob("*.md")} | results


def test_every_public_name_has_an_entry_in_the_reference(site, pages):
    entries = pages[site / "api.html"].ids
    assert {f"benchmarking.{name}" for name in benchmarking.__all__} - entries == set()


def test_every_contract_has_an_entry_in_the_reference(site, pages):
    assert CONTRACTS - pages[site / "contracts.html"].ids == set()


def test_every_internal_link_leads_to_a_page_and_an_anchor(site, pages):
    broken = []
    for path, page in pages.items():
        for link in [*page.links, *page.fetched]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            base = site if parts.path.startswith("/") else path.parent
            target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and anchor not in pages[target].ids):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_no_page_fetches_anything_from_another_host(site, pages):
    foreign = [
        f"{path.relative_to(site)}: {address}"
        for path, page in pages.items()
        for address in page.fetched
        if urlsplit(address).netloc
    ]
    for style in site.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import\s)\s*[\"']?([^\"')\s]+)", style.read_text())
        addresses = [one.removeprefix("url(").strip("\"'") for one in addresses]
        foreign += [f"{style.name}: {one}" for one in addresses if urlsplit(one).netloc]
    assert foreign == []


@pytest.mark.parametrize("page", [DOCS / "index.md", ROOT / "README.md"])
def test_the_numbers_of_the_home_page_are_those_of_the_table(page):
    table = (ROOT / "results" / "imagenet-val-2019.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.read_text().splitlines()
        if re.match(r"\| \w+ \| \d+\.\d", line)
    ]
    assert len(rows) == 6
    for model, first, fifth, tier in rows:
        found = re.search(
            rf"\| {model} \| \S+ \| (.+?) \| (\S+) \S+ \S+ \| .+?\|.+?\| (\d+) \|", table
        )
        assert [first, fifth, tier] == list(found.groups())


COMMANDS = sorted(
    {
        line
        for page in DOCS.glob("*.md")
        for language in ("bash", "sh", "yaml")
        for block in fences(page.name, language)
        for line in re.findall(
            r"(?:^|run: )(imagenet-benchmark .+)$", block.replace("\\\n", " "), re.MULTILINE
        )
    }
)


def test_there_are_commands_on_the_pages():
    assert len(COMMANDS) >= 20


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_on_a_page_is_understood(command):
    words = shlex.split(command.partition(" | ")[0])[1:]
    if "--plugin" in words:
        at = words.index("--plugin")
        del words[at : at + 2]
    assert _parser(words).parse_args(words).run


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a parser and of its subcommands."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for one in action.choices.values() for option in options_of(one)}
    return found


def test_every_option_that_a_text_names_exists():
    """In inline code such as `predict --limit 5000`; of an option alone, in any command."""
    options = {name: options_of(_parser([name])) for name in commands()}
    named = 0
    for page in (*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"):
        for words in re.findall(r"(?<!`)`([^`\n]*--[a-z][^`\n]*)`(?!`)", page.read_text()):
            first, *_ = words.removeprefix("imagenet-benchmark ").split()
            known = options.get(first, set().union(*options.values()))
            used = set(re.findall(r"--[a-z][a-z0-9-]*", words))
            assert used <= known, f"{page.name}: {words}"
            named += len(used)
    assert named >= 30


BLOCKS = [
    (page.name, number, block)
    for page in sorted(DOCS.glob("*.md"))
    for number, block in enumerate(fences(page.name, "python"), 1)
]


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS)
def test_every_name_that_python_code_on_a_page_imports_exists(page, number, block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("benchmarking"):
            module = __import__(node.module, fromlist=["*"])
            assert [one.name for one in node.names if not hasattr(module, one.name)] == []


def run_python(code: str, folder: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plug_ins_of_the_tutorial_are_found_and_used(tmp_path):
    source, pictures = fences("plug-ins.md", "python")
    (tmp_path / "my_models.py").write_text(source)
    (tmp_path / "my_pictures.py").write_text(pictures)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (30, 20), "green").save(folder / name)
    (folder / "labels.csv").write_text("b.png,3\na.png,7\n")
    code = """
from benchmarking import open_images, plugins
from benchmarking.models.sources import select

plugins.use("my_models.py")
plugins.use("my_pictures.py")
(spec,) = select(["mine"])
print(spec.full_name, spec.published.acc1)
for picture in open_images("pictures"):
    print(picture.key, picture.label)
"""
    assert run_python(code, tmp_path) == "mine/resnet18 70.1\nb.png 3\na.png 7\n"


@pytest.fixture
def two(tmp_path) -> None:
    """A folder `two` with two of the demo pictures."""
    for picture in open_pictures("demo").pictures[:2]:
        folder = tmp_path / "two" / wnids()[picture.label]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / picture.key).write_bytes(picture.read())


# Loading a framework takes most of the time, so it is loaded once.
IN_PROCESS = """
from benchmarking.models.frameworks import pytorch

pytorch.EXECUTOR = "in-process"
"""


@pytest.mark.models
@pytest.mark.usefixtures("two")
def test_the_first_code_on_a_page_prints_a_table(tmp_path):
    pages = ("../README.md", "index.md", "first-table.md")
    codes = [fences(page, "python")[0] for page in pages]
    assert [code.count('"demo"') for code in codes] == [1, 1, 1]
    printed = run_python(IN_PROCESS + "\n".join(codes).replace('"demo"', '"two"'), tmp_path)
    assert printed.count("two, 2 pictures") == 3
    assert printed.count("efficientnet-lite0") == 3


@pytest.mark.models
@pytest.mark.usefixtures("two")
def test_the_page_of_checkpoints_runs_from_top_to_bottom(tmp_path):
    """Its code and its commands in their order, in one process and on two pictures."""
    page = (DOCS / "your-checkpoint.md").read_text()
    script = [
        IN_PROCESS,
        "import shlex",
        "from pathlib import Path",
        "from benchmarking.cli import main",
    ]
    for language, code in re.findall(r"^```(python|bash)\n(.*?)^```$", page, re.M | re.S):
        if code.startswith('"""my_model.py'):
            script.append(f"Path('my_model.py').write_text({code!r})")
        elif language == "python":
            script.append(code)
        else:
            for command in code.replace("\\\n", " ").replace("demo", "two").splitlines():
                script.append(f"assert main(shlex.split({command!r})[1:]) == 0")
    printed = run_python("\n".join(script), tmp_path)
    runs = {path.name for path in (tmp_path / "mine" / "two").rglob("*.safetensors")}
    assert runs == {
        "mine.published.safetensors",
        "network.published.safetensors",
        "my_model.published.safetensors",
    }
    assert printed.count("two, 2 pictures") == 2


@pytest.mark.models
@pytest.mark.usefixtures("two")
def test_the_code_for_a_model_of_your_own_runs(tmp_path):
    """In one process and on two pictures, because loading a framework takes most of the time."""
    code = "\n".join(fences("your-own-model.md", "python"))
    for asked, here in (
        ('"demo"', '"two"'),
        ('efficientnet-lite0", images, store)', 'efficientnet-lite0", images, store, {})'),
    ):
        assert asked in code
        code = code.replace(asked, here.format('executor="in-process"'))
    printed = run_python(code, tmp_path)
    assert "same prediction on 2 of 2 pictures" in printed
    for name in ("my-network", "with_mirror_image", "by-hand", "efficientnet-lite0"):
        assert name in printed
