"""The division of an image set into shards."""

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarking import BenchmarkError, open_images
from benchmarking.errors import PictureError
from benchmarking.pictures.image_set import FilePart, fingerprint, fingerprint_of_lines
from benchmarking.pictures.picture_list import list_sha256
from benchmarking.pictures.sets import open_pictures, sharded
from benchmarking.pictures.shards import Shard, ShardNumber, shard_from, shard_number, whole_of

BATCHES = (None, 1, 2, 8, 32, 64, 100, 256, 300, 512)


@given(n=st.integers(1, 6000), of=st.integers(1, 40), batch=st.sampled_from(BATCHES))
def test_every_picture_is_in_exactly_one_shard_of_whole_batches(n, of, batch):
    if ceil(n / (batch or 1)) < of:
        with pytest.raises(PictureError, match=f"cannot be divided into {of} shards"):
            ShardNumber(1, of, batch).rows(n)
        return
    shards = [ShardNumber(number, of, batch).rows(n) for number in range(1, of + 1)]
    assert [row for rows in shards for row in rows] == list(range(n))
    sizes = [len(rows) for rows in shards]
    assert min(sizes) > 0
    assert all(size % (batch or 1) == 0 for size in sizes[:-1])


@given(of=st.integers(1, 64), n=st.integers(64 * 256, 60_000), batch=st.sampled_from((None, 8, 64)))
def test_shards_of_many_pictures_are_equal_to_256_pictures_and_multiples_of_it(of, n, batch):
    shards = [ShardNumber(number, of, batch).rows(n) for number in range(1, of + 1)]
    sizes = [len(rows) for rows in shards]
    assert all(size % 256 == 0 for size in sizes[:-1])
    assert max(sizes) - min(sizes) <= 2 * 256 - 1  # the last one can lack pictures


def test_the_shards_of_a_given_set_are_these():
    assert [ShardNumber(number, 3).rows(20) for number in (1, 2, 3)] == [
        *(range(8), range(8, 16), range(16, 20)),
    ]
    assert ShardNumber(8, 8).rows(50_000) == range(171 * 256, 50_000)
    assert ShardNumber(2, 3, 100).rows(1000) == range(300, 600)


def test_a_set_that_is_too_small_is_refused_with_the_largest_number_of_shards():
    with pytest.raises(PictureError, match="5 pictures cannot be divided into 6 shards; the most"):
        ShardNumber(1, 6).rows(5)
    message = "20 pictures cannot be divided into 4 shards of whole batches of 8; the most is 3."
    with pytest.raises(PictureError, match=message):
        ShardNumber(1, 4, batch_size=8).rows(20)


@pytest.mark.parametrize("given", ["2/8", " 2/8 ", "02/08", (2, 8), [2, 8], ShardNumber(2, 8)])
def test_a_shard_can_be_given_as_text_and_as_numbers(given):
    assert shard_number(given) == ShardNumber(2, 8)
    assert shard_number(given, 100) == ShardNumber(2, 8, 100)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0/3", "there is no shard 0/3; expected I/N with I from 1 to N, such as 2/8"),
        ("4/3", "there is no shard 4/3; expected I/N"),
        ("1/0", "there is no shard 1/0; expected I/N"),
        ((0, 0), "there is no shard 0/0; expected I/N"),
        ((-1, 3), "there is no shard -1/3; expected I/N"),
        ("1-3", "'1-3' is no shard; expected I/N, such as 2/8"),
        ("1/3/5", "'1/3/5' is no shard"),
        ("", "'' is no shard"),
        ("1/", "'1/' is no shard"),
        ("-1/3", "'-1/3' is no shard"),
        ("١/٣", "is no shard"),
        ((1,), "is no shard; expected I/N"),
        ((1, 2, 3), "is no shard; expected I/N"),
        (7, "7 is no shard; expected I/N"),
        ((1.0, 3), "1.0/3 is no shard; expected two whole numbers"),
        ((True, 3), "True/3 is no shard; expected two whole numbers"),
    ],
)
def test_what_is_no_shard_is_refused(given, message):
    with pytest.raises(BenchmarkError) as error:
        shard_number(given)
    assert message in str(error.value)


@given(
    whole=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True),
    of=st.integers(1, 99),
    data=st.data(),
)
def test_the_name_of_a_shard_tells_the_whole_set(whole, of, data):
    number = data.draw(st.integers(1, of))
    assert whole_of(ShardNumber(number, of).name(whole)) == whole


@pytest.mark.parametrize("name", ["val", "val-limit-20", "val-estimate-20-seed-1", "shard-1-of-2"])
def test_other_sets_are_not_taken_for_shards(name):
    assert whole_of(name) == ""


def test_the_shards_of_a_folder_are_its_rows_and_know_where_they_are(tree):
    whole = open_images(tree)
    shards = [open_images(tree, shard=(number, 2)) for number in (1, 2)]
    assert [one.name for one in shards] == ["tree-shard-1-of-2", "tree-shard-2-of-2"]
    assert [key for one in shards for key in one.keys] == list(whole.keys)
    assert [len(one) for one in shards] == [4, 2]
    digest = list_sha256(whole.pictures)
    assert [one.shard for one in shards] == [
        *(Shard("tree", 6, 1, 2, 0, digest), Shard("tree", 6, 2, 2, 4, digest)),
    ]
    assert all(one.fingerprint == fingerprint(one.keys, one.digests) for one in shards)
    assert whole.shard is None
    assert whole.digests == ()


def test_the_digests_of_all_shards_give_the_fingerprint_of_the_whole(tree):
    shards = [open_images(tree, shard=f"{number}/3") for number in (1, 2, 3)]
    keys = [key for one in shards for key in one.keys]
    digests = [digest for one in shards for digest in one.digests]
    assert fingerprint(keys, digests) == open_images(tree).fingerprint
    lines = sorted(f"{key} {digest}\n" for key, digest in zip(keys, digests, strict=True))
    assert fingerprint_of_lines(lines) == open_images(tree).fingerprint


def test_only_the_pictures_of_the_shard_are_read(tree, monkeypatch):
    read = []
    plain = FilePart.read
    monkeypatch.setattr(FilePart, "read", lambda self: read.append(self.file) or plain(self))
    images = open_images(tree, shard="2/2")
    assert sorted(read) == sorted(str(picture.place) for picture in images)
    assert len(read) == 2


def test_a_broken_picture_stops_its_own_shard_only_and_cannot_be_left_out(tree):
    open_images(tree).pictures[5].place.path.write_text("no picture")
    assert len(open_images(tree, shard="1/2")) == 4
    for how in ("stop", "skip"):
        with pytest.raises(PictureError) as error:
            open_images(tree, shard="2/2", on_bad_image=how)
        assert "1 of 2 pictures cannot be used" in str(error.value)
        assert str(error.value).endswith("Replace them with intact copies.")


def test_a_set_that_could_not_be_merged_is_refused_before_its_first_shard(tree):
    contents = open_pictures(str(tree))
    *others, last = contents.pictures
    repeated = replace(contents, pictures=(*others, replace(last, key=others[0].key)))
    with pytest.raises(PictureError, match="1 picture names repeat, such as 'c.png'"):
        sharded(repeated, "tree", "1/2")


@pytest.mark.parametrize("other", [{"limit": 3}, {"estimate": 5}])
def test_a_shard_is_not_combined_with_a_selection(tree, other):
    with pytest.raises(BenchmarkError, match="a shard is a part of all pictures; leave out"):
        open_images(tree, shard="1/2", **other)


def test_labels_and_order_are_part_of_what_a_shard_records(tree):
    before = sharded(open_pictures(str(tree)), "tree", "1/2")[0].shard
    (moved,) = tree.glob("*/f.png")
    moved.rename(next(tree.glob("*/d.png")).with_name("f.png"))
    after = sharded(open_pictures(str(tree)), "tree", "1/2")[0].shard
    assert (before.n, before.first) == (after.n, after.first)
    assert before.list_sha256 != after.list_sha256


def test_a_document_of_a_shard_is_read_back_and_a_wrong_one_is_refused():
    shard = Shard("val", 20, 2, 3, 8, "0" * 64)
    document = shard.as_document()
    assert shard_from(document) == shard
    for wrong, message in (
        ({**document, "number": 4}, "shard 4 of 3 begins at row 8 of 20 pictures"),
        ({**document, "first": 20}, "begins at row 20 of 20"),
        ({**document, "whole": "../val"}, "cannot name anything"),
        ({**document, "n": "20"}, "Expected `int`"),
        ({**document, "more": 1}, "a shard has no 'more'"),
        ([], "no names and values"),
    ):
        with pytest.raises(ValueError, match=message):
            shard_from(wrong)
