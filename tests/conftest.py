from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from threading import Lock
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image, ImageFile

from benchmarking import plugins
from benchmarking.cli import main
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.image_set import FilePart, ImageSet, Picture, fingerprint
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.store import Store

with suppress(ImportError):
    import triton  # noqa: F401 - after TensorFlow, which some tests import, this would crash

_LONGEST = ("test_models_2019", "test_real_models", "test_torchvision_library", "test_benchmarks")
_LONGEST += ("test_examples", "torture/", "test_readme", "test_plugin_distribution", "models/")
"""Parts of the paths of test files that take longest, longest first."""

PLUGINS = Path(__file__).parent / "plugins"
DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="torture as 'make torture' does, for minutes: 10,000 mutations for each reader of "
        "files, not 300, and as many more of other faults; with TORTURE_TALLY=FILE.jsonl set, "
        "what was tried is added to FILE.jsonl (default: a short form that ends within seconds)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that no worker has one left when the others are done."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    place = path.relative_to(Path(__file__).parents[1]).as_posix()
    ranks = (rank for rank, part in enumerate(_LONGEST) if part in place)
    return next(ranks, len(_LONGEST))


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether tests of faults try all faults, or only a few."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests use neither the user's cache nor the user's stored predictions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """500 labelled ImageNet pictures in wnid folders; not part of the project."""
    folder = DATA / "sample_images"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: 500 sample pictures, one for each even class")
    return folder


@pytest.fixture(scope="session")
def validation_paths() -> list[str]:
    """`wnid/file` of the 50,000 validation pictures; not part of the project."""
    path = DATA / "imagenet_val" / "filepaths.txt"
    if not path.is_file():
        pytest.skip(f"{path} is missing: the places of the 50,000 validation pictures")
    return path.read_text().split()


@pytest.fixture(scope="session")
def arrays_of_2019() -> Path:
    """The predictions of 2019, keras_imagenet and pytorch_imagenet; not part of the project."""
    folder = DATA / "upstream_predictions"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: what 34 models said in 2019, 68 arrays")
    return folder


@pytest.fixture(scope="session")
def imported_2019(arrays_of_2019, tmp_path_factory) -> Store:
    """A store with the 34 runs of 2019."""
    folder = tmp_path_factory.mktemp("imported")
    with redirect_stdout(io.StringIO()):  # a test that comes first would read it as its own
        assert main(["import", str(arrays_of_2019), "--store", str(folder)]) == 0
    return Store(folder)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function that runs the command and returns its status, its output and its messages."""

    def call(*arguments: object) -> tuple[int, str, str]:
        status = main(list(map(str, arguments)))
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plug-ins without a library: models that predict from brightness, run in this process."""
    files = sorted(map(str, PLUGINS.glob("*/*.py")))
    monkeypatch.setenv(plugins.FILES_VARIABLE, os.pathsep.join(files))
    yield
    forget_plugins()


def forget_plugins() -> None:
    """Make the next test that uses plug-in files import them again."""
    plugins._discovered.cache_clear()
    for name in [name for name in sys.modules if name.startswith("imagenet_benchmark_plugin_")]:
        del sys.modules[name]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Six grey pictures in wnid folders; brightness // 25 is the class of all but one."""
    folder = tmp_path / "tree"
    for label, name, brightness in (
        (1, "b.png", 30),
        (1, "a.png", 35),
        (0, "c.png", 10),
        (4, "d.png", 110),
        (4, "e.png", 105),
        (7, "f.png", 20),
    ):
        path = folder / wnids()[label] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), brightness, np.uint8)).save(path)
    return folder


@pytest.fixture
def three_pictures(tmp_path: Path) -> ImageSet:
    return an_image_set(tmp_path / "pictures", {"a": 1, "b": 1, "c": 3})


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each picture is read, by the path of its file."""
    found: Counter[str] = Counter()
    plain, lock = FilePart.read, Lock()

    def counted(self: FilePart) -> bytes:
        with lock:  # threads read pictures
            found[self.file] += 1
        return plain(self)

    monkeypatch.setattr(FilePart, "read", counted)
    return found


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each library decodes a picture in this process."""
    import cv2

    found: Counter[str] = Counter()
    load, imdecode, lock = ImageFile.ImageFile.load, cv2.imdecode, Lock()

    def loaded(self: ImageFile.ImageFile) -> object:
        with lock:
            found["pillow"] += bool(self.tile)
        return load(self)

    def decoded(*how: object) -> object:
        with lock:
            found["opencv"] += 1
        return imdecode(*how)

    monkeypatch.setattr(ImageFile.ImageFile, "load", loaded)
    monkeypatch.setattr(cv2, "imdecode", decoded)
    return found


def an_image_set(folder: Path, labels: dict[str, int], name: str = "three") -> ImageSet:
    """An image set of files whose content is their name."""
    folder.mkdir(exist_ok=True)
    for key in labels:
        (folder / key).write_text(key)
    pictures = tuple(
        Picture(key, label, FilePart(str(folder / key))) for key, label in labels.items()
    )
    return ImageSet(name, pictures, fingerprint(tuple(labels), digests(pictures)))


def sha256_of(picture: Picture) -> str:
    return hashlib.sha256(picture.read()).hexdigest()


def digests(pictures: Iterable[Picture]) -> list[str]:
    """The sha256 of each picture's bytes, without threads or a decoder."""
    return [sha256_of(picture) for picture in pictures]


@pytest.fixture(scope="session")
def a_provenance() -> Callable[[ImageSet], Provenance]:
    def make(images: ImageSet) -> Provenance:
        return Provenance(
            platform="Abacus",
            weights={"name": "w", "file": "w.bin", "sha256": "0" * 64},
            preprocessing={"resize": 256},
            images={"name": images.name, "n": len(images), "fingerprint": images.fingerprint},
            versions={"abacus": "1.0"},
            device="beads",
            precision="float32",
            batch_size=2,
            input_shapes=((2, 8, 8, 3), (1, 8, 8, 3)),
            executor="by-hand",
            process_id=7,
            started="2026-01-02T03:04:05+00:00",
            seconds=1.5,
            arguments=("predict", "pictures"),
        )

    return make


@pytest.fixture(scope="module")
def tiny_networks() -> Iterator[None]:
    """The source "tiny", with one network in two frameworks."""
    with pytest.MonkeyPatch.context() as patch:
        path = Path(__file__).parent / "experiments/transfer/tiny_networks.py"
        patch.setenv(plugins.FILES_VARIABLE, str(path))
        plugins._discovered.cache_clear()
        yield
    plugins._discovered.cache_clear()


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy stripes: upright ones are of class 1; a picture of validation is in training too."""
    root = tmp_path_factory.mktemp("stripes")
    random = np.random.default_rng(0)
    for part, n in (("train", 14), ("validation", 6)):
        for label, name in enumerate(("level", "upright")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(n):
                pixels = (np.arange(40) // 3 % 2) * 60.0 + random.normal(100, 50, (40, 40))
                grey = np.clip(pixels if label else pixels.T, 0, 255).astype(np.uint8)
                Image.fromarray(np.dstack([grey] * 3)).save(folder / f"{number}.png")
    shutil.copy(root / "validation/level/0.png", root / "train/level/leak.png")
    return root


_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium or Chrome of the system, which Playwright drives; each test opens its own pages.

    Of a module, because Playwright's event loop would be in the way of tests with a loop of theirs.
    """
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed ({', '.join(_BROWSERS)}): apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """A function that opens a page; at the end of a test nothing may have failed.

    It may read no other file, or only files of the folder `within`. A call of `hacked` fails.
    """
    wrong: list[str] = []
    contexts = []

    def visit(path: Path, *, within: Path | None = None, **options):
        def check(request) -> None:
            where = unquote(request.url).partition("#")[0]
            inside = within is not None and where.startswith(f"file://{within}/")
            if not (inside or where.startswith("data:") or where == f"file://{path}"):
                wrong.append(where)

        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        context.add_init_script("window.hacked = () => { throw new Error('hacked') }")
        opened = context.new_page()
        opened.on("console", lambda message: wrong.append(message.text))
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("request", check)
        opened.goto(path.as_uri())
        return opened

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def axe_faults(browser):
    """A function that returns what axe-core finds wrong with a page, and how serious it is."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe is not installed: pip install axe-playwright-python",
    )

    def faults(path: Path, anchor: str = "", *, width: int, scheme: str) -> list[tuple[str, str]]:
        view = {"width": width, "height": 800}
        # The policy of a page would refuse axe.
        with browser.new_context(viewport=view, color_scheme=scheme, bypass_csp=True) as context:
            opened = context.new_page()
            opened.goto(f"{path.as_uri()}{anchor}")
            found = axe.Axe().run(opened).response["violations"]
        return [(one["id"], one["impact"]) for one in found]

    return faults
