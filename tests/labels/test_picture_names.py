"""Names of pictures in label files are matched with the pictures of an image set."""

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key, validation_number
from benchmarking.labels.label_files import labels_from, rows_of
from benchmarking.labels.picture_names import PictureNames, looks_like_a_picture
from benchmarking.labels.picture_suffixes import PICTURE_SUFFIXES
from benchmarking.pictures.names import FORMATS

SAME = ("n01440764/0.jpg", "n01443537/0.jpg", "n01443537/1.jpg", "n01484850/x.png")
CLASSES = np.array([0, 1, 1, 2])
VALIDATION = tuple(map(validation_key, (198, 128, 88, 37)))


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("n01440764/0.jpg", 0),
        ("n01443537/0.jpg", 1),
        ("/data/val/n01443537/0.jpg", 1),
        (r"C:\data\val\n01443537\0.jpg", 1),
        ("./n01443537/0.JPEG", 1),
        ("N01443537/0", 1),
        ("1.jpg", 2),
        ("other/1.jpg", 2),
        ("x", 3),
        (" x.png ", 3),
        ("2.jpg", None),
        ("n02119789/0.jpg", None),
        ("n01440764/1.jpg", None),
        ("", None),
    ],
)
def test_a_name_matches_the_picture_with_the_most_path_parts_in_common(name, row):
    assert PictureNames(SAME).find(name) == row


def test_a_file_name_of_several_pictures_is_refused_and_all_are_named():
    message = r"'0.jpg' is the name of 2 pictures \('n01440764/0.jpg', 'n01443537/0.jpg'\); write"
    with pytest.raises(BenchmarkError, match=message):
        PictureNames(SAME).find("0.jpg")
    with pytest.raises(BenchmarkError, match="of 2 pictures"):
        PictureNames(("a.png", "a.jpg")).find("a")
    assert PictureNames(("a.png", "a.jpg")).find("a.jpg") == 1


def test_the_same_file_name_in_the_folder_of_another_class_does_not_match():
    assert PictureNames(("0.jpg",), np.array([5])).find("n01440764/0.jpg") is None
    assert PictureNames(("0.jpg",), np.array([0])).find("n01440764/0.jpg") == 0
    assert PictureNames(("0.jpg",)).find("n01440764/0.jpg") == 0  # its class is unknown


@pytest.mark.parametrize(
    "name",
    [
        *("ILSVRC2012_val_00000128", "ILSVRC2012_val_00000128.jpg", "ILSVRC2012_val_00000128.png"),
        *("n02119789/ILSVRC2012_val_00000128.JPEG", r"val\ILSVRC2012_val_00000128.JPEG"),
    ],
)
def test_a_validation_picture_is_identified_by_its_number(name):
    assert PictureNames(VALIDATION, np.array([16, 22, 28, 32])).find(name) == 1


def test_labels_and_pictures_use_the_same_list_of_suffixes():
    assert FORMATS.keys() == PICTURE_SUFFIXES


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_every_suffix_of_a_picture_is_accepted_in_names(suffix):
    assert validation_number(f"ILSVRC2012_val_00000128{suffix}") == 128
    assert looks_like_a_picture(f"a{suffix}")
    assert PictureNames(SAME).find(f"n01484850/x{suffix}") == 3


@pytest.mark.parametrize("form", ["n01440764/0.jpg\n", "file\nn01440764/0.jpg\n", "n01440764/0,7"])
def test_only_the_picture_with_the_given_folder_is_selected(tmp_path, form):
    (tmp_path / "only.txt").write_text(form)
    assert rows_of([str(tmp_path / "only.txt")], SAME, CLASSES).tolist() == [0]


def test_pictures_can_be_selected_by_name_without_a_file():
    assert rows_of(["n01443537/0.jpg", "x.png"], SAME, CLASSES).tolist() == [1, 3]
    with pytest.raises(BenchmarkError, match="0.jpg: '0.jpg' is the name of 2 pictures"):
        rows_of(["0.jpg"], SAME, CLASSES)
    with pytest.raises(BenchmarkError, match="9.jpg: 1 of 1 names match no picture of the set"):
        rows_of(["9.jpg"], SAME, CLASSES)


def test_a_label_file_can_be_used_to_select_pictures(tmp_path):
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000037.JPEG 32\nILSVRC2012_val_00000088 5")
    assert rows_of([str(tmp_path / "val.txt")], VALIDATION, CLASSES).tolist() == [2, 3]


def test_a_note_counts_the_validation_pictures_that_are_not_in_the_set(tmp_path):
    path = tmp_path / "val.txt"
    path.write_text("".join(f"{validation_key(n)} {n % 7}\n" for n in range(1, 129)))
    labels = labels_from(path, VALIDATION)
    assert labels.rows.tolist() == [1, 2, 3]
    assert labels.notes[0] == f"note: {path}: 125 validation pictures are not in this set"


def test_a_label_for_a_file_name_of_several_pictures_is_refused(tmp_path):
    (tmp_path / "l.csv").write_text("0.jpg,3\n")
    with pytest.raises(BenchmarkError, match="'0.jpg' is the name of 2 pictures"):
        labels_from(tmp_path / "l.csv", SAME)
