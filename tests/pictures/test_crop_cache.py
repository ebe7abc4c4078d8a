import errno
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import digests
from PIL import Image

from benchmarking.errors import PictureError
from benchmarking.io import files
from benchmarking.io.locks import claim
from benchmarking.models.sources import all_specs
from benchmarking.pictures import crop_cache as module
from benchmarking.pictures.crop_cache import CropFile, crop_file, remove_left_over
from benchmarking.pictures.crop_stream import crop_of, crops
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_pictures

RECIPE = Preprocessing("pillow", "nearest", resize=10, crop=8, scaling=SCALINGS["tf"])


def pictures_of(folder: Path, n: int) -> list[Picture]:
    found = []
    for number in range(n):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((10, 10, 3), number, np.uint8)).save(path)
        found.append(Picture(path.name, 0, FilePart(str(path))))
    return found


@pytest.mark.parametrize("workers", [1, 3])
def test_crops_come_in_the_order_of_the_pictures(tmp_path, workers):
    with crops(pictures_of(tmp_path, 200), RECIPE, workers) as seen:
        assert [int(crop[0, 0, 0]) for crop in seen] == list(range(200))


def test_a_broken_picture_is_named_in_its_place(tmp_path):
    pictures = pictures_of(tmp_path, 9)
    pictures[5].place.path.write_bytes(b"broken")
    with crops(pictures, RECIPE, workers=2) as seen:
        assert [int(next(seen)[0, 0, 0]) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(PictureError, match=r"5.png in .* is in no format that Pillow knows"):
            next(seen)


def test_a_picture_that_vanishes_is_named(tmp_path):
    (picture,) = pictures_of(tmp_path, 1)
    picture.place.path.unlink()
    with (
        crops([picture], RECIPE, workers=1) as seen,
        pytest.raises(PictureError, match=r"0.png cannot be read: No such file"),
    ):
        next(seen)


@pytest.fixture
def images(tmp_path):
    (tmp_path / "pictures").mkdir()
    pictures = pictures_of(tmp_path / "pictures", 150)
    return image_set("grey", pictures, digests(pictures))


@pytest.fixture
def file(images, tmp_path):
    return crop_file(tmp_path / "cache", images, RECIPE)


def seen_by(file: CropFile, images, first=0, pictures=None):
    rows = [range(first, len(images))]
    with file.crops(pictures or images.pictures, RECIPE, 2, rows) as seen:
        return np.stack(list(seen))


def everything(images):
    return np.stack([crop_of(picture, RECIPE) for picture in images.pictures])


def without_files(images):
    """The pictures, after their files were removed."""
    return [
        replace(picture, place=FilePart(str(picture.place.path / "gone")))
        for picture in images.pictures
    ]


def test_crops_read_back_are_those_that_were_decoded(images, file):
    assert not file.is_complete
    assert (seen_by(file, images) == everything(images)).all()
    assert file.is_complete
    assert file.path.stat().st_size == file.size == 150 * (8 * 8 * 3 + 4)
    again = seen_by(file, images, pictures=without_files(images))
    assert again.dtype == np.uint8
    assert (again == everything(images)).all()


@pytest.mark.parametrize("first", [1, 63, 64, 65, 149])
def test_reading_and_decoding_begin_at_any_row(images, file, first):
    assert (seen_by(file, images, first) == everything(images)[first:]).all()
    assert not file.is_complete  # some of the crops make no file
    seen_by(file, images)
    again = seen_by(file, images, first, without_files(images))
    assert (again == everything(images)[first:]).all()


def test_a_reader_that_stops_leaves_no_file(images, file):
    with file.crops(images.pictures, RECIPE, 2, [range(150)]) as seen:
        for _ in range(100):
            next(seen)
    assert not file.is_complete
    assert not list(file.path.parent.glob("*.part"))


def test_another_name_of_a_file_of_the_users_is_not_written_through(images, file, tmp_path):
    own = tmp_path / "thesis.txt"
    own.write_text("mine")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    os.link(own, file.path.with_name(f".{file.path.name}.part"))
    seen_by(file, images)
    assert own.read_text() == "mine"
    assert file.is_complete


def test_a_crop_damaged_in_its_file_is_decoded_again(images, file):
    seen_by(file, images)
    data = bytearray(file.path.read_bytes())
    data[70 * 8 * 8 * 3 + 5] ^= 64
    file.path.write_bytes(data)
    assert (seen_by(file, images) == everything(images)).all()
    with pytest.raises(PictureError, match=r"gone cannot be read"):
        seen_by(file, images, pictures=without_files(images))


@pytest.mark.parametrize("size", [0, 100 * 8 * 8 * 3 + 9, 150 * 8 * 8 * 3 + 6])
def test_a_file_that_another_process_cuts_while_it_is_read_costs_only_time(images, file, size):
    seen_by(file, images)
    with file.crops(images.pictures, RECIPE, 2, [range(150)]) as seen:
        first = next(seen)
        os.truncate(file.path, size)
        found = np.stack([first, *seen])
    assert (found == everything(images)).all()


def test_a_truncated_file_is_written_again(images, file):
    seen_by(file, images)
    with file.path.open("r+b") as cut:
        cut.truncate(file.size - 1)
    assert not file.is_complete
    assert (seen_by(file, images) == everything(images)).all()
    assert file.is_complete


def test_a_file_that_another_process_writes_is_left_alone(images, file):
    with ExitStack() as other:
        assert claim(file.path.with_name(f".{file.path.name}.lock"), other)
        assert (seen_by(file, images) == everything(images)).all()
        assert not file.is_complete
        file.remove()
    seen_by(file, images)
    assert file.is_complete


def test_removing_leaves_nothing(images, file):
    seen_by(file, images)
    file.remove()
    assert list(file.path.parent.iterdir()) == []


@pytest.mark.parametrize("call", ["reserve", "write_at"])
def test_a_full_disk_prevents_the_file_but_not_the_crops(images, file, monkeypatch, call):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, call, full)
    assert (seen_by(file, images) == everything(images)).all()
    assert not file.is_complete
    assert not list(file.path.parent.glob("*.part"))


def test_a_folder_that_cannot_be_written_prevents_the_file_but_not_the_crops(images, tmp_path):
    (tmp_path / "cache").write_text("a file")
    file = crop_file(tmp_path / "cache", images, RECIPE)
    assert (seen_by(file, images) == everything(images)).all()


def test_a_broken_picture_is_named_and_leaves_no_file(images, file):
    images.pictures[77].place.path.write_bytes(b"broken")
    with pytest.raises(PictureError, match=r"77.png in .* is in no format"):
        seen_by(file, images)
    assert not file.is_complete


def test_the_name_of_a_file_depends_on_everything_that_affects_its_crops(
    images, tmp_path, monkeypatch
):
    def name(images=images, **changes):
        return crop_file(tmp_path, images, replace(RECIPE, **changes)).path.name

    assert name() == name(scaling=SCALINGS["torch"])
    names = [name(), name(resize=11), name(crop=7), name(interpolation="bilinear")]
    names.append(name(replace(images, fingerprint="other")))
    names.append(name(replace(images, pictures=images.pictures[::-1])))
    monkeypatch.setattr(module, "library_versions", lambda library: {"Pillow": "0"})
    names.append(name())
    assert len(set(names)) == len(names)


SPECS_OF_2019 = [spec for spec in all_specs() if "northcutt2019" in spec.recipes]
RECIPES_OF_2019 = {
    replace(recipe, scaling=SCALINGS["torch"]): spec.name
    for spec in SPECS_OF_2019
    for recipe in spec.recipes.values()
}


def test_the_34_models_of_2019_are_all_here():
    assert len(SPECS_OF_2019) == 34


@pytest.mark.parametrize("recipe", RECIPES_OF_2019, ids=RECIPES_OF_2019.values())
def test_cached_and_fresh_crops_are_identical_in_every_recipe_of_the_34_models(tmp_path, recipe):
    pictures = open_pictures("demo").pictures
    demo = image_set("demo", pictures, digests(pictures))
    file = crop_file(tmp_path, demo, recipe)
    fresh = np.stack([crop_of(picture, recipe) for picture in pictures])
    for _ in range(2):  # first the file is written, then it is read
        with file.crops(pictures, recipe, 2, [range(len(pictures))]) as seen:
            assert np.stack(list(seen)).tobytes() == fresh.tobytes()
        assert file.is_complete


def test_the_file_of_a_killed_writer_is_never_used(images, file):
    """The process is killed when the file is nearly complete, which releases its lock."""
    dying = """
import os, pickle, signal, sys
file, pictures, recipe = pickle.loads(sys.stdin.buffer.read())
with file.crops(pictures, recipe, 2, [range(150)]) as seen:
    for _ in range(149):
        next(seen)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    import pickle

    task = pickle.dumps((file, images.pictures, RECIPE))
    ended = subprocess.run([sys.executable, "-c", dying], input=task, check=False)
    assert ended.returncode == -9
    assert list(file.path.parent.glob(".*.part"))
    assert not file.is_complete
    assert (seen_by(file, images) == everything(images)).all()
    assert file.is_complete
    assert not list(file.path.parent.glob(".*.part"))


def test_a_file_that_several_use_goes_with_the_last_of_them(images, file):
    with ExitStack() as first, ExitStack() as second:
        assert file.use(first)
        assert file.use(second)
        seen_by(file, images)
        first.close()
        remove_left_over(file.path.parent)
        assert file.is_complete
    assert list(file.path.parent.iterdir()) == []


def test_a_file_that_is_kept_stays_and_its_writer_leaves_no_lock(images, file):
    seen_by(file, images)
    assert list(file.path.parent.iterdir()) == [file.path]
    remove_left_over(file.path.parent)
    assert list(file.path.parent.iterdir()) == [file.path]


def left_by_a_kill(file, images):
    """A file that a killed process has used, and the one beside it that says so."""
    with ExitStack() as stack:
        file.use(stack)
        seen_by(file, images)
        used = shutil.copy2(f"{file.path.parent}/.{file.path.name}.used", file.path.parent / "used")
        shutil.copy2(file.path, file.path.parent / "copy")
    (file.path.parent / "copy").rename(file.path)
    return Path(used).rename(file.path.with_name(f".{file.path.name}.used"))


def test_what_a_kill_has_left_is_removed(images, file):
    left_by_a_kill(file, images)
    remove_left_over(file.path.parent)
    assert list(file.path.parent.iterdir()) == []


def test_what_a_kill_has_left_stays_while_another_process_writes_it(images, file):
    used = left_by_a_kill(file, images)
    with ExitStack() as other:
        assert claim(file.path.with_name(f".{file.path.name}.lock"), other)
        remove_left_over(file.path.parent)
        assert file.is_complete
        assert used.exists()
    remove_left_over(file.path.parent)
    assert list(file.path.parent.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_has_left_stays(images, file):
    os.chown(left_by_a_kill(file, images), 65534, 65534)
    remove_left_over(file.path.parent)
    assert file.is_complete


def test_a_file_of_another_name_and_a_link_stay(images, file, tmp_path):
    used = left_by_a_kill(file, images)
    mine, link = tmp_path / "mine", file.path.with_name(".notes.crops.used")
    mine.write_bytes(b"precious")
    used.unlink()
    used.symlink_to(mine)
    link.write_bytes(b"")
    remove_left_over(file.path.parent)
    assert file.is_complete
    assert mine.exists()
    assert link.exists()


def test_a_file_that_is_made_again_after_the_cache_was_removed_goes_with_the_sweep(tmp_path):
    file = CropFile(tmp_path / "crops" / f"set-8-{'0' * 24}.crops", 1, 8)
    with ExitStack() as stack:
        assert file.use(stack)
        shutil.rmtree(tmp_path / "crops")
        file.path.parent.mkdir()
        file.path.write_bytes(b"x")
    assert list(file.path.parent.iterdir()) == []
