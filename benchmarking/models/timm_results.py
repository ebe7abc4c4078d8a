"""Accuracies that timm publishes for its pretrained tags, on eight sets of pictures and labels.

data/timm_results.csv has a line per tag and size. Source: results/results-*.csv of
https://github.com/huggingface/pytorch-image-models at commit aa4b5850.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources
from math import floor

from benchmarking.models.spec import Published
from benchmarking.pictures.recipe import Preprocessing

COMMIT = "aa4b5850"
CAVEAT = (
    "timm does not record the precision of its figures; the command that it documents computes in "
    "mixed precision (--amp)"
)

_TABLES = {
    ("imagenet-val", "original"): ("val", "imagenet"),
    ("imagenet-val", "real"): ("real", "imagenet-real"),
    ("imagenet-v2", "original"): ("v2", "imagenetv2-matched-frequency"),
    ("imagenet-sketch", "original"): ("sketch", "sketch"),
    ("imagenet-a", "original"): ("a", "imagenet-a"),
    ("imagenet-a-clean", "original"): ("a-clean", "imagenet-a-clean"),
    ("imagenet-r", "original"): ("r", "imagenet-r"),
    ("imagenet-r-clean", "original"): ("r-clean", "imagenet-r-clean"),
}
"""The start of a column's name and the name of timm's table, by set of pictures and of labels.

ImageNet-V2 is matched-frequency. Of A and R, and of the validation pictures of their classes
(clean), only these 200 classes count.
"""
_ROUNDING = 0.0006
"""timm's tables round crop_pct to three digits."""


def published(
    model: str, recipe: Preprocessing, *, images: str = "imagenet-val", labels: str = "original"
) -> Published | None:
    """The published accuracy of a tag with a recipe; None if there is none.

    Args:
        model: the tag, as in "resnet50.a1_in1k".
        recipe: its preprocessing; a line of the table is for one size, filter and share of the
            crop.
        images: name of the set of pictures.
        labels: name of the set of labels, "original" or "real".
    """
    row = _rows().get((model, recipe.crop))
    if row is None or (images, labels) not in _TABLES or not _is_with(recipe, row):
        return None
    column, table = _TABLES[images, labels]
    acc1, acc5 = row[f"{column}_acc1"], row[f"{column}_acc5"]
    if not acc1:
        return None
    source = f"timm's results-{table}.csv at commit {COMMIT}"
    return Published(float(acc1), source, float(acc5), CAVEAT)


def _is_with(recipe: Preprocessing, row: Mapping[str, str]) -> bool:
    """Whether a line of the table is for this filter and share of the crop."""
    share = float(row["crop_pct"])
    least, most = (floor(recipe.crop / (share + off)) for off in (_ROUNDING, -_ROUNDING))
    resize = recipe.resize if isinstance(recipe.resize, int) else recipe.resize[0]
    return recipe.interpolation == row["interpolation"] and least <= resize <= most


@cache
def _rows() -> dict[tuple[str, int], dict[str, str]]:
    """The lines of the table, by tag and size."""
    text = resources.files("benchmarking").joinpath("data/timm_results.csv").read_text("utf-8")
    return {(row["model"], int(row["size"])): row for row in csv.DictReader(text.splitlines())}
