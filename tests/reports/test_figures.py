"""Figures: their numbers are the table's, their text is text, and every format can be written."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import an_image_set, forget_plugins
from html_outline import HOSTILE

from benchmarking import plugins
from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, MissingDependency
from benchmarking.labels.imagenet import class_names, wnids
from benchmarking.labels.label_set import every_image
from benchmarking.models.published import weights_source
from benchmarking.models.sources import all_specs
from benchmarking.predictions.run import Run
from benchmarking.predictions.selection import chosen_runs
from benchmarking.predictions.speed_runs import Conditions, Measured, Round, Series, Setting
from benchmarking.predictions.speed_store import SpeedStore
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores
from benchmarking.predictions.top_k import TopK
from benchmarking.reports import figures
from benchmarking.reports.figures._theme import COLOURS, THEMES
from benchmarking.reports.records import record
from benchmarking.reports.shown_table import score
from benchmarking.scoring.aggregate import calibration
from benchmarking.scoring.compare import compare
from benchmarking.scoring.statistics import pareto_front, wilson_interval

ROOT = Path(__file__).parents[2]
PRECOMPUTED = ROOT / "precomputed"
SVG = "{http://www.w3.org/2000/svg}"


def data_of(spec: dict[str, Any], *fields: str) -> list[dict[str, Any]]:
    """The only records of a specification that have these fields, as often as they are told."""
    found = [rows for rows in spec["datasets"].values() if rows and set(fields) <= rows[0].keys()]
    return max(found, key=len)


def close(value: Any) -> Any:
    return pytest.approx(value, abs=1e-6)


@pytest.fixture(scope="module")
def labels_file(imported_2019, tmp_path_factory) -> Path:
    """Labels of every tenth picture of 2019, some of them changed."""
    rows = imported_2019.rows("imagenet-val-2019")
    path = tmp_path_factory.mktemp("labels") / "mine.csv"
    lines = [
        f"{key},{(label + (number % 70 == 0)) % 1000}"
        for number, (key, label) in enumerate(zip(rows.keys, rows.labels, strict=True))
        if number % 10 == 0
    ]
    path.write_text("\n".join(["picture,class", *lines]))
    return path


@pytest.fixture(scope="module")
def tables(imported_2019, labels_file) -> dict[str, Any]:
    """Rows of the tables by source and model, as a program reads them."""
    table = score(imported_2019, labels=["original", str(labels_file)])
    plain = score(imported_2019)
    return {
        "both": {(row.run.source, row.run.model): record(table, row) for row in table.rows},
        "plain": {(row.run.source, row.run.model): record(plain, row) for row in plain.rows},
        "rows": plain.rows,
    }


def key_of(name: str, platform: str = "") -> tuple[str, str]:
    """Source and model of a run of 2019, from its name in a figure and its platform."""
    model, _, inside = name.partition(" (")
    return f"2019-{(inside.rstrip(')') or platform).lower()}", model


Check = Callable[[dict[str, Any], Store, dict[str, Any]], None]


def check_published(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = data_of(spec, "difference")
    assert len(found) == 34
    for one in found:
        row = tables["plain"][key_of(one["model"], one["platform"])]
        assert one["measured"] == close(100 * row["Acc@1"])
        assert one["published"] == close(100 * row["Published@1"])
        assert one["difference"] == pytest.approx(100 * row["Difference@1"], abs=1e-4)
        assert one["low"] == close(100 * (row["Acc@1 low"] - row["Published@1"]))
        assert one["high"] == close(100 * (row["Acc@1 high"] - row["Published@1"]))


def check_ranks(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = data_of(spec, "best", "worst")
    assert len(found) == 34
    for one in found:
        row = tables["plain"][key_of(one["model"], one["platform"])]
        for field, name in (("accuracy", "Acc@1"), ("low", "Acc@1 low"), ("high", "Acc@1 high")):
            assert one[field] == close(100 * row[name])
        for field, name in (("rank", "Rank@1"), ("tier", "Tier"), ("best", "Rank from")):
            assert one[field] == row[name]
        assert one["worst"] == row["Rank to"]
        assert one["tier_name"] == f"tier {row['Tier']}"


def check_cost(attribute: str, unit: float, n: int) -> Check:
    def check(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
        found = data_of(spec, "cost")
        assert len(found) == n
        costs = {(one.source, one.name.casefold()): getattr(one, attribute) for one in all_specs()}
        for one in found:
            source, model = key_of(one["model"], one["platform"])
            row = tables["plain"][source, model]
            assert one["accuracy"] == close(100 * row["Acc@1"])
            assert one["low"] == close(100 * row["Acc@1 low"])
            assert one["high"] == close(100 * row["Acc@1 high"])
            cost = costs[weights_source(source), model.casefold()]
            assert one["cost"] == close(cost / unit)
        better = pareto_front([one["cost"] for one in found], [one["accuracy"] for one in found])
        assert [one["on_front"] for one in found] == better

    return check


def milliseconds(run: Run, mode: str) -> float:
    """A latency for each run of 2019; every other one is faster if it is compiled."""
    number = sum(map(ord, run.full_name))
    return 10 + number % 97 - 5 * (mode == "compiled") * (1 if number % 2 else -1)


@pytest.fixture(scope="module")
def timed_2019(imported_2019, tmp_path_factory) -> Store:
    """The runs of 2019 with measured latencies, of all but the last one."""
    folder = tmp_path_factory.mktemp("timed")
    (folder / "imagenet-val-2019").symlink_to(imported_2019.folder / "imagenet-val-2019")
    for run in imported_2019.runs("imagenet-val-2019")[:-1]:
        for mode in ("eager", "compiled"):
            add_time(folder, run, mode, milliseconds(run, mode) / 1000, "a machine")
    return Store(folder)


def add_time(folder: Path, run: Run, mode: str, seconds: float, machine: str) -> None:
    """Store a measured latency."""
    conditions = Conditions(1, (0,), "1", "on", "NHWC", "glibc", "unknown", (), 0.0)
    measured = Measured(9.0, (), (seconds,) * 3, True, 1)
    one = Round(1, 1, "2026-01-01T00:00:00", measured, 2**30, None, conditions)
    series = Series("single", run.source, run.model, mode, 1)
    setting = Setting(machine, "cpu", 2, "float32", "published", {})
    SpeedStore(folder).add(series, setting, one)


def check_latency(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = data_of(spec, "cost")
    assert len(found) == 33
    runs = {(run.source, run.model): run for run in store.runs("imagenet-val-2019")}
    for one in found:
        key = key_of(one["model"], one["platform"])
        row = tables["plain"][key]
        assert one["accuracy"] == close(100 * row["Acc@1"])
        assert one["low"] == close(100 * row["Acc@1 low"])
        assert one["high"] == close(100 * row["Acc@1 high"])
        expected = min(milliseconds(runs[key], mode) for mode in ("eager", "compiled"))
        assert one["cost"] == close(expected)
    better = pareto_front([one["cost"] for one in found], [one["accuracy"] for one in found])
    assert [one["on_front"] for one in found] == better


def check_labels(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = data_of(spec, "x_low")
    assert len(found) == 34
    for one in found:
        row = tables["both"][key_of(one["model"], one["platform"])]
        for axis, name in (("x", "Acc@1"), ("y", "mine Acc@1")):
            assert one[axis] == close(100 * row[name])
            assert one[f"{axis}_low"] == close(100 * row[f"{name} low"])
            assert one[f"{axis}_high"] == close(100 * row[f"{name} high"])
            assert one[f"{axis}_rank"] == row[name.replace("Acc", "Rank")]


def check_sets(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = data_of(spec, "x_low")
    assert len(found) == 6
    both = [score(PRECOMPUTED, images) for images in ("demo", "imagenet-sample-500")]
    for one in found:
        model, platform = one["model"].split(" (")
        for axis, table in zip("xy", both, strict=True):
            rows = [record(table, row) for row in table.rows]
            (row,) = (r for r in rows if (r["Model"], f"{r['Platform']})") == (model, platform))
            assert one[axis] == close(100 * row["Acc@1"])
            assert one[f"{axis}_low"] == close(100 * row["Acc@1 low"])
            assert one[f"{axis}_high"] == close(100 * row["Acc@1 high"])
            assert one[f"{axis}_rank"] == row["Rank@1"]


def check_calibration(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    diagrams = [part for row in spec["vconcat"] for part in row["hconcat"]]
    assert len(diagrams) == 2
    right = every_image(store.labels("imagenet-val-2019"))
    for diagram in diagrams:
        name, error = diagram["title"]["text"]
        (rows,) = (r for r in spec["datasets"].values() if r[0].get("model") == name)
        n = np.array([row["n"] for row in rows])
        accuracy, sure = (np.array([row[f] for row in rows]) for f in ("accuracy", "probability"))
        (run,) = chosen_runs(store, [f"{'/'.join(key_of(name, RUNS[name]))}"])
        expected = calibration(store, run, right)["ECE"]
        assert error == f"ECE {100 * expected:.1f} %"
        assert n.sum() == 50_000
        assert n @ np.abs(accuracy - sure) / n.sum() == close(100 * expected)
        row = tables["plain"][run.source, run.model]
        assert n @ accuracy / n.sum() == close(100 * row["Acc@1"])
        top = store.read(run).probabilities[:, 0].astype(float)
        for one in rows:
            edges = [100 * round(one["probability"] * 0.15 + step) / 15 for step in (-0.5, 0.5)]
            assert [one["left"], one["right"]] == close(edges)
            inside = (top > one["left"] / 100) & (top <= one["right"] / 100 + 1e-9)
            assert one["n"] == inside.sum()
            assert one["probability"] == close(100 * top[inside].mean())
            assert one["share"] == close(100 * inside.mean())
            ends = wilson_interval(round(one["n"] * one["accuracy"] / 100), one["n"])
            assert [one["low"], one["high"]] == close([100 * end for end in ends])
            assert one["zero"] == 0


RUNS = {"resnet50": "PyTorch", "nasnetlarge": "Keras"}


def check_classes(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = compare(store, "resnet152", "xception").classes
    expected = [*found[:15], *found[-15:]]
    assert sorted(len(rows) for rows in spec["datasets"].values()) == [30, 60]
    for rows in spec["datasets"].values():
        for number, one in enumerate(rows):
            change = expected[number // (len(rows) // 30)]
            assert one["label"] == change.label
            assert one["class"] == f"{class_names()[change.label]} ({wnids()[change.label]})"
            assert (one["first"], one["second"]) == (change.first, change.second)
            assert one["n"] == change.n
            if "right" in one:
                which = {"resnet152": change.first, "xception": change.second}
                assert one["right"] == which[one["model"]]


def check_agreement(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = data_of(spec, "kappa")
    assert len(found) == 6
    for one in found:
        pair = compare(
            store, *("/".join(key_of(one[name], "Keras")) for name in ("first", "second"))
        )
        assert one["kappa"] == close(pair.pair.kappa)


def check_difficulty(spec: dict[str, Any], store: Store, tables: dict[str, Any]) -> None:
    found = data_of(spec, "level")
    hits = {}
    for row in tables["rows"]:
        hits[row.run] = store.classes(row.run)[:, 0] == store.labels(row.run.images)
    for row in tables["rows"]:
        own = [
            one
            for one in found
            if key_of(one["model"], row.provenance.platform) == (row.run.source, row.run.model)
        ]
        assert sum(one["right"] for one in own) == row.scores["Acc@1"].right
        assert sum(one["n"] for one in own) == 50_000
        others = sum(hits[run].astype(int) for run in hits if run != row.run)
        bounds = {"none": (0, 0), "up to 1/4": (1, 8), "up to 1/2": (9, 16), "up to 3/4": (17, 24)}
        bounds |= {"nearly all": (25, 32), "all": (33, 33)}
        for one in own:
            low, high = bounds[one["level"]]
            inside = (others >= low) & (others <= high)
            assert one["n"] == inside.sum()
            assert one["right"] == hits[row.run][inside].sum()
            assert one["accuracy"] == close(100 * hits[row.run][inside].mean())


CHECKS: dict[str, Check] = {
    "published": check_published,
    "ranks": check_ranks,
    "parameters": check_cost("parameters", 1e6, 34),
    "macs": check_cost("gigamacs", 1, 21),
    "latency": check_latency,
    "labels": check_labels,
    "sets": check_sets,
    "calibration": check_calibration,
    "classes": check_classes,
    "agreement": check_agreement,
    "difficulty": check_difficulty,
}
EVERY_FIGURE = pytest.mark.parametrize("name", CHECKS)


@pytest.fixture(scope="module")
def drawn(imported_2019, timed_2019, labels_file) -> Callable[[str], figures.Drawing]:
    """Each figure of the runs of 2019, drawn once."""
    options = {
        "labels": {"labels": ["original", str(labels_file)]},
        "calibration": {"runs": ["2019-pytorch/resnet50", "nasnetlarge"]},
        "classes": {"runs": ["resnet152", "xception"]},
        "agreement": {"runs": ["xception", "mobilenetV2", "nasnetmobile"]},
    }
    known: dict[str, figures.Drawing] = {}

    def draw(name: str) -> figures.Drawing:
        if name not in known:
            others = {"sets": PRECOMPUTED, "latency": timed_2019}
            store = others.get(name, imported_2019)
            known[name] = figures.plot(name, store, **options.get(name, {}))
        return known[name]

    return draw


def test_latency_says_where_it_was_measured_and_refuses_runs_without(drawn, imported_2019):
    notes = drawn("latency").notes
    assert "Measured with 2 threads, a machine, device cpu, float32." in notes
    assert "1 runs are left out: their latencies are not known." in notes
    with pytest.raises(BenchmarkError, match="the latency of no run was measured in this store"):
        figures.plot("latency", imported_2019)


def test_every_figure_has_a_check():
    assert figures.figures().keys() == CHECKS.keys()


@EVERY_FIGURE
def test_the_numbers_of_a_figure_are_those_of_the_table(name, drawn, imported_2019, tables):
    CHECKS[name](drawn(name).spec(), imported_2019, tables)


def planted(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Copies of a specification, each with one wrong number in the first of its records."""
    shown = max(spec["datasets"].values(), key=len)
    (place,) = (name for name, rows in spec["datasets"].items() if rows is shown)
    for field, value in shown[0].items():
        if isinstance(value, int | float):
            wrong = copy.deepcopy(spec)
            wrong["datasets"][place][0][field] = not value if value in (True, False) else value + 1
            yield field, wrong


@EVERY_FIGURE
def test_a_wrong_number_in_a_figure_is_seen(name, drawn, imported_2019, tables):
    fields = []
    for field, wrong in planted(drawn(name).spec()):
        fields.append(field)
        with pytest.raises(AssertionError):
            CHECKS[name](wrong, imported_2019, tables)
    assert fields


OUR_EXPRESSIONS = (
    r"datum\.value > 0 \? '\+' \+ datum\.label : datum\.label",
    r"\(?\(?datum\.(accuracy|kappa) > [\d.]+\)?\)?",
)


def texts_of_code(part: object) -> Iterator[str]:
    """What Vega would run: values of the properties that it reads as code."""
    if isinstance(part, dict):
        for name, value in part.items():
            code = name in ("expr", "labelExpr", "test", "signal", "calculate", "filter", "href")
            if code and isinstance(value, str):
                yield value
            yield from texts_of_code(value)
    elif isinstance(part, list):
        for value in part:
            yield from texts_of_code(value)


@EVERY_FIGURE
def test_code_in_a_figure_is_ours_alone(name, drawn):
    spec = drawn(name).spec()
    found = list(texts_of_code({key: part for key, part in spec.items() if key != "datasets"}))
    assert [one for one in found if not any(re.fullmatch(e, one) for e in OUR_EXPRESSIONS)] == []
    assert "url" not in json.dumps(spec)


PICTURES = [f"ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2, 3)]
MODELS = ("resnet18", "resnet50")


def a_hostile_store(folder: Path, a_provenance: Any, number: int = 0) -> None:
    """Runs of two models on two image sets, with markup and code as their platform."""
    for images in ("three", "other"):
        labels = dict(zip(PICTURES, (1, 1, 3), strict=True))
        the = an_image_set(folder.parent / "pictures", labels, images)
        for model in MODELS:
            made = replace(a_provenance(the), platform=f"{HOSTILE}{number}")
            classes = np.array([[1, 2], [1 + (model == "resnet50"), 3], [3 * number, 4]])
            top = TopK(classes, np.tile(np.array([0.6, 0.3], np.float32), (3, 1)))
            run = Run(images, "torchvision", model, "published")
            Store(folder).write(run, the, top, made)
            if images == "three":
                add_time(folder, run, "eager", 0.01, HOSTILE)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, a_provenance) -> Stores:
    """Two stores whose folder and platform have markup, code and control characters."""
    folder = tmp_path_factory.mktemp("hostile")
    folders = [folder / name for name in ("plain", HOSTILE.replace("/", "_"))]
    for number, store in enumerate(folders):
        a_hostile_store(store, a_provenance, number)
    return Stores(*folders)


@pytest.fixture(scope="module")
def hostile_labels(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("labels") / f"{HOSTILE.replace('/', '_')}.csv"
    lines = [f"{name},{label}" for name, label in zip(PICTURES, (1, 1, 0), strict=True)]
    path.write_text("\n".join(["picture,class", *lines, ""]))
    return path


TAGS = {
    *("svg", "g", "path", "text", "tspan", "rect", "line", "title", "image"),
    *("defs", "clipPath", "linearGradient", "stop"),
}


@EVERY_FIGURE
def test_hostile_names_stay_text_in_svg(name, hostile, hostile_labels):
    stores: Stores | Store = hostile
    options: dict[str, Any] = {"images": "three"}
    if name == "labels":
        options["labels"] = ["original", str(hostile_labels)]
    if name == "classes":
        options["runs"] = ["resnet18"]
    if name == "sets":
        options["images"] = ["three", "other"]
        stores = [*hostile.members.values()][1]
    root = ElementTree.fromstring(figures.plot(name, stores, **options).svg())  # noqa: S314
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= TAGS
    names = {key for element in root.iter() for key in element.attrib}
    assert not {key for key in names if key.startswith("on") or key.endswith("href")}
    shown = "".join(root.itertext())
    assert "hacked()" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_no_text_of_a_figure_can_end_a_text_of_an_expression(hostile, hostile_labels):
    """Vega-Lite writes titles and names into expressions, and leaves their backslashes as they are.

    Its escape of a quote is one, so a name with a backslash before a quote would become code.
    """
    import vl_convert

    labels = ["original", str(hostile_labels)]
    drawing = figures.plot("labels", hostile, images="three", labels=labels)
    for spec in (drawing.spec(), figures.plot("ranks", hostile, images="three").spec()):
        assert "\\\\" not in json.dumps(spec)
        compiled = vl_convert.vegalite_to_vega(spec)
        signals = re.findall(r'"signal": ("(?:[^"\\]|\\.)*")', json.dumps(compiled))
        code = [re.sub(r'"(?:[^"\\]|\\.)*"', "", json.loads(signal)) for signal in signals]
        assert not any("hacked" in one for one in code)


def test_hostile_names_stay_text_in_a_page(hostile):
    page = figures.plot("ranks", hostile, images="three").rendered(".html").decode()
    assert "<img" not in re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    (spec,) = re.findall(r'<script type="application/json" id="spec">(.*?)</script>', page, re.S)
    assert "onerror=hacked()" in json.dumps(json.loads(spec)["datasets"])
    assert not {"<", ">", "&"} & set(spec)
    (label,) = re.findall(r'aria-label="(.*?)"></main>', page, re.S)
    assert unescape(label).startswith("Accuracy, tiers and plausible ranks. three, 3 pictures")


def test_hostile_names_run_nothing_in_a_browser(visit, hostile, hostile_labels, tmp_path):
    path = tmp_path / "figure.html"
    labels = ["original", str(hostile_labels)]
    figures.plot("labels", hostile, images="three", labels=labels).save(path)
    opened = visit(path)
    opened.locator("svg text").filter(has_text="hacked()").first.wait_for()
    assert opened.locator("img, b").count() == 0


def test_names_of_runs_are_as_short_as_they_can_be(hostile, imported_2019):
    names = figures.plot("ranks", imported_2019, runs=["vgg16", "resnet18"]).spec()
    assert [one["model"] for one in data_of(names, "best")] == [
        *("vgg16 (PyTorch)", "resnet18", "vgg16 (Keras)"),
    ]
    drawing = figures.plot("ranks", hostile, images="three")
    assert len({one["model"] for one in data_of(drawing.spec(), "best")}) == 4


def test_a_page_needs_nothing_else(drawn):
    page = drawn("published").rendered(".html").decode()
    assert "default-src 'none'" in unescape(page)
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.findall(r"(?:src|href)=", outside)
    assert len(page) < 1_200_000


@pytest.mark.parametrize("theme", THEMES)
def test_a_figure_is_written_in_every_format(theme, drawn, tmp_path):
    starts = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".html": b"<!DOCTYPE html>"}
    for suffix, start in {**starts, ".json": b"{"}.items():
        path = tmp_path / f"figure{suffix.upper()}"
        drawn("calibration").save(path, theme)
        assert path.read_bytes().startswith(start)
    assert COLOURS[theme]["background"] in (tmp_path / "figure.SVG").read_text()


def test_no_line_below_a_title_begins_with_a_percent_sign(drawn):
    lines = drawn("ranks").spec()["title"]["subtitle"]
    assert lines[-1].startswith("5 %). Every second tier")


def test_a_notebook_shows_a_figure_as_svg(drawn):
    shown = drawn("published")._repr_mimebundle_()
    assert shown["image/svg+xml"].startswith("<svg")
    assert shown["text/plain"] == (
        "Measured minus published top-1 accuracy (published); save('published.svg') writes it"
    )


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    linear = to_linear(colour)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def to_linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# How people without one kind of cone see linear RGB: G. M. Machado, M. M. Oliveira and L. A. F.
# Fernandes (2009), A physiologically-based model for simulation of color vision deficiency.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear.clip(0, 1) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("theme", THEMES)
def test_the_first_four_colours_can_be_told_apart(theme, deficiency):
    """A difference of 2.3 in CIELAB is just noticeable; these are 10 or more apart."""
    seen = np.array(DEFICIENCIES[deficiency])
    colours = [lab(seen @ to_linear(COLOURS[theme][name])) for name in "1234"]
    assert min(np.linalg.norm(a - b) for a, b in combinations(colours, 2)) > 10


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_marks_stand_out_from_the_background(theme):
    """As WCAG 2.2 asks: 4.5 for text, 3 for what a figure is read by."""
    colours = COLOURS[theme]
    for name in ("ink", "soft"):
        for background in ("background", "band"):
            assert contrast(colours[name], colours[background]) >= 4.5
    for name in "123456":
        assert contrast(colours[name], colours["background"]) >= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pie", "-o", "x.svg"], "there is no figure 'pie'; there are agreement, calibration,"),
        (["ranks"], "plot needs a file to write; name it with -o, such as -o figure.svg."),
        (["ranks", "-o", "x.gif"], "x.gif has no known suffix; use one of .svg, .pdf, .png,"),
        (["ranks", "-o", "x.svg"], "shows one image set, and there are runs on 2 (demo, imagenet"),
        (["classes", "--images", "demo", "-o", "x.svg"], "figure classes needs 2 runs on demo"),
        (["labels", "--images", "demo", "-o", "x.svg"], "compares two label sets, not 1; give two"),
        (
            ["published", "--images", "demo", "--only", "n01614925", "-o", "x.svg"],
            "original labels",
        ),
        (["sets", "--images", "demo", "-o", "x.svg"], "compares two image sets, not 1; choose"),
        (["ranks", "alexnet", "-o", "x.svg"], "has no run of alexnet"),
    ],
)
def test_a_figure_that_cannot_be_drawn_says_why(arguments, message, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = call("plot", *arguments, "--store", PRECOMPUTED)
    assert (status, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_what_python_draws(call, tmp_path):
    file = tmp_path / "x.json"
    arguments = ["agreement", "*lite0", "*lite2", "--images", "demo", "--theme", "dark"]
    status, out, err = call("plot", *arguments, "-o", file, "--store", PRECOMPUTED)
    assert (status, out, err) == (0, "", f"wrote {file}\n")
    options = {"images": "demo", "runs": ["*lite0", "*lite2"]}
    drawing = figures.plot("agreement", PRECOMPUTED, **options)
    assert json.loads(file.read_text()) == drawing.spec("dark")


def test_a_figure_says_which_labels_and_pictures_count(imported_2019, labels_file):
    options = {"runs": ["xception", "resnet152"]}
    plain = figures.plot("agreement", imported_2019, **options)
    other = figures.plot("agreement", imported_2019, labels=str(labels_file), **options)
    assert "Scored with" not in plain.description
    assert "Scored with mine labels, 5,000 pictures." in other.description
    with pytest.raises(BenchmarkError, match="figure published needs all pictures with their orig"):
        figures.plot("published", imported_2019, labels=str(labels_file))


def test_without_a_name_the_figures_are_listed(call):
    status, out, err = call("plot")
    assert (status, err) == (0, "")
    assert "published        Measured minus published top-1 accuracy" in out.splitlines()
    assert len(out.splitlines()) == len(CHECKS) + 1  # learning curves are not of runs


def test_without_altair_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingDependency, match=r"altair is not installed; run: pip install '"):
        figures.plot("ranks", PRECOMPUTED, images="demo")


def test_published_accuracies_are_not_compared_with_other_pictures():
    with pytest.raises(BenchmarkError, match="no run on demo has a published accuracy to compare"):
        figures.plot("published", PRECOMPUTED, images="demo")


def test_a_figure_can_be_a_plug_in(tmp_path, monkeypatch):
    monkeypatch.setenv(plugins.FILES_VARIABLE, "")  # --plugin adds to it
    file = tmp_path / "mine.py"
    file.write_text(
        "PLUGIN, NAME, TITLE = 'figures', 'mine', 'A figure of mine'\n"
        "def content(subjects):\n"
        "    import altair\n"
        "    from benchmarking.reports.figures import Content\n"
        "    data = altair.InlineData(values=[{'n': subjects[0].table.n}])\n"
        "    return Content(altair.Chart(data).mark_bar().encode(x='n:Q'))\n"
    )
    out = tmp_path / "mine.json"
    arguments = ["--plugin", file, "mine", "--images", "demo", "--store", PRECOMPUTED, "-o", out]
    try:
        assert main(list(map(str, ["plot", *arguments]))) == 0
    finally:
        forget_plugins()
    spec = json.loads(out.read_text())
    assert data_of(spec, "n") == [{"n": 20}]
    assert spec["title"]["text"] == "A figure of mine"
