import io
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import digests, forget_plugins
from PIL import Image

from benchmarking import plugins
from benchmarking.errors import MissingDependency, PictureError
from benchmarking.labels.imagenet import validation_labels, wnids
from benchmarking.pictures import sets
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import Match, default_name, open_images, open_pictures


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("module", sets.picture_sets().values(), ids=lambda module: module.NAME)
def test_every_picture_set_has_a_description_and_does_not_match_a_missing_place(module):
    assert module.DESCRIPTION
    assert module.match("no/such/place") == Match.NONE


def test_the_class_of_a_folder_is_identified_by_its_wordnet_id_not_its_position(tmp_path):
    touch(tmp_path, f"{wnids()[999]}/a.JPEG", f"{wnids()[3]}/b.jpg", f"{wnids()[3]}/c.PNG")
    found = [(picture.key, picture.label) for picture in open_pictures(str(tmp_path)).pictures]
    assert found == [("b.jpg", 3), ("c.PNG", 3), ("a.JPEG", 999)]


def test_the_class_of_validation_pictures_in_one_folder_follows_from_their_number(tmp_path):
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in (7, 50_000, 1)]
    found = open_pictures(str(touch(tmp_path, *names))).pictures
    expected = sorted((int(validation_labels()[int(name[15:23]) - 1]), name) for name in names)
    assert [(picture.label, picture.key) for picture in found] == expected


def test_hidden_files_and_files_of_other_kinds_are_left_out(tmp_path):
    touch(tmp_path, "n01440764/a.jpg", "n01440764/._a.jpg", "n01440764/notes.txt", "Thumbs.db")
    assert [picture.key for picture in open_pictures(str(tmp_path)).pictures] == ["a.jpg"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0/a.jpg", "1/a.jpg"], r"folders that are numbers.*: 2 \(0, 1\); if they follow"),
        (["tench/a.jpg", "n01440764/b.jpg"], r"name no ImageNet class: 1 \(tench\); name folders"),
        (["n00000000/a.jpg"], r"folders with pictures that name no ImageNet class: 1 \(n00000000"),
        (["val/n01440764/a.jpg", "train/n01440764/a.jpg"], "give the folder in it: .*val.$"),
        (
            ["cat.jpg", "ILSVRC2012_val_00000001.JPEG"],
            r"whose names contain no class: 1 \(cat.jpg\)",
        ),
        (
            ["n01440764/a.jpg", "b.jpg"],
            r"pictures beside class folders instead of in them: 1 \(b.jpg\); put",
        ),
        (["n01440764/readme.txt"], "holds no pictures"),
        (["readme.txt"], "holds no pictures"),
        (["n01440764/a.jpg", "n01440764/more/b.jpg"], r"within class folders.*n01440764/more\)"),
        (
            ["n01440764/ILSVRC2012_val_00000001.JPEG"],
            r"different class .* is of class 65, n01751748",
        ),
    ],
)
def test_a_folder_whose_names_contain_no_class_is_refused(tmp_path, names, message):
    with pytest.raises(PictureError, match=message):
        open_pictures(str(touch(tmp_path, *names)))


def test_the_error_for_a_class_folder_names_its_parent(tmp_path):
    touch(tmp_path, "n01440764/a.jpg")
    with pytest.raises(PictureError, match=f"give the folder above this one: {tmp_path}"):
        open_pictures(str(tmp_path / "n01440764"))


def test_pictures_with_a_rare_suffix_or_none_are_used(tmp_path):
    touch(tmp_path, "n01440764/a.avif", "n01440764/b")
    assert [picture.key for picture in open_pictures(str(tmp_path)).pictures] == ["a.avif", "b"]


def test_the_error_for_a_missing_place_lists_the_picture_sets():
    with pytest.raises(PictureError, match=r"'no/such' does not exist.*demo: 20 labelled"):
        open_pictures("no/such")


def test_demo_is_twenty_pictures_with_the_labels_in_their_names():
    pictures = open_pictures("demo").pictures
    assert len(pictures) == 20
    assert all(picture.key.endswith(f"_{picture.label}.jpg") for picture in pictures)


def test_demo_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("benchmarking.pictures.sets.demo.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"run: pip install '.+' 'foolbox'$"):
        open_pictures("demo")


def test_the_whole_validation_set_has_a_fixed_name_and_parts_the_name_of_their_folder():
    whole = [
        Picture(f"ILSVRC2012_val_{number:08d}.JPEG", int(label), FilePart(""))
        for number, label in enumerate(validation_labels(), 1)
    ]
    assert default_name("/data/val", whole) == "imagenet-val"
    assert default_name("/data/my val (1)", whole[:7]) == "my-val-1"
    mislabelled = [*whole[:-1], Picture(whole[-1].key, (whole[-1].label + 1) % 1000, FilePart(""))]
    assert default_name("/data/val", mislabelled) == "val"


def test_flat_folder_class_tree_and_tar_have_the_same_fingerprint(tmp_path):
    flat, tree = tmp_path / "flat", tmp_path / "tree"
    for number in range(1, 40):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        wnid = wnids()[validation_labels()[number - 1]]
        touch(flat, name)
        (flat / name).write_text(f"picture {number}")
        (tree / wnid).mkdir(parents=True, exist_ok=True)
        shutil.copy(flat / name, tree / wnid / name)
    with tarfile.open(tmp_path / "val.tar", "w") as tar:
        tar.add(flat, "val")
    one, *others = (
        image_set("set", pictures := open_pictures(str(place)).pictures, digests(pictures))
        for place in (flat, tree, tmp_path / "val.tar")
    )
    for other in others:
        assert one.keys == other.keys
        assert (one.labels == other.labels).all()
        assert one.fingerprint == other.fingerprint
    assert [p.read() for p in one.pictures] == [p.read() for p in others[1].pictures]


def a_tar(path: Path, *members: tarfile.TarInfo, mode: str = "w") -> str:
    with tarfile.open(path, mode) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return str(path)


def member(name: str, size: int = 3, **fields) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size = size
    for field, value in fields.items():
        setattr(found, field, value)
    return found


NAME = "ILSVRC2012_val_00000001.JPEG"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("cat.jpg")], r"whose names contain no class: 1 \(cat.jpg\)"),
        ([member(NAME, 0, type=tarfile.SYMTYPE, linkname="/etc/passwd")], rf"links, .*\({NAME}\)"),
        ([member(NAME, 0, type=tarfile.LNKTYPE, linkname="x")], rf"links, .*\({NAME}\)"),
        ([member(NAME, 0, type=tarfile.CHRTYPE)], rf"devices .*\({NAME}\)"),
        ([], "holds no pictures"),
    ],
)
def test_a_tar_with_other_members_is_refused(tmp_path, members, message):
    with pytest.raises(PictureError, match=message):
        open_pictures(a_tar(tmp_path / "val.tar", *members))


def test_no_member_of_a_tar_is_written_wherever_its_path_points(tmp_path):
    (tmp_path / "inside").mkdir()
    path = a_tar(tmp_path / "inside" / "val.tar", member(f"../{NAME}"), member(f"/tmp/x/{NAME}"))
    with pytest.raises(PictureError, match="several folders with pictures of their own: 2"):
        image_set("set", pictures := open_pictures(path).pictures, digests(pictures))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inside", "val.tar"]


def test_a_compressed_or_truncated_tar_is_refused(tmp_path):
    packed = a_tar(tmp_path / "gz.tar", member(NAME), mode="w:gz")
    with pytest.raises(PictureError, match="cannot be read as an uncompressed tar"):
        open_pictures(packed)
    whole = Path(a_tar(tmp_path / "val.tar", member(NAME, 5000)))
    whole.write_bytes(whole.read_bytes()[:4000])
    with pytest.raises(PictureError, match=r"is damaged or cut|cannot be read"):
        open_pictures(str(whole))


def flipped(data: bytes) -> bytes:
    """Flip one bit of the third header."""
    at = 2 * (512 + 1024) + 100
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        flipped,
        lambda data: data[: 3 * (512 + 1024)],
        lambda data: data[: 3 * (512 + 1024) + 200],
        lambda data: data[: 3 * (512 + 1024) + 700],
        lambda data: data[: 5 * (512 + 1024) + 512],
    ],
    ids=["header changed", "cut at a member", "cut in a header", "cut in a picture", "cut at end"],
)
def test_a_damaged_tar_is_never_accepted_as_a_smaller_one(tmp_path, damage):
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 6)]
    path = Path(a_tar(tmp_path / "val.tar", *(member(name, 1000) for name in names)))
    assert len(open_pictures(str(path)).pictures) == 5
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PictureError, match=r"is damaged or cut after \d members|cannot be read"):
        open_pictures(str(path))


def test_all_50000_members_of_a_sparse_tar_are_found_at_their_offsets(tmp_path):
    """The sparse tar is as large as the official file, but nearly empty on disk."""
    path, size, offset = tmp_path / "val.tar", 130_000, 0
    block = -(-size // 512) * 512
    with path.open("wb") as file:
        for number in range(1, 50_001):
            file.seek(offset)
            file.write(member(f"ILSVRC2012_val_{number:08d}.JPEG", size).tobuf())
            offset += 512 + block
        file.truncate(offset + 1024)
    pictures = open_pictures(str(path)).pictures
    assert default_name(str(path), pictures) == "imagenet-val"
    last = next(p for p in pictures if p.key == "ILSVRC2012_val_00050000.JPEG")
    assert (last.place.offset, last.place.size) == (49_999 * (512 + block) + 512, size)


def test_a_tar_with_a_negative_size_is_refused_and_does_not_cause_an_endless_loop(tmp_path):
    back = member("ILSVRC2012_val_00000002.JPEG", 0, pax_headers={"size": "-1536"})
    first = member("ILSVRC2012_val_00000001.JPEG", 0).tobuf()
    (tmp_path / "val.tar").write_bytes(first + back.tobuf(tarfile.PAX_FORMAT) + bytes(2048))
    with pytest.raises(PictureError, match="has a negative size"):
        open_pictures(str(tmp_path / "val.tar"))


A_SET = """
from pathlib import Path

from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.sets import Contents, Match

PLUGIN = "picture_sets"
NAME = {name!r}
DESCRIPTION = "folders with a file named marker"


def match(where):
    return Match.{match} if Path(where, "marker").is_file() else Match.NONE


def open_pictures(where):
    place = FilePart(str(Path(where, "marker")))
    return Contents((Picture({name!r}, 7, place),), classes=(3, 7))
"""


@pytest.fixture
def marked(tmp_path, monkeypatch):
    """A folder that the plug-ins match, and a function that adds a plug-in."""
    folder = tmp_path / "marked"
    folder.mkdir()
    (folder / "marker").touch()
    files = []

    def add(name, match):
        file = tmp_path / f"{name}.py"
        file.write_text(A_SET.format(name=name, match=match))
        files.append(str(file))
        monkeypatch.setenv(plugins.FILES_VARIABLE, os.pathsep.join(files))

    yield folder, add
    forget_plugins()


def opened(where):
    return [picture.key for picture in open_pictures(str(where)).pictures]


@pytest.mark.parametrize("name", ["a-set", "z-set"])
def test_the_best_match_opens_a_place_and_names_of_sets_do_not_matter(marked, name):
    folder, add = marked
    add(name, "LAYOUT")
    assert opened(folder) == [name]


def test_a_named_set_opens_a_place_even_if_it_does_not_match(marked):
    folder, add = marked
    add("general", "NONE")
    assert opened(f"general:{folder}") == ["general"]
    assert default_name(f"general:{folder}", ()) == "marked"
    with pytest.raises(PictureError, match="holds no pictures|name no ImageNet class|expected"):
        opened(f"folder:{folder}")


def test_a_folder_with_a_colon_in_its_name_can_be_opened(tmp_path, monkeypatch):
    touch(tmp_path, "folder:x/n01440764/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert opened("folder:x") == ["a.jpg"]


def test_if_two_sets_match_equally_well_the_user_has_to_choose(marked):
    folder, add = marked
    add("first", "LAYOUT")
    add("second", "LAYOUT")
    with pytest.raises(
        PictureError, match=f"can be first and second; choose one, for example first:{folder}"
    ):
        opened(folder)


def test_an_image_set_knows_its_classes_and_refuses_others(marked):
    folder, add = marked
    add("two-classes", "LAYOUT")
    Image.new("RGB", (8, 8)).save(folder / "marker", "PNG")
    images = open_images(folder)
    assert images.classes == (3, 7)
    with pytest.raises(
        PictureError, match="has pictures of class 7, which is not one of its 2 class"
    ):
        replace(images, classes=(1, 2))


def test_an_image_set_is_a_sequence_of_pictures(tmp_path):
    images = open_images("demo")
    assert len(images.classes) == 1000
    assert images[:3] == images.pictures[:3]
    assert images[-1] is images.pictures[-1]
    assert [picture.key for picture in images] == list(images.keys)
    assert repr(images) == "<ImageSet demo: 20 pictures, fingerprint ec8fe97936a1>"


def test_images_are_opened_with_a_limit_with_a_name_and_without_bad_pictures(tmp_path, capsys):
    for number in range(4):
        path = tmp_path / "val" / wnids()[number] / f"{number}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    assert open_images(tmp_path / "val", name="mine", limit=2).name == "mine-limit-2"
    path.write_bytes(b"no picture")
    with pytest.raises(PictureError, match="1 of 4 pictures cannot be used"):
        open_images(tmp_path / "val")
    left = open_images(tmp_path / "val", on_bad_image="skip")
    assert (left.name, len(left)) == ("val-without-1", 3)
    assert "3 pictures remain: image set val-without-1" in capsys.readouterr().err
