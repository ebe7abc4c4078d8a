"""Predictions shown as pictures: which are chosen, and that names stay text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.transfer.shown import chosen, predictions_sheet
from benchmarking.pictures.image_set import FilePart, Picture

HOSTILE = "</script><b onload='alert(1)'>\x1b[31m\\'"
SURE = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])


@pytest.fixture
def four(tmp_path: Path) -> tuple[Picture, ...]:
    """Red, green, blue and white pictures; the first three are of class 0."""
    found = []
    for number, colour in enumerate(("#ff0000", "#00ff00", "#0000ff", "#ffffff")):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (40, 30), colour).save(path)
        found.append(Picture(f"{HOSTILE}/{number}.png", number // 3, FilePart(str(path))))
    return tuple(found)


def test_the_most_confident_mistakes_are_shown_first_and_then_right_ones_of_all_classes():
    labels = np.array([0, 0, 0, 1])
    assert chosen(labels, SURE, most=3).tolist() == [2, 0, 3]
    assert chosen(labels, SURE, most=24).tolist() == [2, 1, 0, 3]
    assert chosen(1 - labels, SURE, most=2).tolist() == [0, 1]
    assert chosen(np.array([0, 1, 1, 1]), SURE, most=2).tolist() == [0, 2]


def test_a_sheet_says_how_many_are_wrong_and_which_are_shown(four):
    sheet = predictions_sheet(four, ("red", "other"), SURE, about="a model", most=3)
    assert sheet.title == "Predictions of a model"
    assert sheet.notes[0] == (
        "2 of 4 predictions are wrong. Shown are the 1 most confident of these, then 2 right ones, "
        "evenly spaced over the classes."
    )


def test_the_picture_file_has_the_pictures(four, tmp_path):
    predictions_sheet(four, ("red", "other"), SURE).save(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as file:
        pixels = np.asarray(file.convert("RGB")).astype(int).reshape(-1, 3)
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        near = np.abs(pixels - colour).max(axis=1) < 20
        assert near.sum() > 10_000, colour


def test_names_are_only_text_in_the_drawing(four):
    svg = predictions_sheet(four, (HOSTILE, "été"), SURE).svg()
    root = ElementTree.fromstring(svg)  # noqa: S314 - we have drawn it
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text and text.startswith("90.0 % </script><") for text in texts)
    assert "60.0 % été" in texts
    assert "\x1b" not in svg


def test_names_are_only_text_in_the_page_and_nothing_is_loaded(four, tmp_path):
    predictions_sheet(four, (HOSTILE, "other"), SURE).save(tmp_path / "sheet.html")
    text = (tmp_path / "sheet.html").read_text()
    spec = re.search(r'<script type="application/json" id="spec">(.*?)</script>', text, re.DOTALL)
    assert spec is not None
    assert "\x1b" not in text
    assert "</script><b onload" in json.dumps(json.loads(spec[1]))
    assert "<b onload" not in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert 'src="' not in text.partition("<script")[0]


def test_probabilities_of_other_pictures_are_refused(four):
    with pytest.raises(BenchmarkError, match=r"shape \(3, 2\); expected \(4, 2\), a line for each"):
        predictions_sheet(four, ("a", "b"), SURE[:3])
