"""The leaderboard of `site`: links lead somewhere, numbers are the table's, names stay text."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import replace
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import an_image_set
from html_outline import HOSTILE, Outline

from benchmarking.cli import _parser, main
from benchmarking.errors import BenchmarkError
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK
from benchmarking.reports.citation import cite
from benchmarking.reports.shown_table import score
from benchmarking.reports.site import write_pages
from benchmarking.reports.site.folder import LIST

ROOT = Path(__file__).parents[2]
PRECOMPUTED = ROOT / "precomputed"
ADDRESS = "https://example.org/board"
MODEL = "models/efficientnet-lite-pytorch/efficientnet-lite0/published.html"
KINDS = (
    "index.html",
    "sets/demo.html",
    MODEL,
    "models.html",
    "methods.html",
    "submit.html",
    "changes.html",
)


@pytest.fixture(scope="module")
def board(tmp_path_factory) -> Path:
    """The leaderboard of the predictions that ship."""
    folder = tmp_path_factory.mktemp("board") / "site"
    arguments = ["--store", str(PRECOMPUTED), "--address", ADDRESS, "-o", str(folder)]
    assert main(["site", *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def outlines(board) -> dict[str, Outline]:
    found = board.rglob("*.html")
    return {path.relative_to(board).as_posix(): Outline(path.read_text()) for path in found}


def test_there_is_a_page_for_each_image_set_and_each_model(outlines):
    runs = [
        run for images in ("demo", "imagenet-sample-500") for run in Store(PRECOMPUTED).runs(images)
    ]
    models = {f"models/{run.source}/{run.model}/{run.recipe}.html" for run in runs}
    assert len(models) == 6
    assert outlines.keys() == {
        *("index.html", "models.html", "methods.html", "submit.html", "changes.html"),
        *("sets/demo.html", "sets/imagenet-sample-500.html"),
        *models,
    }
    assert all(found.open == [] for found in outlines.values())


def test_every_link_leads_to_a_page_of_the_site(board, outlines):
    reached = {"index.html"}
    for path, found in outlines.items():
        for tag, attributes in found.elements:
            assert "src" not in attributes
            assert tag not in ("iframe", "object", "embed", "base", "img", "image")
            if "href" not in attributes:
                continue
            target, _, anchor = unquote(attributes["href"]).partition("#")
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            place = place if target else path
            reached.add(place)
            assert (board / place).is_file(), f"{path}: {attributes['href']}"
            ids = [a["id"] for _, a in outlines[place].elements if "id" in a] if anchor else []
            assert not anchor or anchor in ids
    assert reached == {p.relative_to(board).as_posix() for p in board.rglob("*.*")} - {LIST}


def test_the_page_of_an_image_set_has_the_cells_of_the_table(outlines):
    table = score(PRECOMPUTED, "imagenet-sample-500")
    _, *lines = outlines["sets/imagenet-sample-500.html"].tables[0]
    for line, row in zip(lines, table.rows, strict=True):
        found = row.scores["Acc@1"]
        ends = f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"
        assert line[0].startswith(row.run.model)
        assert line[1] == row.platform
        assert line[2] == f"{100 * found.share:.2f} {ends}"


def test_the_first_page_has_each_set_with_its_best_run_and_the_table_of_the_largest(outlines):
    sets, largest = outlines["index.html"].tables
    expected = []
    for images, pictures in (("imagenet-sample-500", "500"), ("demo", "20")):
        table = score(PRECOMPUTED, images)
        best = table.rows[0]
        found = best.scores["Acc@1"]
        accuracy = f"{100 * found.share:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]"
        name = f"{best.run.model} ({best.platform})"
        expected.append([images, pictures, "6", name, accuracy])
    assert sets[1:] == expected
    assert largest == outlines["sets/imagenet-sample-500.html"].tables[0]


def test_the_page_of_a_model_has_its_scores_on_every_image_set(outlines):
    (panel,) = outlines[MODEL].tables
    for line in panel[1:]:
        (row,) = (
            row
            for row in score(PRECOMPUTED, line[0]).rows
            if (row.run.source, row.run.model)
            == ("efficientnet-lite-pytorch", "efficientnet-lite0")
        )
        assert line[3] == f"{100 * row.scores[line[1]].share:.2f}"
    assert [line[0] for line in panel[1:]] == ["demo"] * 2 + ["imagenet-sample-500"] * 2


def test_the_downloads_are_the_files_of_table_and_cite(board, tmp_path):
    for suffix in (".csv", ".json"):
        file = tmp_path / f"demo{suffix}"
        arguments = ["--images", "demo", "--store", str(PRECOMPUTED), "-o", str(file)]
        assert main(["table", *arguments]) == 0
        assert (board / "sets" / file.name).read_text() == file.read_text()
    assert (board / "sets" / "demo.bib").read_text() == cite([score(PRECOMPUTED, "demo")])


def test_the_feed_has_each_run_newest_first(board):
    """The elements that RSS 2.0 requires, with the dates of the runs' provenance."""
    channel = ElementTree.parse(board / "changes.xml").getroot().find("channel")  # noqa: S314
    for name in ("title", "link", "description"):
        assert channel.findtext(name)
    items = channel.findall("item")
    assert len(items) == 12
    dates = [parsedate_to_datetime(item.findtext("pubDate")) for item in items]
    assert dates == sorted(dates, reverse=True)
    store = Store(PRECOMPUTED)
    known = [
        store.provenance(run).started for name in store.image_sets() for run in store.runs(name)
    ]
    assert [date.isoformat() for date in dates] == sorted(known, reverse=True)
    assert len({item.findtext("guid") for item in items}) == 12
    for item in items:
        assert item.findtext("title")
        path = item.findtext("link").removeprefix(f"{ADDRESS}/")
        assert (board / path).is_file()


def test_runs_without_a_date_come_last(imported_2019, tmp_path):
    """Two stores of which one has a date: 2019's has none."""
    arguments = ["--store", str(imported_2019.folder), "--store", str(PRECOMPUTED)]
    assert (
        main(["site", "*pytorch/*lite0", "alexnet", *arguments, "-o", str(tmp_path / "site")]) == 0
    )
    found = Outline((tmp_path / "site" / "changes.html").read_text())
    text = (tmp_path / "site" / "changes.html").read_text()
    assert re.findall(r"<li>([^:<]+): <a", text) == ["2026-11-23"] * 2 + ["not recorded"]
    feed = ElementTree.parse(tmp_path / "site" / "changes.xml")  # noqa: S314
    items = feed.findall("./channel/item")
    assert [item.find("pubDate") is not None for item in items] == [True, True, False]
    assert items[2].findtext("link") == "models/2019-pytorch/alexnet/northcutt2019.html"
    assert found.open == []


def test_every_command_of_the_pages_is_understood(board):
    text = unescape((board / "submit.html").read_text())
    commands = re.findall(r"<pre[^>]*>imagenet-benchmark (.+?)</pre>", text)
    assert len(commands) == 8
    for command in commands:
        words = shlex.split(command)
        assert _parser(words).parse_args(words).run


def test_the_pages_are_the_same_for_the_same_runs(tmp_path):
    arguments = ["site", "*lite0", "--images", "demo", "--store", str(PRECOMPUTED), "-o"]
    found = []
    for name in ("one", "two"):
        assert main([*arguments, str(tmp_path / name)]) == 0
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        found.append({path.relative_to(tmp_path / name): path.read_text() for path in files})
    assert found[0] == found[1]


def test_pages_of_runs_that_are_gone_are_removed(tmp_path):
    write_pages({"a.html": "1", "models/b/c.html": "2", "models/d/e.html": "3"}, tmp_path)
    write_pages({"a.html": "4", "models/d/e.html": "5"}, tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "a.html",
        "d",
        "e.html",
        "models",
        LIST,
    ]
    assert (tmp_path / "a.html").read_text() == "4"


def test_a_folder_with_files_of_others_is_refused(tmp_path):
    (tmp_path / "thesis.html").write_text("years of work")
    with pytest.raises(BenchmarkError, match=f"has files, but not {LIST}, so it has no pages of"):
        write_pages({"index.html": ""}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.html"]


def test_a_list_of_pages_cannot_name_files_of_others(tmp_path):
    (tmp_path / "thesis.html").write_text("years of work")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / LIST).write_text(f"../thesis.html\n{tmp_path}/thesis.html\n")
    write_pages({"index.html": ""}, folder)
    assert (tmp_path / "thesis.html").exists()


@pytest.mark.parametrize("path", ["models/thesis.html", "models/torch/thesis.html"])
def test_pages_of_a_foreign_folder_are_not_written_or_removed_through_its_links(tmp_path, path):
    mine = tmp_path / "mine"
    (mine / "torch").mkdir(parents=True)
    for place in (mine, mine / "torch"):
        (place / "thesis.html").write_text("years of work")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "models").symlink_to(mine)
    (folder / LIST).write_text(f"{path}\n")
    write_pages({"index.html": ""}, folder)
    with pytest.raises(BenchmarkError, match="models is a link, and pages are written within"):
        write_pages({"index.html": "", path: "a page"}, folder)
    assert [each.read_text() for each in mine.rglob("*.html")] == ["years of work"] * 2


def test_hidden_files_are_no_pages_that_a_list_can_name(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("[core]")
    (tmp_path / LIST).write_text(".git/config\n")
    write_pages({"index.html": ""}, tmp_path)
    assert (tmp_path / ".git" / "config").exists()


def test_an_address_of_no_web_server_is_refused(call, tmp_path):
    arguments = ["--images", "demo", "--store", PRECOMPUTED, "-o", tmp_path / "x"]
    status, _, err = call("site", *arguments, "--address", "javascript:hacked()")
    assert status == 2
    assert "'javascript:hacked()' is no address of a web server, such as https://exam" in err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, a_provenance) -> Path:
    """The leaderboard of two stores with markup, code and control characters in every place."""
    folder = tmp_path_factory.mktemp("hostile")
    images = an_image_set(folder / "pictures", {"a": 1, "b": 1, "c": 3})
    made = replace(
        a_provenance(images),
        platform=HOSTILE,
        weights={"name": HOSTILE, HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        device=HOSTILE,
        started=HOSTILE,
        arguments=(HOSTILE,),
        origin={HOSTILE: HOSTILE},
        preprocessing={HOSTILE: HOSTILE},
    )
    stores = []
    for number, name in enumerate((HOSTILE.replace("/", "_"), "plain")):
        stores += ["--store", str(folder / name)]
        for model in ("one", "two"):
            top = TopK(
                np.array([[1, 2], [3, 1], [3, number]]), np.tile(np.float32([0.6, 0.3]), (3, 1))
            )
            Store(folder / name).write(Run("three", "mine", model, "published"), images, top, made)
    assert main(["site", *stores, "-o", str(folder / "site")]) == 0
    return folder / "site"


def test_hostile_names_stay_text(hostile):
    """Runs of two stores with one name have pages of their own."""
    pages = sorted((hostile / "models").rglob("*.html"))
    assert [page.name for page in pages] == ["published-2.html", "published.html"] * 2
    for path in hostile.rglob("*.html"):
        text = path.read_text()
        found = Outline(text)
        assert found.open == []
        assert not {"img", "b", "iframe"} & {tag for tag, _ in found.elements}
        assert [tag for tag, _ in found.elements if tag == "script"] == ["script"]
        names = {name for _, attributes in found.elements for name in attributes}
        assert not any(name.startswith("on") for name in names)
        assert not {"\x1b", "\u202e"} & set(text)
    assert "onerror=hacked()" in pages[0].read_text()
    feed = ElementTree.parse(hostile / "changes.xml")  # noqa: S314
    assert len(feed.findall("./channel/item")) == 4
    assert "{{7*7}}" in feed.find("./channel/item/title").text


def test_hostile_names_run_nothing_in_a_browser(visit, hostile):
    for path in hostile.rglob("*.html"):
        opened = visit(path, within=hostile)
        assert opened.locator("img, b").count() == 0


def test_a_reader_walks_from_the_table_to_a_model_and_to_its_set(visit, board):
    opened = visit(board / "index.html", within=board)
    opened.get_by_label("Filter").fill("lite0")
    assert opened.locator("output").inner_text() == "2 of 6 runs"
    opened.locator("table.runs tbody tr:visible a").first.press("Enter")
    assert "efficientnet-lite0, recipe published" in opened.locator("h1").inner_text()
    opened.get_by_role("link", name="demo", exact=True).press("Enter")
    assert opened.locator("h1").inner_text() == "demo"
    opened.get_by_role("button", name="Model").press("Enter")
    assert "sorted by Model, ascending" in opened.locator("output").inner_text()
    opened.get_by_role("link", name="Leaderboard").press("Enter")
    assert opened.get_by_role("link", name="Leaderboard").get_attribute("aria-current") == "page"


def test_the_keyboard_reaches_the_contents_first(visit, board):
    opened = visit(board / "index.html", within=board)
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to the contents"
    opened.keyboard.press("Enter")
    assert opened.url.endswith("#main")


def test_without_javascript_the_pages_are_plain(visit, board):
    opened = visit(board / "index.html", within=board, java_script_enabled=False)
    assert opened.locator("table.runs tbody tr").count() == 6
    assert not opened.get_by_label("Filter").is_visible()
    opened.locator("table.runs tbody a").first.click()
    assert opened.locator("h2", has_text="How it was made").is_visible()


@pytest.mark.parametrize("page", KINDS)
def test_a_page_fits_a_phone_and_axe_finds_no_fault(page, visit, axe_faults, board):
    view = {"width": 390, "height": 800}
    opened = visit(board / page, within=board, viewport=view)
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    for width, scheme in ((390, "dark"), (1280, "light")):
        assert axe_faults(board / page, width=width, scheme=scheme) == []
