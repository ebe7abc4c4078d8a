"""Class folders for a transfer: classes, draws, leaks found by content, and what is refused."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from benchmarking.errors import PictureError
from benchmarking.experiments.transfer.folders import open_folders
from benchmarking.experiments.transfer.task import Part, Shared
from benchmarking.pictures.image_set import Picture


def picture(path: Path, seed: int, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


def parts(tmp_path: Path, classes: tuple[str, ...], n: int = 2) -> tuple[Path, Path]:
    """Folders data/train and data/validation, with n pictures for each class."""
    roots = tmp_path / "data" / "train", tmp_path / "data" / "validation"
    for part, root in enumerate(roots):
        for label, name in enumerate(classes):
            for number in range(n):
                picture(root / name / f"{number}.png", 1000 * part + 100 * label + number)
    return roots


@pytest.fixture
def cats_and_dogs(tmp_path: Path) -> tuple[Path, Path]:
    return parts(tmp_path, ("cats", "dogs"))


def keys(part: Part) -> list[str]:
    return [picture.key for picture in part.pictures]


def drawn(train: Path, validation: Path) -> tuple[Picture, ...]:
    return open_folders(train, validation, per_class=2).task.train.pictures


def refusal(train: Path, validation: Path, **options: int) -> str:
    with pytest.raises(PictureError) as error:
        open_folders(train, validation, **options)
    return str(error.value)


def test_classes_are_ordered_as_text_and_the_order_is_shown(tmp_path):
    folders = open_folders(*parts(tmp_path, ("2", "10", "été")))

    assert folders.task.classes == ("10", "2", "été")
    assert folders.task.name == "data"
    assert folders.task.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert keys(folders.task.validation)[:3] == ["10/0.png", "10/1.png", "2/0.png"]
    assert folders.remarks == (
        "note: classes in the order of their names: 0 10, 1 2, 2 été; names are compared as text, "
        "so '10' comes before '2'",
    )


def test_a_thousand_classes_are_allowed_and_no_more(tmp_path):
    names = tuple(f"c{number}" for number in range(1000))
    train, validation = parts(tmp_path, names, n=1)
    assert len(open_folders(train, validation).task.classes) == 1000

    picture(train / "one more" / "0.png", 1)
    assert refusal(train, validation) == (
        f"{train} has 1,001 classes; expected 2 to 1,000 folders, one for each class."
    )


def test_other_files_are_left_out_and_named(cats_and_dogs):
    train, validation = cats_and_dogs
    (train / "notes.txt").write_text("notes")
    (train / "cats" / "Thumbs.db").write_bytes(b"")

    folders = open_folders(train, validation)

    assert len(folders.task.train) == 4
    assert folders.remarks[1] == (
        "note: files that are no pictures, left out: train/notes.txt, train/cats/Thumbs.db"
    )


def test_a_draw_has_as_many_of_each_class_and_contains_smaller_draws(tmp_path):
    roots = parts(tmp_path, ("cats", "dogs"), n=8)
    few, more, other = (
        open_folders(*roots, per_class=k, seed=seed).task.train
        for k, seed in ((3, 0), (5, 0), (3, 1))
    )

    assert Counter(few.labels.tolist()) == {0: 3, 1: 3}
    assert set(keys(few)) < set(keys(more))
    assert keys(few) != keys(other)
    assert len(open_folders(*roots, per_class=3).task.validation) == 16


def test_a_draw_depends_on_the_content_of_pictures_and_not_on_their_names(tmp_path):
    train, validation = parts(tmp_path, ("cats", "dogs"), n=8)
    before = {p.read() for p in drawn(train, validation)}
    for path in list(train.rglob("*.png")):
        path.rename(path.with_name(f"renamed {9 - int(path.stem)}.png"))

    assert {p.read() for p in drawn(train, validation)} == before


def test_a_picture_that_occurs_twice_is_drawn_once(cats_and_dogs):
    train, validation = cats_and_dogs
    shutil.copy(train / "cats" / "0.png", train / "cats" / "again.png")

    assert len(open_folders(train, validation, per_class=2).task.train) == 4
    assert refusal(train, validation, per_class=3) == (
        "class 'cats' has 2 different training pictures, fewer than the 3 to draw of each class; "
        "draw fewer, or add some."
    )


def test_a_leak_is_found_by_its_pixels_though_the_files_differ(cats_and_dogs):
    train, validation = cats_and_dogs
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a copy with other bytes")
    copy = validation / "dogs" / "other name.png"
    Image.open(train / "dogs" / "1.png").save(copy, pnginfo=text)
    assert copy.read_bytes() != (train / "dogs" / "1.png").read_bytes()

    folders = open_folders(train, validation)

    assert folders.task.leaks == (Shared(("dogs/1.png",), ("dogs/other name.png",)),)
    assert folders.remarks[1] == (
        "warning: shared-picture: validation pictures that are also training pictures: 1 "
        "(validation/dogs/other name.png = train/dogs/1.png); accuracy on them says little, so "
        "remove them from the training pictures"
    )


def test_repeats_and_contradictions_are_named(cats_and_dogs):
    train, validation = cats_and_dogs
    shutil.copy(train / "cats" / "0.png", train / "dogs" / "a cat.png")

    folders = open_folders(train, validation)

    assert folders.task.repeated == (Shared(("cats/0.png", "dogs/a cat.png"), ()),)
    assert [one.kind for one in folders.findings] == ["repeated-picture", "contradiction"]


def test_one_class_is_refused(tmp_path):
    train, validation = parts(tmp_path, ("cats",))
    assert refusal(train, validation) == (
        f"{train} has one class, 'cats'; expected 2 to 1,000 folders, one for each class. With one "
        "class there is nothing to tell apart: add the pictures of another class in a folder of "
        "its own."
    )


def test_an_empty_class_is_refused(cats_and_dogs):
    train, validation = cats_and_dogs
    (train / "birds").mkdir()
    (validation / "birds").mkdir()
    assert refusal(train, validation) == (
        f"{train} has no pictures of 'birds'; add some, or remove the folder there and in the "
        "other part."
    )


def test_the_same_folder_twice_is_refused_however_it_is_written(cats_and_dogs, tmp_path):
    train, _ = cats_and_dogs
    link = tmp_path / "link"
    link.symlink_to(train)
    for other in (train, link, train / ".." / "train"):
        assert " is given twice, as training and as validation pictures" in refusal(train, other)
    assert " is inside of " in refusal(train, train / "cats")


def test_a_copy_of_the_training_pictures_is_refused_as_validation_pictures(cats_and_dogs, tmp_path):
    train, _ = cats_and_dogs
    copy = tmp_path / "copy"
    shutil.copytree(train, copy)
    assert refusal(train, copy) == (
        f"all 4 pictures of {copy} are also in {train}; accuracy on the training pictures says "
        "little. Give other pictures for validation."
    )


def test_unreadable_pictures_are_named_all_at_once(cats_and_dogs):
    train, validation = cats_and_dogs
    whole = (train / "cats" / "0.png").read_bytes()
    (train / "cats" / "cut.png").write_bytes(whole[:-40])
    (validation / "dogs" / "text.jpg").write_text("no picture")
    assert refusal(train, validation) == (
        "2 of 10 pictures cannot be read:\n"
        f"  {train}/cats/cut.png: cannot be decoded by Pillow: image file is truncated\n"
        f"  {validation}/dogs/text.jpg: is in no format that Pillow knows.\n"
        "Replace them with intact copies, or remove them."
    )


def test_classes_that_differ_are_named_on_both_sides(cats_and_dogs):
    train, validation = cats_and_dogs
    (validation / "dogs").rename(validation / "Dogs")
    assert refusal(train, validation) == (
        f"the classes differ: {train} has 'dogs', which {validation} lacks; {validation} has "
        f"'Dogs', which {train} lacks. Both folders must have the same class folders: rename, add "
        "or remove some. Some names differ only in case or in how accents are stored."
    )


def test_pictures_outside_of_class_folders_or_deeper_are_refused(cats_and_dogs):
    train, validation = cats_and_dogs
    picture(train / "stray.png", 5)
    assert "has 1 pictures outside of its class folders, such as 'stray.png'" in refusal(
        train, validation
    )
    (train / "stray.png").unlink()
    picture(train / "cats" / "more" / "0.png", 6)
    assert f"{train}/cats has pictures in a folder of its own, 'more'" in refusal(train, validation)
    assert refusal(train / "nowhere", validation).startswith(f"{train}/nowhere is not a folder;")


def test_hostile_names_cannot_control_the_terminal(cats_and_dogs):
    train, validation = cats_and_dogs
    (train / "red\x1b[31m").mkdir()
    message = refusal(train, validation)
    assert "\x1b" not in message
    assert r"red\x1b[31m" in message
