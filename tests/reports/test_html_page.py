"""The page of `report`: a plain table, and in a browser one that can be sorted and filtered.

The tests in a browser are skipped where there is none; see `browser` in conftest.py.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import an_image_set
from html_outline import HOSTILE, Outline
from PIL import Image

from benchmarking.cli import main
from benchmarking.labels.imagenet import class_names
from benchmarking.pictures.sets import open_images
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK
from benchmarking.reports.cells import cells
from benchmarking.reports.citation import cite
from benchmarking.reports.html_page import _figures
from benchmarking.reports.html_page._figures import inlined
from benchmarking.reports.shown_table import score
from benchmarking.scoring.verify import verify

ROOT = Path(__file__).parents[2]
PRECOMPUTED = ROOT / "precomputed"


@pytest.fixture(scope="module")
def written(imported_2019, tmp_path_factory) -> Path:
    """The page of the 34 runs of 2019."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert main(["report", "--store", str(imported_2019.folder), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def outline(written) -> Outline:
    return Outline(written.read_text())


def test_every_element_of_the_page_is_closed(outline):
    assert outline.open == []


def test_the_table_of_the_page_has_the_cells_of_the_table(outline, imported_2019):
    table = score(imported_2019)
    headings, *lines = outline.tables[0]
    assert headings[:4] == ["Model", "Platform", "Acc@1 ± 95 % CI", "Acc@5"]
    assert headings[4:] == ["Rank", "Tier", "Ranks", "Published", "Difference", "Verdict"]
    verdicts = {one.run: one.verdict.value for one in verify(imported_2019)}
    wide = cells(table)
    for line, row, all_cells in zip(lines, table.rows, wide[1:], strict=True):
        known = dict(zip(wide[0], all_cells, strict=True))
        for name in ("Platform", "Ranks", "Published", "Difference", "Tier"):
            assert line[headings.index(name)] == known[name]
        assert line[0].partition(" (")[0] == row.run.model
        found = row.scores["Acc@1"]
        half = 50 * (found.high - found.low)
        assert line[2] == f"{100 * found.share:.2f} ± {half:.2f}"
        assert line[3] == known["Acc@5 [95 % interval]"].partition(" [")[0]
        assert line[4] == known["Rank@1"]
        assert line[-1] == verdicts[row.run]


def test_each_model_has_a_panel_with_its_scores(outline, imported_2019):
    table = score(imported_2019)
    panels = outline.tables[1:]
    assert len(panels) == 34
    for panel, row in zip(panels, table.rows, strict=True):
        names = ("Acc@1", "Acc@5")
        assert [line[1] for line in panel[1:]] == list(names)
        for line, name in zip(panel[1:], names, strict=True):
            found = row.scores[name]
            assert line[2:] == [
                *("50,000", f"{100 * found.share:.2f}"),
                *(f"[{100 * found.low:.2f}, {100 * found.high:.2f}]", f"{found.rank} of 34"),
            ]


def test_links_within_the_page_lead_somewhere_and_none_leads_out(outline):
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [a for tag, a in outline.elements if tag == "a"]
    assert len(links) > 34
    for one in links:
        assert one["href"].removeprefix("#") in ids or one["href"].startswith("data:")
    for tag, attributes in outline.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img", "image")
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)


def data_of(address: str) -> str:
    kind, _, data = address.partition(";base64,")
    found = base64.b64decode(unquote(data))
    return (gzip.decompress(found) if kind.endswith("gzip") else found).decode()


def test_the_downloads_are_the_files_of_table_and_cite(outline, imported_2019, tmp_path):
    links = {a["download"]: a["href"] for tag, a in outline.elements if "download" in a}
    assert links.keys() == {"table.csv", "table.json", "table.bib"}
    folder = str(imported_2019.folder)
    for name in ("table.csv", "table.json"):
        assert main(["table", "--store", folder, "-o", str(tmp_path / name)]) == 0
        assert data_of(links[name]) == (tmp_path / name).read_text()
    assert data_of(links["table.bib"]) == cite([score(imported_2019)])


def test_the_page_of_34_models_is_small(written):
    assert written.stat().st_size < 2_000_000


def test_the_page_is_the_same_for_the_same_runs(tmp_path):
    arguments = ["report", "*lite0", "--images", "demo", "--store", str(PRECOMPUTED)]
    found = []
    for name in ("one.html", "two.html"):
        assert main([*arguments, "-o", str(tmp_path / name)]) == 0
        found.append((tmp_path / name).read_text())
    assert found[0] == found[1]


def test_a_page_says_if_its_figures_do_not_show_all_runs(written, tmp_path, monkeypatch):
    monkeypatch.setattr(_figures, "MOST", 3)
    path = tmp_path / "page.html"
    arguments = ["report", "--images", "demo", "--store", str(PRECOMPUTED), "-o", str(path)]
    assert main(arguments) == 0
    assert "Figures show the best 3 of 6 runs, or fewer." in path.read_text()
    assert "Figures show the best" not in written.read_text()


def test_the_policy_allows_its_own_script_alone(written):
    text = written.read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert unescape(policy).startswith(f"default-src 'none'; script-src 'sha256-{digest}'; ")


def test_ids_of_two_figures_differ():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><clipPath id="c"/>'
        '<g clip-path="url(#c)" class="x"><text>url(#c) &lt;b&gt;</text></g></svg>'
    )
    assert inlined(svg, "a-") == (
        '<svg xmlns="http://www.w3.org/2000/svg" style="max-width: 9px" aria-hidden="true">'
        '<clipPath id="a-0" /><g clip-path="url(#a-0)"><text>url(#c) &lt;b&gt;</text></g></svg>'
    )


def test_the_sides_of_an_image_set_and_of_a_second_one_are_in_a_panel(tmp_path):
    path = tmp_path / "both.html"
    arguments = ["*lite0", "*lite1", "--store", str(PRECOMPUTED)]
    assert main(["report", *arguments, "-o", str(path)]) == 0
    found = Outline(path.read_text())
    panel = found.tables[2]
    assert [line[:2] for line in panel[1:]] == [
        *(["demo", "Acc@1"], ["demo", "Acc@5"]),
        *(["imagenet-sample-500", "Acc@1"], ["imagenet-sample-500", "Acc@5"]),
    ]
    text = path.read_text()
    for name, n in (("Date (demo)", 4), ("Date (imagenet-sample-500)", 4), ("Platform", 4)):
        assert text.count(f"<dt>{name}</dt>") == n
    titles = [a["aria-label"] for tag, a in found.elements if tag == "figure"]
    assert sum(title.startswith("Accuracy on two image sets. demo, 20") for title in titles) == 1


def test_the_pictures_on_which_models_disagree_are_shown(tmp_path):
    """Independently: of the runs of the demo set, those that some get right and others do not."""
    path = tmp_path / "pictures.html"
    arguments = ["report", "--images", "demo", "--store", str(PRECOMPUTED), "-o", str(path)]
    assert main([*arguments, "--pictures", "demo"]) == 0
    found = Outline(path.read_text())
    shown = [one for tag, one in found.elements if tag == "img"]
    store = Store(PRECOMPUTED)
    hits = [store.classes(run)[:, 0] == store.labels("demo") for run in store.runs("demo")]
    right = np.sum(hits, axis=0)
    disputed = [row for row in range(20) if 0 < right[row] < len(hits)]
    labels = sorted(class_names()[store.labels("demo")[row]] for row in disputed)
    assert sorted(one["alt"] for one in shown) == labels != []
    for one in shown:
        with Image.open(io.BytesIO(base64.b64decode(one["src"].partition(",")[2]))) as picture:
            assert (picture.format, max(picture.size)) == ("JPEG", 128)
            assert not picture.getexif()


def test_pictures_of_another_set_are_refused(call, tree, tmp_path):
    arguments = ["--images", "demo", "--store", PRECOMPUTED, "-o", tmp_path / "x.html"]
    status, _, err = call("report", *arguments, "--pictures", tree)
    assert status == 2
    assert "none of the 6 pictures has a name of those of demo, such as 'imagenet_17_22.jpg'" in err


def test_a_hostile_name_of_a_picture_stays_text(call, tmp_path, a_provenance):
    folder = tmp_path / "pictures" / "n01440764"
    folder.mkdir(parents=True)
    name = f"{HOSTILE.replace('/', '_')}.png"
    Image.new("RGB", (20, 30)).save(folder / name)
    images = open_images(tmp_path / "pictures")
    for model, guess in (("one", 0), ("two", 1)):
        top = TopK(np.array([[guess, 2]]), np.float32([[0.6, 0.3]]))
        run = Run(images.name, "mine", model, "published")
        Store(tmp_path / "store").write(run, images, top, a_provenance(images))
    path = tmp_path / "page.html"
    arguments = ["--store", tmp_path / "store", "--pictures", tmp_path / "pictures"]
    assert call("report", *arguments, "-o", path)[0] == 0
    found = Outline(path.read_text())
    assert [one["alt"] for tag, one in found.elements if tag == "img"] == ["tench"]
    assert not any(name.startswith("on") for _, one in found.elements for name in one)
    assert "onerror=hacked()&gt;" in path.read_text()
    assert not {"\x1b", "\u202e"} & set(path.read_text())


def test_other_suffixes_are_refused(call, tmp_path):
    status, _, err = call("report", "--store", PRECOMPUTED, "-o", tmp_path / "x.pdf")
    assert status == 2
    assert err.endswith("x.pdf has no known suffix; use .html.\n")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, a_provenance) -> Path:
    """The page of a store whose run has markup, code and control characters in every place."""
    tmp_path = tmp_path_factory.mktemp("hostile")
    three_pictures = an_image_set(tmp_path / "pictures", {"a": 1, "b": 1, "c": 3})
    made = replace(
        a_provenance(three_pictures),
        platform=HOSTILE,
        weights={"name": HOSTILE, HOSTILE: HOSTILE, "nested": {HOSTILE: HOSTILE}},
        versions={HOSTILE: HOSTILE},
        device=HOSTILE,
        precision=HOSTILE,
        started=HOSTILE,
        arguments=(HOSTILE,),
        origin={HOSTILE: HOSTILE},
        incidents=(HOSTILE,),
        preprocessing={HOSTILE: HOSTILE},
    )
    top = TopK(np.array([[1, 2], [3, 1], [3, 2]]), np.tile(np.float32([0.6, 0.3]), (3, 1)))
    for folder in (tmp_path / HOSTILE.replace("/", "_"), tmp_path / "plain"):
        for model in ("one", "two"):
            Store(folder).write(Run("three", "mine", model, "published"), three_pictures, top, made)
        top = TopK(np.array([[1, 2], [1, 3], [3, 2]]), top.probabilities)
    labels = tmp_path / f"{HOSTILE.replace('/', '_')}.csv"
    labels.write_text("picture,class\na,1\nb,1\nc,0\n")
    path = tmp_path / "hostile.html"
    stores = [
        part
        for one in tmp_path.iterdir()
        if one.is_dir() and one.name != "pictures"
        for part in ("--store", str(one))
    ]
    arguments = ["--labels", "original", "--labels", str(labels), "-o", str(path)]
    assert main(["report", *stores, *arguments]) == 0
    return path


def test_hostile_names_stay_text(hostile):
    text = hostile.read_text()
    found = Outline(text)
    assert found.open == []
    tags = {tag for tag, _ in found.elements}
    assert not {"img", "b", "iframe"} & tags
    assert [tag for tag, _ in found.elements if tag in ("script", "style")] == ["style", "script"]
    names = {name for _, attributes in found.elements for name in attributes}
    assert not any(name.startswith("on") for name in names)
    assert "{{7*7}}" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert text.count("onerror=hacked()") > 20


def names_of(opened) -> list[str]:
    return opened.locator("table.runs tbody tr:visible th").all_inner_texts()


def test_the_table_is_sorted_by_a_click_and_by_a_key(visit, written, imported_2019):
    opened = visit(written)
    heading = opened.get_by_role("button", name="Published")
    heading.click()
    published = opened.locator("table.runs tbody tr td:nth-child(8)").all_inner_texts()
    assert published == sorted(published, key=float)
    opened.keyboard.press("Enter")
    published = opened.locator("table.runs tbody tr td:nth-child(8)").all_inner_texts()
    assert published == sorted(published, key=float, reverse=True)
    column = opened.get_by_role("columnheader", name="Published")
    assert column.get_attribute("aria-sort") == "descending"
    assert "sorted by Published, descending" in opened.locator("output").inner_text()
    opened.get_by_role("button", name="Acc@1").click()
    models = [row.run.model for row in score(imported_2019).rows]
    assert [name.partition(" (")[0] for name in names_of(opened)] == models
    opened.get_by_role("button", name="Model").click()
    found = names_of(opened)
    assert found[0] == "alexnet"
    assert found.index("vgg11") < found.index("vgg13") < found.index("xception")


def test_the_table_is_filtered_by_name_and_platform(visit, written):
    opened = visit(written)
    opened.get_by_label("Filter").fill("vgg16")
    assert names_of(opened) == ["vgg16_bn", "vgg16 (PyTorch)", "vgg16 (Keras)"]
    opened.get_by_label("Platform").select_option("Keras")
    assert names_of(opened) == ["vgg16 (Keras)"]
    assert opened.locator("output").inner_text() == "1 of 34 runs"
    opened.get_by_label("Filter").fill("")
    assert len(names_of(opened)) == 13


def test_a_link_opens_the_panel_of_its_model(visit, written):
    opened = visit(written)
    opened.get_by_role("link", name="resnet152").press("Enter")
    panel = opened.locator("details:target")
    assert panel.get_attribute("open") is not None
    assert "2019-pytorch/resnet152, recipe northcutt2019" in panel.inner_text()
    assert "not reproduced" in panel.inner_text()
    assert "@inproceedings{he2016deep" in panel.locator("pre").inner_text()


def test_the_citation_is_copied(visit, written, imported_2019):
    opened = visit(written, permissions=["clipboard-read", "clipboard-write"])
    opened.locator("#citation button").click()
    opened.get_by_text("Copied").wait_for()
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cite([score(imported_2019)]).strip()


def test_the_csv_is_downloaded(visit, written):
    opened = visit(written)
    with opened.expect_download() as waiting:
        opened.get_by_role("link", name="CSV").click()
    assert waiting.value.suggested_filename == "table.csv"
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert len(rows) == 34
    assert (rows[0]["Model"], rows[0]["Acc@1"]) == ("nasnetlarge", "0.80826")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_width(width, visit, written):
    opened = visit(written, viewport={"width": width, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") == width


def test_a_phone_shows_the_accuracies_without_scrolling_aside(visit, written):
    opened = visit(written, viewport={"width": 390, "height": 800})
    box = opened.locator("table.runs tbody td:nth-child(3)").first.bounding_box()
    assert box["x"] + box["width"] <= 390 - 16


def test_the_page_prints(visit, written):
    opened = visit(written)
    assert opened.pdf().startswith(b"%PDF")


def test_without_javascript_it_is_a_plain_table(visit, written):
    opened = visit(written, java_script_enabled=False)
    assert opened.locator("table.runs tbody tr").count() == 34
    assert not opened.get_by_label("Filter").is_visible()
    assert opened.locator("thead button").count() == 0
    assert not opened.get_by_text("Copy", exact=True).first.is_visible()


def test_the_names_that_a_screen_reader_says(visit, written):
    opened = visit(written)
    for role, name in (("table", "imagenet-val-2019, 50000 pictures"), ("navigation", "Contents")):
        assert opened.get_by_role(role, name=name).count() == 1
    assert opened.get_by_role("img").count() >= 6
    assert opened.locator("table.runs tbody th[scope=row]").count() == 34
    unnamed = opened.locator("button:visible, input:visible, select:visible, a:visible")
    for one in unnamed.all():
        name = one.inner_text() or one.get_attribute("aria-label") or one.locator("..").inner_text()
        assert name.strip()
    levels = opened.locator("h1, h2, h3").evaluate_all("all => all.map(one => +one.tagName[1])")
    steps = [after - before for before, after in zip(levels, levels[1:], strict=False)]
    assert levels[0] == 1
    assert max(steps) <= 1


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_axe_finds_no_fault(width, scheme, axe_faults, written):
    assert axe_faults(written, "#model-3", width=width, scheme=scheme) == []


def test_hostile_names_run_nothing_in_a_browser(visit, hostile):
    opened = visit(hostile)
    opened.locator("summary").first.click()
    assert opened.locator("img, b").count() == 0
    assert opened.locator("script").count() == 1
