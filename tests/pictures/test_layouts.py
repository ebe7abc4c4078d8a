"""Common layouts in every form: the same layout gives the same image set in each of them.

A layout is a list of paths. A form is a function that creates a folder, a tar or a zip file with
these paths. The tests of layouts run for every form in FORMS. A new form is one more function
there; a new layout is one more line in SAME, BESIDE or REFUSED.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from conftest import digests
from PIL import Image

from benchmarking import open_images
from benchmarking.cli import main
from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import validation_key, validation_labels, wnids
from benchmarking.pictures.doctor import look, quick
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import default_name, open_pictures

LABELS = validation_labels().tolist()
NUMBERS = (37, 88, 128, 198)
KEYS = tuple(sorted(map(validation_key, NUMBERS)))


def wnid(number: int) -> str:
    return wnids()[LABELS[number - 1]]


def content(path: str) -> bytes:
    """The content of a file, which depends only on its picture, so that layouts can be compared."""
    for number in NUMBERS:
        if str(number).zfill(8) in path:
            return f"picture {number}".encode()
    return b"x"


def as_folder(place: Path, paths: Iterable[str]) -> Path:
    place.mkdir()
    for path in paths:
        file = place / path
        if path.endswith("/"):
            file.mkdir(parents=True, exist_ok=True)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        if " -> " in path:
            file, target = path.split(" -> ")
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).symlink_to(target)
        else:
            file.write_bytes(content(path))
    return place


def as_tar(place: Path, paths: Iterable[str], top: str = "") -> Path:
    place = place.with_name(f"{place.name}.tar")
    with tarfile.open(place, "w") as tar:
        for path in paths:
            name, _, target = path.partition(" -> ")
            member = tarfile.TarInfo(top + name.rstrip("/"))
            if target:
                member.type, member.linkname = tarfile.SYMTYPE, target
            elif path.endswith("/"):
                member.type = tarfile.DIRTYPE
            data = b"" if target or path.endswith("/") else content(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return place


def as_zip(place: Path, paths: Iterable[str], top: str = "") -> Path:
    place = place.with_name(f"{place.name}.zip")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as file:
        for path in paths:
            name, _, target = path.partition(" -> ")
            member = zipfile.ZipInfo(top + name)
            member.filename = top + name  # ZipInfo cuts some names
            if target:
                member.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(member, target or (b"" if path.endswith("/") else content(path)))
    return place


FORMS: Mapping[str, Callable[[Path, Iterable[str]], Path]] = {
    "folder": as_folder,
    "tar": as_tar,
    "tar with Kaggle's root": lambda place, paths: as_tar(place, paths, "ILSVRC/Data/CLS-LOC/val/"),
    "zip": as_zip,
    "zip with a folder in it": lambda place, paths: as_zip(place, paths, "val/"),
}


@pytest.fixture(params=FORMS)
def form(request, tmp_path) -> Callable[[Iterable[str]], Path]:
    """A function that creates a place with a layout."""
    return lambda paths: FORMS[request.param](tmp_path / "place", paths)


USUAL = tuple(f"{wnid(number)}/{validation_key(number)}" for number in NUMBERS)
FLAT = tuple(validation_key(number) for number in NUMBERS)
STEMS = tuple(name.removesuffix(".JPEG") for name in FLAT)
HUGGING_FACE = tuple(f"ILSVRC2012_val_{number:08d}_{wnid(number)}" for number in NUMBERS)


def named(paths: Iterable[str], suffix: str) -> tuple[str, ...]:
    return tuple(f"{path}{suffix}" for path in paths)


def in_folders(folders: Callable[[int], str], files: Iterable[str] = FLAT) -> tuple[str, ...]:
    return tuple(f"{folders(number)}/{file}" for number, file in zip(NUMBERS, files, strict=True))


# One image set

SAME = {
    "flat": FLAT,
    "Hugging Face, flat": named(HUGGING_FACE, ".JPEG"),
    "Hugging Face, .jpg": named(HUGGING_FACE, ".jpg"),
    "Hugging Face, .jpeg": named(HUGGING_FACE, ".jpeg"),
    ".jpg": named(STEMS, ".jpg"),
    ".jpeg in class folders": in_folders(wnid, named(STEMS, ".jpeg")),
    "upper case": tuple(name.upper() for name in FLAT),
    "lower case": tuple(name.lower() for name in FLAT),
    "no suffix": STEMS,
    "no suffix, in class folders": in_folders(wnid, STEMS),
    "no suffix, Hugging Face": HUGGING_FACE,
    "in one folder for all": named(tuple(f"0/{name}" for name in STEMS), ".JPEG"),
    "some in a numbered folder": (*FLAT[:1], *(f"0/{name}" for name in FLAT[1:])),
    "Hugging Face, .png": named(HUGGING_FACE, ".png"),
    "Hugging Face, in class folders": in_folders(wnid, named(HUGGING_FACE, ".JPEG")),
    "upper-case folders": in_folders(lambda number: wnid(number).upper()),
    "folders with words": in_folders(lambda number: f"{wnid(number)}-great_white shark"),
    "folders with words after _": in_folders(lambda number: f"{wnid(number)}_tench"),
    "usual and Hugging Face's": (*USUAL[:2], *in_folders(wnid, named(HUGGING_FACE, ".JPEG"))[2:]),
}


def fingerprint(place: Path, **options) -> str:
    pictures = open_pictures(str(place), **options).pictures
    return image_set("set", pictures, digests(pictures)).fingerprint


@pytest.mark.parametrize("layout", SAME.values(), ids=SAME)
def test_every_layout_gives_the_same_image_set_as_the_usual_one(form, layout, tmp_path):
    place = form(layout)
    pictures = open_pictures(str(place)).pictures
    assert [(p.key, p.label) for p in pictures] == sorted(
        ((validation_key(n), LABELS[n - 1]) for n in NUMBERS), key=lambda row: (row[1], row[0])
    )
    assert fingerprint(place) == fingerprint(as_folder(tmp_path / "usual", USUAL))
    assert quick(str(place)) == []


def test_the_suffix_of_an_archive_is_no_part_of_the_name_of_its_image_set(form):
    place = form(USUAL)
    assert default_name(str(place), open_pictures(str(place)).pictures) == "place"


def test_the_keys_of_other_pictures_are_their_file_names(form):
    names = ["n01440764/ILSVRC2012_val_00000293.png", "n01440764/n01440764_1_n01440764.JPEG"]
    found = {p.key for p in open_pictures(str(form([*names, "n01440764/a.PNG"]))).pictures}
    assert found == {"ILSVRC2012_val_00000293.png", "n01440764_1_n01440764.JPEG", "a.PNG"}


def test_the_whole_validation_set_with_names_of_hugging_face_is_called_imagenet_val(tmp_path):
    with tarfile.open(tmp_path / "val.tar", "w") as tar:
        for number in range(1, 50_001):
            tar.addfile(tarfile.TarInfo(f"ILSVRC2012_val_{number:08d}_{wnid(number)}.JPEG"))
    pictures = open_pictures(str(tmp_path / "val.tar")).pictures
    assert default_name("x", pictures) == "imagenet-val"


def test_the_class_of_training_pictures_in_one_folder_follows_from_their_names(form):
    names = ["n01440764_10026.JPEG", "n15075141_1.jpeg", "n01440764_10027_n01440764.JPEG"]
    found = [(p.key, p.label) for p in open_pictures(str(form(names))).pictures]
    assert found == [(names[0], 0), (names[2], 0), (names[1], 999)]


WRITTEN = {
    "./": lambda path: f"./{path}",
    "a folder": lambda path: f"val/{path}",
    "a full path": lambda path: f"/data/imagenet/val/{path}",
    "backslashes": lambda path: path.replace("/", "\\"),
    "..": lambda path: f"../{path}",
}


@pytest.mark.parametrize("archived", [as_tar, as_zip], ids=["tar", "zip"])
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("layout", [USUAL, FLAT], ids=["in class folders", "flat"])
def test_every_way_to_write_the_paths_of_an_archive_gives_the_same_set(
    layout, written, archived, tmp_path
):
    place = archived(tmp_path / "place", [*map(written, layout), "README"])
    assert fingerprint(place) == fingerprint(as_folder(tmp_path / "usual", USUAL))


def test_paths_that_an_unpacked_zip_of_windows_leaves_as_file_names_are_read(tmp_path):
    place = as_folder(tmp_path / "place", [path.replace("/", "\\") for path in USUAL])
    assert {path.name for path in place.iterdir()} == {path.replace("/", "\\") for path in USUAL}
    assert fingerprint(place) == fingerprint(as_folder(tmp_path / "usual", USUAL))


def test_folders_in_a_zip_of_windows_are_not_pictures(tmp_path):
    place = tmp_path / "val.zip"
    with zipfile.ZipFile(place, "w") as file:
        for path in (*USUAL, *(f"{path.split('/')[0]}/" for path in USUAL)):
            member = zipfile.ZipInfo("x")
            member.filename = f"val\\{path}".replace("/", "\\")
            file.writestr(member, b"" if path.endswith("/") else content(path))
    assert fingerprint(place) == fingerprint(as_folder(tmp_path / "usual", USUAL))
    assert quick(str(place)) == []


# Other files beside the pictures

BESIDE = {
    "a script": ["valprep.sh"],
    "notes": ["LICENSE", "README", "readme.md", "Citation.bib", f"{wnid(37)}/notes.txt"],
    "archives": ["val.tar", "ILSVRC2012_devkit_t12.tar.gz", "more.zip"],
    "lists": ["val.txt", "synset_words.txt", "meta.mat", f"{wnid(88)}/boxes.xml"],
    "a system's folders": ["lost+found/x.JPEG", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg"],
    "a system's folders in a class": [f"{USUAL[0].split('/')[0]}/@eaDir/y.jpg"],
    "macOS": ["__MACOSX/._x.JPEG", ".DS_Store", f"{USUAL[0].split('/')[0]}/.DS_Store"],
    "Windows": ["$RECYCLE.BIN/a.jpg", "System Volume Information/b.jpg", "Thumbs.db"],
    "storage devices": ["@Recently-Snapshot/a.jpg", "#recycle/b.JPEG", ".@__thumb/c.jpg"],
    "a repaired disk": ["FOUND.001/a.JPEG", "FOUND.001/FILE0000.CHK"],
    "notebooks": [".ipynb_checkpoints/a-checkpoint.jpg", "look.ipynb"],
    "where a download came from": [f"{USUAL[0]}:Zone.Identifier"],
    "AppleDouble": ["._README", *(path.replace("/", "/._") for path in USUAL)],
    "a link that leads nowhere": ["latest -> /no/such/place"],
    "a folder without pictures": ["scripts/sort.py", "scripts/lib/more.py"],
    "a store of predictions": ["mine/place/images.csv", "mine/place/a__b__c.safetensors"],
}


@pytest.mark.parametrize("flat", [False, True], ids=["in class folders", "flat"])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_files_that_are_not_pictures_are_left_out_and_named(form, beside, flat):
    usual = FLAT if flat else USUAL
    beside = [p for p in beside if not flat or p.split("/")[0] not in dict.fromkeys(wnids())]
    contents = open_pictures(str(form([*usual, *beside])))
    assert sorted(p.key for p in contents.pictures) == sorted(FLAT)
    assert contents.findings == ()
    for path in beside:
        name = path.split(" -> ")[0].split("/")
        assert any(part.rstrip("/") in left for part in name for left in contents.left_out)
    assert "\n" not in contents.note


def test_every_command_names_the_left_out_files_in_one_line(tmp_path, capsys, light):
    place = as_folder(
        tmp_path / "val", ["README.md", "valprep.sh", "@eaDir/x.jpg", "n01440764/b.py"]
    )
    Image.new("RGB", (8, 8)).save(place / "n01440764" / "a.png")
    line = "note: files that are no pictures, left out: @eaDir/, README.md, n01440764/b.py, "
    store = str(tmp_path / "store")
    assert main(["doctor", str(place)]) == 0
    assert capsys.readouterr().err == f"{line}valprep.sh\n"
    models = ["--models", "brightness/darker"]
    assert main(["predict", str(place), "--store", store, *models]) == 0
    assert capsys.readouterr().err.splitlines()[0] == f"{line}valprep.sh"
    open_images(place)
    assert capsys.readouterr().err == f"{line}valprep.sh\n"


def test_many_left_out_files_of_a_kind_are_named_together(form):
    streams = [f"{path}:Zone.Identifier" for path in USUAL]
    doubles = [path.replace("/", "/._") for path in USUAL]
    thumbs = [f"{path.split('/')[0]}/Thumbs.db" for path in USUAL]
    tables = [f"{path}.xml" for path in USUAL]
    found = open_pictures(str(form([*USUAL, *streams, *doubles, *thumbs, *tables]))).note
    for kind in ("*:Zone.Identifier (4)", "._* (4)", "Thumbs.db (4)", "*.xml (4)"):
        assert kind in found


def test_the_report_of_the_doctor_contains_every_left_out_file(tmp_path):
    place = as_folder(tmp_path / "val", [*USUAL, *(f"{n}.txt" for n in range(40))])
    found = look(str(place))
    assert len(found.left_out) == 40
    assert open_pictures(str(place)).left_out == found.left_out


def test_the_store_may_be_in_the_folder_of_pictures(tmp_path, light, capsys):
    place = tmp_path / "val"
    for number in (1, 2):
        path = place / wnids()[number] / f"{number}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    for store in ("store", "."):
        command = ["predict", str(place), "--store", str(place / store)]
        for _ in range(2):
            assert main([*command, "--models", "brightness/darker"]) == 0
        assert "note: files that are no pictures, left out: " in capsys.readouterr().err
    assert len(open_pictures(str(place)).pictures) == 2


# Copies and partial files

COPIES = [
    *("{} (1).JPEG", "{} copy.JPEG", "{} copy 2.JPEG", "Copy of {}.JPEG", "{} - Copy.JPEG"),
    *("{} - Copy (2).JPEG", "{}(2).JPEG", "{}_copy.JPEG", "{} 2.JPEG", "{}.JPEG.jpg", "{}.jpg"),
    *("{} - Kopie.JPEG", "{}_{wnid}.JPEG"),
]


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("flat", [False, True], ids=["in class folders", "flat"])
def test_a_copy_of_a_validation_picture_gives_a_warning(form, copy, flat, tmp_path, capsys):
    folder = "" if flat else f"{wnid(37)}/"
    name = f"{folder}{copy.format('ILSVRC2012_val_00000037', wnid=wnid(37))}"
    place = form([*(FLAT if flat else USUAL), name])
    contents = open_pictures(str(place))
    assert len(contents.pictures) == 5
    (found,) = quick(str(place))
    assert (found.kind, found.count) == ("repeated-number", 1)
    assert name.rpartition("/")[2] in found.names[0]
    assert validation_key(37) in found.names[0]
    assert [line for line in contents.remarks if line.startswith("warning: repeated-number: ")]


def test_a_copy_of_another_picture_gives_a_warning_only_beside_its_original(form):
    names = ["n01440764/a.JPEG", "n01440764/a (1).JPEG", "n01440764/b 2.JPEG"]
    (found,) = quick(str(form(names)))
    assert (found.kind, found.count) == ("copied-file", 1)
    assert found.names[0].replace("n01440764/", "") == "a (1).JPEG of a.JPEG"


def test_open_images_warns_of_copies_too(tmp_path, capsys):
    for name in ("a.png", "a (1).png"):
        path = tmp_path / "val" / "n01440764" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    assert len(open_images(tmp_path / "val")) == 2
    assert "warning: copied-file: copies beside their originals" in capsys.readouterr().err


def test_open_images_warns_of_pictures_in_the_folder_of_another_class(tmp_path, capsys):
    path = tmp_path / "val" / "n01440764" / "n01443537_1.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(path)
    assert open_images(tmp_path / "val").labels.tolist() == [0]
    assert "warning: wrong-folder: pictures whose name belongs to a" in capsys.readouterr().err


@pytest.mark.parametrize(
    "suffix", [".part", ".partial", ".crdownload", ".download", ".tmp", ".filepart", ".aria2"]
)
@pytest.mark.parametrize("flat", [False, True], ids=["in class folders", "flat"])
def test_a_partial_download_is_never_a_picture(form, suffix, flat):
    usual = FLAT if flat else USUAL
    place = form([*usual, f"{usual[0]}{suffix}"])
    contents = open_pictures(str(place))
    assert sorted(p.key for p in contents.pictures) == sorted(FLAT)
    (found,) = contents.findings
    assert (found.kind, found.count) == ("partial-download", 1)
    assert [one.kind for one in quick(str(place))] == ["partial-download"]


# Folders named by index


def by_index(digits: int = 0, files: Iterable[str] = FLAT) -> tuple[str, ...]:
    return in_folders(lambda number: str(LABELS[number - 1]).zfill(digits), files)


@pytest.mark.parametrize("digits", [0, 3, 4])
def test_index_folders_give_the_same_image_set_with_the_option(form, digits, tmp_path):
    place = form(by_index(digits))
    usual = as_folder(tmp_path / "usual", USUAL)
    assert fingerprint(place, class_folders="index") == fingerprint(usual)
    with pytest.raises(PictureError, match="add --class-folders index .* names of 4 pictures in"):
        open_pictures(str(place))
    assert [one.kind for one in quick(str(place))] == ["numbered-folders"]
    assert look(str(place), class_folders="index").findings == ()


NAMES = ("a.JPEG", "b.JPEG", "c.JPEG", "d.JPEG")


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            by_index(0, NAMES),
            "if they follow the sorted WordNet ids, 0 for n01440764 .*else rename",
        ),
        (
            in_folders(lambda number: str(LABELS[number - 1] + 1)),
            r"do not follow the sorted .*: 17 holds pictures of class 16, n01560419; they are",
        ),
        (
            in_folders(lambda number: str(999 - LABELS[number - 1])),
            r"they do not follow the sorted WordNet ids: \d+ holds pictures of class \d+, n\d{8};",
        ),
        (
            ["1/a.jpg", "1000/b.jpg"],
            "they go beyond 999, so they are perhaps counted from 1; rename",
        ),
    ],
    ids=["silent names", "from 1", "another order", "1000"],
)
def test_index_folders_are_refused_without_the_option_with_advice_from_their_pictures(
    form, layout, message
):
    with pytest.raises(PictureError, match=message):
        open_pictures(str(form(layout)))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            by_index()[:1] + ("17/ILSVRC2012_val_00000293.JPEG",),
            "293.JPEG is of class 0, n01440764",
        ),
        (["17/n01440764_1.JPEG"], "these folders do not follow the sorted WordNet ids"),
        (["1000/a.jpg", "0/b.jpg"], r"an index is one of 0 to 999"),
    ],
    ids=["number", "training name", "1000"],
)
def test_index_folders_that_contradict_the_names_of_their_pictures_are_refused(
    form, layout, message
):
    with pytest.raises(PictureError, match=message):
        open_pictures(str(form(layout)), class_folders="index")


def test_folders_named_by_wordnet_id_are_refused_as_index_folders(tmp_path):
    place = as_folder(tmp_path / "val", USUAL)
    with pytest.raises(PictureError, match="omit --class-folders"):
        open_pictures(str(place), class_folders="index")
    with pytest.raises(
        PictureError, match="picture set demo does not support class folders named by"
    ):
        open_pictures("demo", class_folders="index")


def test_index_folders_work_in_every_command_and_in_python(tmp_path, light, capsys):
    place = tmp_path / "val"
    for number in (1, 2):
        path = place / str(number) / f"{number}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    option = ["--class-folders", "index"]
    store = ["--store", str(tmp_path / "store"), "--models", "brightness/darker"]
    assert main(["predict", str(place), *store]) == 2
    assert main(["predict", str(place), *store, *option]) == 0
    assert main(["doctor", str(place)]) == 1
    assert main(["doctor", str(place), *option]) == 0
    assert open_images(place, class_folders="index").labels.tolist() == [1, 2]


# What is refused

REFUSED = {
    "a class in its name that is not its own": (
        ["ILSVRC2012_val_00000293_n01443537.JPEG"],
        r"contains two different classes: 1 \(.*00000293_n01443537.JPEG\)",
    ),
    "Hugging Face's name in another class": (
        ["n01443537/ILSVRC2012_val_00000293_n01440764.JPEG"],
        "to a different class than their folder.* is of class 0, n01440764",
    ),
    "a training name of two classes": (
        ["n01440764_1_n01443537.JPEG"],
        "contains two different classes: 1",
    ),
    "the test set": (
        ["ILSVRC2012_test_00000001.JPEG", "ILSVRC2012_test_00000002.JPEG"],
        "pictures of the test set, whose labels are not published: 2",
    ),
    "the test set beside the validation set": (
        ["test/ILSVRC2012_test_00000001.JPEG", *(f"val/{name}" for name in FLAT)],
        "the test set, whose labels are not .*: 1 .*; unpack them, and give .*val|give the folder",
    ),
    "half sorted": (
        [*USUAL[:2], FLAT[2]],
        "pictures beside class folders instead of in them: 1 .*00128",
    ),
    "an unknown picture beside": (
        [*USUAL, "all.png"],
        r"beside class folders instead of in them: 1 \(.*all.png",
    ),
    "pictures of one class in each folder": (
        [*in_folders(lambda number: f"class_{LABELS[number - 1]}"), "class_0/a.png"],
        "names contain no class: 1|pictures tell their classes, one in each of these folders: re",
    ),
    "a folder by its English name": (
        ["tench/a.jpg", "n01443537/b.jpg"],
        "tench' would be n01440764",
    ),
    "a folder within a class": (["n01440764/images/a.jpg", *USUAL], "n01440764/images"),
    "a copied folder": (
        ["n01440764/a.jpg", "n01440764-tench/a.jpg"],
        r"classes with more than one folder: 1 \(.*n01440764 = .*n01440764-tench",
    ),
    "a folder called a copy": (["n01440764/a.jpg", "n01440764 copy/a.jpg"], "n01440764 copy"),
    "a class folder that is a link to nowhere": (
        [*USUAL, "n01440764 -> /no/such"],
        r"in place of pictures or of class folders: 1 \(.*n01440764\)",
    ),
    "half of everything": (["n01440764/a.JPEG.part"], "partial downloads, .*: 1"),
    "archives of classes": (
        ["n01440764.tar", "n01443537.tar", "n01484850.tar"],
        r"\*.tar \(3\).*unpack each into a folder of its name, such as n01440764, and give",
    ),
    "several archives": (
        ["images.part1.zip", "images.part2.zip", "README"],
        "archives, which are not read there: unpack them, and give the folder of the pictures",
    ),
    "training pictures in a folder of their own": (
        [*(f"train/{wnid(n)}_{n}.JPEG" for n in NUMBERS), *(f"val/{name}" for name in FLAT)],
        "several .* of their own: 2 .*train, .*val.; unpack them, and give (.*/)?val[.;]"
        "|give the folder in it: .*/val",
    ),
    "a picture in two folders": (
        [f"a/{FLAT[0]}", *(f"b/{name}" for name in FLAT)],
        "several folders with pictures of their own: 2|give one of the folders in it: .*/a, .*/b",
    ),
    "a training picture beside a folder": (
        ["n01440764_1.JPEG", *(f"more/{name}" for name in FLAT)],
        "several folders with pictures of their own: 2|that name no ImageNet class: 1 .more",
    ),
    "a picture in a numbered folder and beside it": (
        [FLAT[3], *(f"0/{name}" for name in FLAT)],
        "several folders with pictures of their own: 2",
    ),
    "numbered folders that are no classes": (
        [*(f"0/{name}" for name in FLAT[:2]), *(f"1/{name}" for name in FLAT[2:])],
        "0 holds pictures of several classes, so it is no class folder; move all pictures into one",
    ),
    "a folder of known and unknown pictures": (
        [*(f"0/{name}" for name in FLAT), "0/a.JPEG"],
        "0 holds pictures of several classes, so it is no class folder",
    ),
}


@pytest.mark.parametrize(("layout", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_layout_is_refused_with_the_reason(form, layout, message):
    place = form(layout)
    with pytest.raises(PictureError, match=message):
        open_pictures(str(place))
    status = main(["doctor", str(place), "--quick"])
    assert status in (1, 2)


def test_a_broken_link_in_place_of_a_picture_is_found(tmp_path):
    place = as_folder(tmp_path / "val", [*USUAL[:3], f"{USUAL[3]} -> /no/such"])
    assert len(open_pictures(str(place)).pictures) == 4
    assert [one.kind for one in quick(str(place))] == ["unreadable-file"]


def test_a_tar_of_training_and_validation_pictures_is_refused(tmp_path):
    paths = [f"train/{USUAL[0]}", f"val/{USUAL[1]}"]
    with pytest.raises(
        PictureError,
        match=r"several .* of their own: 2 \(train, val\); unpack them, and give val\.",
    ):
        open_pictures(str(as_tar(tmp_path / "all", paths)))


KAGGLE = "input/imagenet-object-localization-challenge"


@pytest.mark.parametrize(
    ("root", "at"),
    [
        *[("", at) for at in ("", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC")],
        *[(f"{above}{KAGGLE}", "") for above in ("", "kaggle/", "a/b/c/d/kaggle/")],
    ],
)
def test_the_error_for_kaggles_root_names_the_folder_of_pictures_in_it(tmp_path, root, at, capsys):
    data = "ILSVRC/Data/CLS-LOC"
    paths = [f"{data}/val/{name}" for name in FLAT]
    paths += [f"{data}/train/n01440764/n01440764_{n}.JPEG" for n in range(3)]
    paths += [f"{data}/test/ILSVRC2012_test_00000001.JPEG", "LOC_val_solution.csv"]
    paths += [
        "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml",
        "ILSVRC/ImageSets/x.txt",
    ]
    paths += [f"ILSVRC/Annotations/CLS-LOC/train/n01440764/n01440764_{n}.xml" for n in range(3)]
    place = as_folder(tmp_path / "place", [str(Path(root, path)) for path in paths])
    right = place / root / data / "val"
    with pytest.raises(PictureError, match=f"give the folder in it: {right}"):
        open_pictures(str(place / at))
    assert main(["doctor", str(place / at), "--quick"]) in (1, 2)
    assert f"give the folder in it: {right}" in "".join(capsys.readouterr())
    assert len(open_pictures(str(right)).pictures) == 4


def test_the_error_names_all_folders_if_none_is_the_validation_set(tmp_path):
    place = as_folder(tmp_path / "sets", ["a/n01440764/x.jpg", "b/n01440764/x.jpg"])
    with pytest.raises(PictureError, match=f"one of the folders in it: {place}/a, {place}/b"):
        open_pictures(str(place))


# Places of other forms


def archive(place: Path, kind: str) -> Path:
    """A class folder in an archive."""
    tar = as_tar(place, [f"val/{path}" for path in USUAL])
    if kind == "zip":
        path = place.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as file:
            for name in USUAL:
                file.writestr(f"val/{name}", content(name))
        return path
    path = place.with_suffix(kind)
    if kind == ".tar.gz" or kind == ".tgz":
        path.write_bytes(gzip.compress(tar.read_bytes()))
    else:
        with tarfile.open(path, f"w:{kind.rpartition('.')[2]}") as file:
            file.add(tar, "val.tar")
    return path


@pytest.mark.parametrize("kind", [".tar.gz", ".tgz"])
def test_the_error_for_a_compressed_tar_has_the_command_that_unpacks_it(tmp_path, kind):
    path = archive(tmp_path / "x", kind)
    with pytest.raises(PictureError) as caught:
        open_pictures(str(path))
    said = str(caught.value)
    assert said.startswith(f"{path} is compressed with gzip, and cannot be read as an uncompressed")
    assert f"it contains, for example, 'val/{USUAL[0]}'" in said
    assert f"mkdir val && tar -xf {path} -C val; then give val/val." in said


@pytest.mark.parametrize(("kind", "program"), [(".tar.bz2", "bzip2"), (".tar.xz", "xz")])
def test_other_compressed_tars_are_recognised(tmp_path, kind, program):
    path = archive(tmp_path / "x", kind)
    with pytest.raises(
        PictureError, match=f"is compressed with {program}, .*val.tar', which is not"
    ):
        open_pictures(str(path))


def test_a_zip_gives_the_same_image_set_and_a_damaged_one_is_refused(tmp_path):
    path = archive(tmp_path / "x", "zip")
    assert fingerprint(path) == fingerprint(as_folder(tmp_path / "folder", USUAL))
    renamed = path.rename(tmp_path / "x.data")
    with pytest.raises(PictureError, match="whose name does not end in .zip; give zip:"):
        open_pictures(str(renamed))
    assert fingerprint(f"zip:{renamed}") == fingerprint(tmp_path / "folder")
    path.write_bytes(renamed.read_bytes()[:-30])
    with pytest.raises(PictureError, match="is a damaged zip file .*; download it again"):
        open_pictures(str(path))


OTHERS = {
    "x.tar.gz": (
        gzip.compress(b"no tar", mtime=0),
        "its contents cannot be listed. Check that it is a complete tar",
    ),
    "x.zip": (b"PK\x03\x04", "is a damaged zip file"),
    "x.7z": (b"7z\xbc\xaf\x27\x1c", "is a 7z file.* 7z x .*/x.7z -oval"),
    "x.rar": (b"Rar!\x1a\x07", "is a rar file.*unrar x"),
    "cat.jpg": (
        b"\xff\xd8\xff",
        "is one picture. A picture needs a folder named by .*val/n01440764/",
    ),
    "x.parquet": (b"PAR1", "is damaged: .*; download it again"),
    "x.npy": (b"\x93NUMPY", "is an array of NumPy, which is not read as pictures"),
    "labels.csv": (b"a,b", "is a .csv file, not pictures. .*labels go to 'table --labels'"),
    "val": (b"<!DOCTYPE html>", "is a web page or XML, such as a page that asks for a login"),
    "notes": (b"of these pictures", "is a file. Expected a folder or a tar of pictures, or a pic"),
}


@pytest.mark.parametrize(("name", "data", "message"), [(n, *row) for n, row in OTHERS.items()])
def test_the_error_for_another_file_says_what_it_is(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PictureError, match=message):
        open_pictures(str(tmp_path / name))
    assert main(["doctor", str(tmp_path / name)]) == 2


def test_the_error_for_one_picture_names_its_folder(tmp_path):
    place = as_folder(tmp_path / "val", USUAL)
    with pytest.raises(
        PictureError, match=f"one picture. Give the parent of its class folder: {place};"
    ):
        open_pictures(str(place / USUAL[0]))
    flat = as_folder(tmp_path / "flat", FLAT)
    with pytest.raises(PictureError, match=f"Give the folder that it is in: {flat}; .* --limit"):
        open_pictures(str(flat / FLAT[0]))


def test_a_tar_with_another_suffix_can_be_opened_as_tar(tmp_path):
    path = as_tar(tmp_path / "x", FLAT).rename(tmp_path / "ILSVRC2012_img_val")
    with pytest.raises(
        PictureError, match=f"is a tar whose name does not end in .tar; give tar:{path}"
    ):
        open_pictures(str(path))
    assert len(open_pictures(f"tar:{path}").pictures) == 4


def test_the_error_for_a_missing_path_names_the_part_that_exists(tmp_path, monkeypatch):
    (tmp_path / "imagenet" / "val").mkdir(parents=True)
    for path, message in {
        tmp_path
        / "imagenet"
        / "vall": rf"does not exist. Did you mean '{tmp_path}/imagenet/val'\?",
        tmp_path / "imagenet" / "test": f"does not exist; '{tmp_path}/imagenet' holds val.",
        tmp_path / "no" / "such" / "val": f"; '{tmp_path}' exists, but it does not contain 'no'.",
        "": "'' does not exist",
    }.items():
        with pytest.raises(PictureError, match=message):
            open_pictures(str(path))
    (tmp_path / "link").symlink_to("/no/such")
    with pytest.raises(PictureError, match="link' is a link to '/no/such', which cannot be found"):
        open_pictures(str(tmp_path / "link"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PictureError, match="pipe' is neither a folder nor a regular file"):
        open_pictures(str(tmp_path / "pipe"))


METHODS = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA"}


@pytest.mark.parametrize(("method", "name"), METHODS.items(), ids=METHODS.values())
def test_the_error_for_a_zip_with_another_compression_names_it(tmp_path, method, name):
    with zipfile.ZipFile(tmp_path / "val.zip", "w", method) as file:
        for path in USUAL:
            file.writestr(path, content(path))
    message = (
        f"is compressed with {name}, which cannot be read in a zip.* Unpack it: 7z x .*val.zip"
    )
    with pytest.raises(PictureError, match=message):
        open_pictures(str(tmp_path / "val.zip"))


MISTAKEN = {
    "a tar, named zip": ("val.zip", "tar", "is a tar whose name ends in .zip; give tar:"),
    "a zip, named tar": (
        "val.tar",
        "zip",
        "is a zip file whose name does not end in .zip; give zip:",
    ),
    "a compressed tar, named tar": (
        "val.tar",
        ".tar.gz",
        "is compressed with gzip.* then give val/val.",
    ),
    "a compressed tar, named zip": (
        "val.zip",
        ".tar.gz",
        "is compressed with gzip.* then give val/val.",
    ),
    "a page, named tar": ("val.tar", b"<!DOCTYPE html>", "is a web page or XML"),
    "a page, named zip": ("val.zip", b"\n<html>", "is a web page or XML"),
    "a pointer, named tar": (
        "val.tar",
        b"version https://git-lfs.github.com/spec/v1",
        "git lfs pull",
    ),
    "a pointer, named zip": (
        "val.zip",
        b"version https://git-lfs.github.com/spec/v1",
        "git lfs pull",
    ),
    "a pointer": ("val", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    "nothing, named tar": ("val.tar", b"", "is empty; download it again"),
    "nothing, named zip": ("val.zip", b"", "is empty; download it again"),
}


@pytest.mark.parametrize(("name", "data", "message"), MISTAKEN.values(), ids=MISTAKEN)
def test_the_error_for_a_file_with_a_wrong_suffix_says_what_it_is(tmp_path, name, data, message):
    if isinstance(data, str):
        made = as_tar(tmp_path / "x", USUAL) if data == "tar" else archive(tmp_path / "x", data)
        made.rename(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(PictureError, match=message):
        open_pictures(str(tmp_path / name))


def test_the_error_for_a_folder_with_only_an_archive_says_what_to_do_with_it(tmp_path):
    (tmp_path / "zip").mkdir()
    archive(tmp_path / "zip" / "x", "zip")
    (tmp_path / "zip" / "x.tar").unlink()
    with pytest.raises(PictureError, match=f"give the zip in it: {tmp_path}/zip/x.zip"):
        open_pictures(str(tmp_path / "zip"))
    hub = tmp_path / "datasets--ILSVRC--imagenet-1k"
    (data := hub / "snapshots" / "0" / "data").mkdir(parents=True)
    archive(tmp_path / "x", ".tar.gz").rename(data / "val_images.tar.gz")
    with pytest.raises(
        PictureError,
        match=f"holds no pictures; in it, {data}/val_images.tar.gz is compressed with gzip, .*-C v",
    ):
        open_pictures(str(hub))


def test_the_error_for_a_folder_of_tables_at_any_depth_names_their_folder(tmp_path):
    place = as_folder(tmp_path / "hub", ["snapshots/0/data/validation-00000-of-00001.parquet"])
    with pytest.raises(PictureError, match=f"give the folder in it: {place}/snapshots/0/data"):
        open_pictures(str(place))


def test_the_error_for_a_folder_with_only_the_tar_names_the_tar(tmp_path):
    place = as_folder(tmp_path / "downloads", ["ILSVRC2012_devkit_t12.tar.gz"])
    shutil.move(as_tar(tmp_path / "x", FLAT), place / "ILSVRC2012_img_val.tar")
    with pytest.raises(PictureError, match=f"give the tar in it: {place}/ILSVRC2012_img_val.tar"):
        open_pictures(str(place))
