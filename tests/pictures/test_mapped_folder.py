"""Folders of any names, with a file that maps them to classes of ImageNet."""

import json
from pathlib import Path

import pytest

from benchmarking.errors import PictureError
from benchmarking.pictures.sets import name_of, open_images, open_pictures


@pytest.fixture
def pets(sample_images, tmp_path) -> Path:
    root = tmp_path / "pets"
    files = iter(sorted(sample_images.glob("n*/*.JPEG")))
    for folder in ("cats", "my dogs"):
        (root / folder).mkdir(parents=True)
        for number in range(2):
            (root / folder / f"{number}.jpg").write_bytes(next(files).read_bytes())
    return root


MAPS = {
    "class_map.csv": "folder,classes\ncats,n02123045 n02123159\nmy dogs,207\n",
    "class_map.json": json.dumps({"cats": ["n02123045", 282], "my dogs": 207}),
}
RIGHT = {
    "cats/0.jpg": (281, 282),
    "cats/1.jpg": (281, 282),
    "my dogs/0.jpg": (207,),
    "my dogs/1.jpg": (207,),
}


@pytest.mark.parametrize("name", MAPS)
def test_each_folder_has_the_classes_of_its_entry(name, pets):
    (pets / name).write_text(MAPS[name])
    found = open_pictures(str(pets))
    assert {one.key: one.right for one in found.pictures} == RIGHT
    assert found.classes == (207, 281, 282)


@pytest.mark.parametrize(
    "text",
    [
        "cats,281,282\nmy dogs,207,\n",
        "cats\t281;282\nmy dogs\tn02099601\n",
        "name;class\ncats;[281, 282]\nmy dogs;207\n",
    ],
)
def test_a_mapping_is_read_as_tables_usually_are(text, pets):
    (pets / "class_map.csv").write_text(text)
    assert {one.key: one.right for one in open_pictures(str(pets)).pictures} == RIGHT


def test_a_mapping_of_another_name_is_given_itself(pets):
    (pets / "mine.csv").write_text(MAPS["class_map.csv"])
    where = f"mapped-folder:{pets / 'mine.csv'}"
    found = open_pictures(where)
    assert {one.key: one.right for one in found.pictures} == RIGHT
    assert name_of(where, found) == "pets"


def test_the_image_set_declares_the_classes_of_the_mapping(pets):
    (pets / "class_map.csv").write_text(MAPS["class_map.csv"])
    images = open_images(pets)
    assert (images.name, images.restricted_to) == ("pets", (207, 281, 282))


def test_a_folder_without_an_entry_is_left_out_by_name(pets):
    (pets / "class_map.csv").write_text("cats,281\n")
    assert open_pictures(str(pets)).left_out == ("my dogs",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected folders and their classes"),
        ("cats,281\ncats,282\n", "entry 2 ('cats') is in the mapping twice"),
        ("cats,281\nbirds,7\n", "birds cannot be read: No such file"),
        ("cats,tabby\nmy dogs,7\n", "has 'tabby' as its classes"),
        ("cats,1000\n", "has 1000; expected WordNet ids, or numbers from 0 to 999"),
        ("cats,n00000001\n", "has 'n00000001' as its classes"),
        ("cats,-1\n", "has no class"),
        ("../pets/cats,281\n", "expected the name of a folder beside the mapping"),
        ("cats,281\nmy dogs\n", "has the line ['my dogs']"),
        ("cats,281\n./cats/,282\n", "entry 2 ('./cats/') is in the mapping twice"),
        ("folder,class,n\ncats,281,500\n", "has the column 'n'; expected a folder and its classes"),
    ],
)
def test_a_wrong_entry_is_named(text, message, pets):
    (pets / "class_map.csv").write_text(text)
    with pytest.raises(PictureError) as error:
        open_pictures(str(pets))
    assert message in str(error.value)


def test_an_empty_folder_of_the_mapping_is_named(pets):
    (pets / "birds").mkdir()
    (pets / "class_map.csv").write_text("cats,281\nbirds,7\n")
    with pytest.raises(PictureError, match="birds has no pictures, but the mapping gives"):
        open_pictures(str(pets))


def test_two_mappings_are_refused(pets):
    for name, text in MAPS.items():
        (pets / name).write_text(text)
    with pytest.raises(PictureError, match="has class_map.csv and class_map.json; expected one"):
        open_pictures(str(pets))


@pytest.mark.parametrize("text", ["[]", "{"])
def test_a_mapping_that_is_no_object_is_refused(text, pets):
    (pets / "class_map.json").write_text(text)
    with pytest.raises(PictureError, match="class_map.json (is no object|cannot be read)"):
        open_pictures(str(pets))


def test_a_folder_that_is_in_an_object_twice_is_refused(pets):
    (pets / "class_map.json").write_text('{"cats": 281, "my dogs": 207, "cats": 282}')
    with pytest.raises(PictureError, match="entry 3 .'cats'. is in the mapping twice"):
        open_pictures(str(pets))


@pytest.mark.parametrize("wrong", [True, [281, False], {"a": 1}, [[281]]])
def test_what_is_no_class_in_an_object_is_refused(wrong, pets):
    (pets / "class_map.json").write_text(json.dumps({"cats": wrong, "my dogs": 207}))
    with pytest.raises(PictureError, match="entry 1 .'cats'. has .* as its classes"):
        open_pictures(str(pets))


def test_what_is_no_picture_of_a_mapped_folder_is_left_out_by_name(pets):
    (pets / "class_map.csv").write_text("cats,281\ncats/old,282\n")
    for folder in ("old", "more"):
        (pets / "cats" / folder).mkdir()
        (pets / "cats" / folder / "0.jpg").write_bytes((pets / "cats" / "0.jpg").read_bytes())
    (pets / "cats" / "1.jpg.part").touch()
    found = open_pictures(str(pets))
    assert [one.key for one in found.pictures] == ["cats/0.jpg", "cats/1.jpg", "cats/old/0.jpg"]
    assert found.left_out == ("cats/1.jpg.part", "cats/more", "my dogs")


def test_a_picture_that_is_a_link_to_nothing_is_refused(pets):
    (pets / "class_map.csv").write_text("cats,281\n")
    (pets / "cats" / "2.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(PictureError, match="2.jpg is no file: a link to nothing, or a device"):
        open_pictures(str(pets))
