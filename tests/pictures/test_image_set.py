import hashlib
import os

import pytest
from conftest import sha256_of

from benchmarking.errors import PictureError
from benchmarking.pictures.image_set import (
    FilePart,
    ImageSet,
    Picture,
    fingerprint,
    in_order,
    spread,
)


def test_fingerprint_is_the_sha256_of_sorted_lines():
    lines = "a.jpg 11\nb.jpg 22\n"
    assert (
        fingerprint(["b.jpg", "a.jpg"], ["22", "11"]) == hashlib.sha256(lines.encode()).hexdigest()
    )


@pytest.mark.parametrize(
    ("keys", "digests"),
    [(["a", "b"], ["11", "23"]), (["a", "c"], ["11", "22"]), (["a"], ["11"])],
)
def test_another_list_or_content_has_another_fingerprint(keys, digests):
    assert fingerprint(keys, digests) != fingerprint(["a", "b"], ["11", "22"])


def test_rows_are_sorted_by_class_then_name():
    found = [
        Picture("b", 2, FilePart("")),
        Picture("c", 1, FilePart("")),
        Picture("a", 2, FilePart("")),
    ]
    assert [p.key for p in in_order(found, "xyz")] == ["c", "a", "b"]


def test_keys_include_the_folder_if_file_names_repeat():
    found = [
        Picture("1", 2, FilePart("")),
        Picture("1", 1, FilePart("")),
        Picture("2", 1, FilePart("")),
    ]
    assert [p.key for p in in_order(found, "xyz")] == ["y/1", "y/2", "z/1"]


def test_a_limit_selects_evenly_spaced_pictures_and_none_twice():
    pictures = [Picture(str(i), i, FilePart(str(i))) for i in range(10)]
    assert [p.key for p in spread(pictures, 4)] == ["0", "2", "5", "7"]
    assert len(spread(pictures, 99)) == 10
    with pytest.raises(PictureError, match="cannot take 0 pictures"):
        spread(pictures, 0)


def test_two_pictures_with_the_same_name_are_refused():
    twice = (Picture("a", 1, FilePart("a")), Picture("a", 2, FilePart("b")))
    with pytest.raises(PictureError, match="1 picture names repeat, such as 'a'"):
        ImageSet("set", twice, "")


def test_an_unreadable_picture_is_named(tmp_path):
    with pytest.raises(PictureError, match="gone.jpg cannot be read: No such file"):
        sha256_of(Picture("gone.jpg", 0, FilePart(str(tmp_path / "gone.jpg"))))


@pytest.mark.parametrize("key", ["a\nb.jpg", "a\r.jpg"])
def test_a_name_with_a_line_break_is_refused(key):
    with pytest.raises(PictureError, match="has a line break in its name"):
        ImageSet("set", (Picture(key, 0, FilePart("x")),), "f")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of other systems")
def test_only_a_regular_file_is_a_picture_and_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(40 * 2**30)
    for name, message in (
        ("pipe.jpg", "it is no regular file"),
        ("zero.jpg", "it is no regular file"),
        ("huge.jpg", "has 42,949,672,960 bytes; a picture may have at most 67,108,864"),
    ):
        with pytest.raises(PictureError, match=message):
            Picture(name, 0, FilePart(str(tmp_path / name))).read()
