"""Published picture sets in miniature: their official layouts, made from real pictures."""

import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from conftest import digests

from benchmarking.errors import PictureError
from benchmarking.labels.class_subsets import class_subset
from benchmarking.labels.imagenet import class_of_wnid, validation_key, validation_labels, wnids
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.set_facts import CARE
from benchmarking.pictures.sets import (
    Contents,
    name_of,
    open_images,
    open_pictures,
    published_sets,
)


@pytest.fixture(scope="module")
def real(sample_images) -> Mapping[int, bytes]:
    """A real picture of each of 500 classes."""
    files = sorted(sample_images.glob("n*/*.JPEG"))
    return {class_of_wnid()[file.parent.name]: file.read_bytes() for file in files}


def usual(label: int, number: int = 0) -> str:
    """Name of a validation picture of a class."""
    numbers = (validation_labels() == label).nonzero()[0] + 1
    return validation_key(int(numbers[number]))


def name_of_v2(label: int) -> str:
    return f"{label}/{hashlib.sha1(bytes([label % 256])).hexdigest()}.jpeg"  # noqa: S324


LAYOUTS = {
    "imagenet-v2": ("imagenetv2-top-images-format-val", name_of_v2),
    "imagenet-a": (
        "imagenet-a",
        lambda label: f"{wnids()[label]}/0.000116_digital clock _ digital clock_0.865662.jpg",
    ),
    "imagenet-r": ("imagenet-r", lambda label: f"{wnids()[label]}/art_0.jpg"),
    "imagenet-o": ("imagenet-o", lambda label: f"{wnids()[label]}/{wnids()[label]}_7.jpg"),
    "imagenet-sketch": ("sketch", lambda label: f"{wnids()[label]}/sketch_{label}.JPEG"),
    "imagenet-c": ("gaussian_noise/3", lambda label: f"{wnids()[label]}/{usual(label)}"),
    "imagenette": (
        "imagenette2-160/val",
        lambda label: f"{wnids()[label]}/{wnids()[label]}_4.JPEG",
    ),
    "imagewoof": ("imagewoof2/val", lambda label: f"{wnids()[label]}/{wnids()[label]}_4.JPEG"),
}
"""The official folder of each set, and the path of a picture of a class in it."""

IMAGE_SETS = {
    "imagenet-v2": "imagenet-v2-top-images",
    "imagenet-c": "imagenet-c-gaussian_noise-3",
    "imagenette": "imagenette2-160-val",
    "imagewoof": "imagewoof2-val",
}


NUMBERS_OF_CLASSES = {
    "imagenet-a": 200,
    "imagenet-o": 200,
    "imagenet-r": 200,
    "imagenette": 10,
    "imagewoof": 10,
}


def members(name: str, real: Mapping[int, bytes], most: int = 4) -> dict[str, bytes]:
    """Paths below the folder of a set, and real pictures of its classes."""
    facts = published_sets()[name]
    labels = [label for label in facts.classes if label in real][:most]
    labels += [one for one in list(facts.classes)[:2] if len(labels) < 2]
    some = next(iter(real.values()))
    return {LAYOUTS[name][1](label): real.get(label, some) for label in labels}


def as_folder(root: Path, paths: Mapping[str, bytes]) -> Path:
    for path, data in paths.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def as_tar(file: Path, top: str, paths: Mapping[str, bytes]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for path, data in {"README.txt": b"read me", **paths}.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


ARCHIVES = {
    "imagenet-v2": ("imagenetv2-top-images.tar.gz", ""),
    "imagenet-a": ("imagenet-a.tar", ""),
    "imagenet-r": ("imagenet-r.tar", ""),
    "imagenet-o": ("imagenet-o.tar", ""),
    "imagenet-sketch": ("my-copy.tar", ""),
    "imagenet-c": ("noise.tar", "/gaussian_noise/3"),
    "imagenette": ("imagenette2-160.tar", ""),
    "imagewoof": ("imagewoof2.tar", ""),
}
"""The tar of each set, and what a user writes after it."""


def fingerprint(contents: Contents) -> str:
    return image_set("set", contents.pictures, digests(contents.pictures)).fingerprint


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_is_recognised_in_its_official_folder_and_tar_which_give_the_same_pictures(
    name, real, tmp_path
):
    paths = members(name, real)
    top = LAYOUTS[name][0]
    as_folder(tmp_path / top, paths)
    where = tmp_path / top
    file, within = ARCHIVES[name]
    tar = as_tar(tmp_path / "tars" / file, top, paths)
    in_folder, in_tar = open_pictures(str(where)), open_pictures(f"{tar}{within}")
    assert len(in_folder.pictures) == len(paths)
    assert {one.picture_set for one in (in_folder, in_tar)} == {name}
    assert {name_of(str(where), one) for one in (in_folder, in_tar)} == {IMAGE_SETS.get(name, name)}
    assert fingerprint(in_folder) == fingerprint(in_tar)
    folders = [path.partition("/")[0] for path in paths]
    expected = [int(one) if one.isdigit() else class_of_wnid()[one] for one in folders]
    assert sorted(picture.label for picture in in_folder.pictures) == sorted(expected)
    assert {len(one.classes) for one in (in_folder, in_tar)} == {NUMBERS_OF_CLASSES.get(name, 1000)}


def test_imagenet_sketch_is_read_from_its_zip(real, tmp_path):
    paths = members("imagenet-sketch", real)
    where = as_folder(tmp_path / "sketch", paths)
    with zipfile.ZipFile(tmp_path / "ImageNet-Sketch.zip", "w") as file:
        for path, data in paths.items():
            file.writestr(f"sketch/{path}", data)
    found = open_pictures(str(tmp_path / "ImageNet-Sketch.zip"))
    assert found.picture_set == "imagenet-sketch"
    assert fingerprint(found) == fingerprint(open_pictures(str(where)))


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_the_lists_of_200_classes_are_those_of_timm(name):
    from importlib.resources import files

    text = files("timm").joinpath("data", "_info", f"{name}_synsets.txt").read_text()
    expected = sorted(class_of_wnid()[wnid] for wnid in text.split())
    assert class_subset(name.replace("_", "-")) == tuple(expected)


def test_the_classes_of_imagenette_are_those_of_torchvision():
    from torchvision.datasets import Imagenette

    expected = sorted(class_of_wnid()[wnid] for wnid in Imagenette._WNID_TO_CLASS)
    assert class_subset("imagenette") == tuple(expected)


def test_an_incomplete_set_says_how_many_pictures_it_should_have(real, tmp_path):
    where = as_folder(tmp_path / "imagenet-a", members("imagenet-a", real))
    (found,) = open_pictures(str(where)).findings
    assert str(found) == "incomplete-set: imagenet-a has 7,500 pictures, and 4 are here"


def test_the_image_set_of_a_published_set_knows_its_classes_and_whose_it_is(real, tmp_path):
    where = as_folder(tmp_path / "imagenet-r", members("imagenet-r", real, 2))
    images = open_images(where)
    assert (images.name, images.picture_set) == ("imagenet-r", "imagenet-r")
    assert images.restricted_to == class_subset("imagenet-r")


def refused(where: object) -> str:
    with pytest.raises(PictureError) as error:
        open_pictures(str(where))
    return str(error.value)


def test_the_pictures_of_one_set_are_refused_under_the_name_of_another(real, tmp_path):
    where = as_folder(tmp_path / "mine", members("imagenet-r", real))
    assert f"{where} holds pictures of imagenet-r, such as 'art_0.jpg', not of imagenet-a" in (
        refused(f"imagenet-a:{where}")
    )
    named = as_folder(tmp_path / "imagenet-a", members("imagenet-r", real))
    assert "can be imagenet-a and imagenet-r; choose one" in refused(named)


def test_validation_pictures_are_refused_as_another_set(real, tmp_path):
    label = class_subset("imagenet-a")[0]
    where = as_folder(tmp_path / "x", {f"{wnids()[label]}/{usual(label)}": b"x"})
    assert "pictures of ImageNet's validation set, not of imagenet-a" in (
        refused(f"imagenet-a:{where}")
    )


def test_a_class_that_a_set_does_not_have_is_refused(real, tmp_path):
    where = as_folder(tmp_path / "imagenet-o", {"n01440764/x.jpg": b"x"})
    assert "has pictures of class n01440764" in refused(where)
    assert "none of the 200 of imagenet-o" in refused(where)


def test_a_variant_of_imagenet_v2_needs_its_name(real, tmp_path):
    where = as_folder(tmp_path / "v2", members("imagenet-v2", real))
    told = refused(f"imagenet-v2:{where}")
    assert "may be any of imagenet-v2-matched-frequency, imagenet-v2-threshold07" in told
    assert told == refused(where), "its names identify the set, but not the variant"


def test_too_many_pictures_are_refused(real, tmp_path):
    label = class_subset("imagenet-a")[0]
    names: Iterable[str] = (f"{wnids()[label]}/0.1_{n} _ b_0.5.jpg" for n in range(7501))
    where = as_tar(tmp_path / "imagenet-a.tar", "imagenet-a", dict.fromkeys(names, b""))
    assert "7,501 pictures are too many: imagenet-a has 7,500" in refused(where)


def test_one_corruption_and_severity_of_imagenet_c_has_to_be_named(real, tmp_path):
    as_folder(tmp_path / "c" / "fog" / "2", members("imagenet-c", real))
    told = f"give one, such as imagenet-c:{tmp_path / 'c' / 'fog' / '2'}."
    assert told in refused(tmp_path / "c")
    assert told in refused(tmp_path / "c" / "fog")
    tar = as_tar(tmp_path / "weather.tar", "fog/2", members("imagenet-c", real))
    assert f"give one, such as imagenet-c:{tar}/snow/3." in refused(tar)


def test_pictures_of_another_corruption_in_the_tar_are_not_read(real, tmp_path):
    paths = members("imagenet-c", real)
    both = {f"fog/{n}/{path}": data for n in (1, 2) for path, data in paths.items()}
    tar = as_tar(tmp_path / "weather.tar", "weather", both)
    assert len(open_pictures(f"{tar}/fog/1").pictures) == len(paths)
    assert "holds no pictures" in refused(f"{tar}/snow/1")


def test_imagenet_100_takes_the_pictures_of_its_classes_and_names_the_list(real, tmp_path):
    inside = class_subset("imagenet-100")[0]
    outside = next(label for label in range(1000) if label not in class_subset("imagenet-100"))
    names = [f"{wnids()[label]}/{usual(label)}" for label in (inside, outside)]
    where = as_folder(tmp_path / "val", dict.fromkeys(names, b"x"))
    assert open_pictures(str(where)).picture_set == ""
    found = open_pictures(f"imagenet-100:{where}")
    assert [picture.label for picture in found.pictures] == [inside]
    assert (found.name, len(found.classes)) == ("imagenet-100-cmc", 100)


def tiny(root: Path, annotations: str, data: bytes = b"x") -> Path:
    paths = {"wnids.txt": b"n01443537\nn01629819\n", "val/images/val_0.JPEG": data}
    return as_folder(root, {**paths, "val/val_annotations.txt": annotations.encode()})


def test_tiny_imagenet_has_the_classes_of_its_list_and_says_how_small_its_pictures_are(tmp_path):
    where = tiny(tmp_path / "tiny-imagenet-200", "val_0.JPEG\tn01629819\t0\t32\t44\t62\n")
    found = open_pictures(str(where))
    assert [(picture.key, picture.label) for picture in found.pictures] == [("val_0.JPEG", 25)]
    assert found.classes == (1, 25)
    assert "64 by 64 pixels, which recipes enlarge" in " ".join(map(str, found.findings))


def test_tiny_imagenet_is_read_from_its_zip(real, tmp_path):
    line = "val_0.JPEG\tn01629819\t0\t32\t44\t62\n"
    where = tiny(tmp_path / "tiny-imagenet-200", line, next(iter(real.values())))
    path = shutil.make_archive(str(where), "zip", tmp_path, "tiny-imagenet-200")
    found, other = open_pictures(path), open_pictures(str(where))
    assert (found.classes, fingerprint(found)) == (other.classes, fingerprint(other))


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ("val_0.JPEG\tn01440764\n", "has n01440764, which wnids.txt does not list"),
        ("val_9.JPEG\tn01443537\n", "is not a file"),
        ("../wnids.txt\tn01443537\n", "is not a file"),
        ("val_0.JPEG\n", "fewer than 2 columns"),
        ("", "lists no picture"),
    ],
)
def test_broken_annotations_of_tiny_imagenet_are_refused(annotations, message, tmp_path):
    assert message in refused(tiny(tmp_path / "t", annotations))


def test_imagenette_says_that_models_have_seen_its_pictures(real, tmp_path):
    where = as_folder(tmp_path / "imagenette2" / "val", members("imagenette", real)).parent
    assert "ImageNet's training set" in " ".join(map(str, open_pictures(str(where)).findings))


@pytest.mark.parametrize("name", published_sets())
def test_every_published_set_states_what_it_is_and_how_it_is_scored(name):
    facts = published_sets()[name]
    assert facts.about
    assert facts.scoring
    assert facts.licence
    assert facts.source
    assert all(archive.n > 0 for archive in facts.archives)
    assert list(facts.classes) == sorted(set(facts.classes))


def test_figures_of_timm_are_whole_numbers_of_right_pictures_in_our_numbers_of_pictures():
    """For each set and model on the page; most wrong numbers of pictures would not fit."""
    page = Path(__file__).parents[2] / "docs" / "picture-sets.md"
    rows = [
        line.strip("| ").split(" | ")
        for line in page.read_text().splitlines()
        if "| 200 |" in line or "| 1,000 |" in line
    ]
    sizes = {
        name: archive.n for name, facts in published_sets().items() for archive in facts.archives
    }
    for title, name in {
        "ImageNet-V2, matched frequency": "imagenet-v2",
        "ImageNet-Sketch": "imagenet-sketch",
        "ImageNet-A": "imagenet-a",
        "ImageNet-R": "imagenet-r",
    }.items():
        (row,) = (row for row in rows if row[0] == title)
        n = sizes[name]
        assert int(row[1].replace(",", "")) == n
        shares = list(map(float, row[3:]))
        assert [round(100 * round(share * n / 100) / n, 3) for share in shares] == shares
        assert len(published_sets()[name].classes) == int(row[2].replace(",", ""))


def test_tables_know_what_each_published_set_needs_to_be_read_with():
    assert {name: one.note for name, one in published_sets().items() if one.note} == CARE
