"""The same real pictures in a folder, a tar, a zip, WebDataset shards and parquet files."""

import io
import json
import shutil
import tarfile
import zipfile
from functools import lru_cache
from pathlib import Path

import pytest
from conftest import digests

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import (
    class_names,
    class_of_wnid,
    validation_key,
    validation_labels,
)
from benchmarking.pictures.decode import read_to_end
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import open_images, open_pictures

N = 12


@pytest.fixture(scope="module")
def real(sample_images) -> list[tuple[str, int, bytes]]:
    """Key, class and bytes of real pictures, each named as a validation picture of its class."""
    found = []
    for file in sorted(sample_images.glob("n*/*.JPEG"))[:: 500 // N][:N]:
        label = class_of_wnid()[file.parent.name]
        number = int((validation_labels() == label).nonzero()[0][0]) + 1
        found.append((f"{file.parent.name}/{validation_key(number)}", label, file.read_bytes()))
    return found


@pytest.fixture(scope="module")
def folder(real, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("forms") / "val"
    for path, _, data in real:
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(data)
    return root


def a_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def a_zip(path: Path, real, compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, _, data in real:
            file.writestr(f"some/val/{name}", data)
    return path


def shards(root: Path, real, size: int = 5, *, json_names: bool = True) -> Path:
    """Shards as timm has them: shuffled, with names in JSON and a list of shards."""
    order = sorted(real, key=lambda one: one[2][-50:])
    lengths = {}
    for number, first in enumerate(range(0, len(order), size)):
        members: dict[str, bytes] = {}
        for row, (path, label, data) in enumerate(order[first : first + size], first):
            key = f"{row:05d}" if json_names else Path(path).stem
            members[f"{key}.jpg"] = data
            members[f"{key}.cls"] = str(label).encode()
            if json_names:
                members[f"{key}.json"] = json.dumps({"filename": Path(path).name}).encode()
        name = f"imagenet1k-validation-{number:02d}.tar"
        a_tar(root / name, members)
        lengths[name] = len(order[first : first + size])
    split = {"filenames": [*lengths], "shard_lengths": [*lengths.values()], "name": "validation"}
    (root / "_info.json").write_text(json.dumps({"splits": {"validation": split}}))
    return root


def a_parquet(path: Path, real, *, names: bool = True, classes=None, label: str = "label") -> Path:
    """A file as Hugging Face has it, shuffled, in row groups of five pictures."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sorted(real, key=lambda one: one[2][-50:])
    file_names = [
        f"{Path(name).stem}_{Path(name).parent.name}.JPEG" if names else None for name, _, _ in rows
    ]
    images = [{"bytes": one[2], "path": name} for one, name in zip(rows, file_names, strict=True)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"image": pa.array(images, kind), label: pa.array([one[1] for one in rows])}
    table = pa.table(columns)
    if classes is not None:
        features = {"label": {"names": classes, "_type": "ClassLabel"}}
        text = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=5)
    return path


def fingerprint(where: object) -> str:
    pictures = open_pictures(str(where)).pictures
    return image_set("set", pictures, digests(pictures)).fingerprint


def test_the_same_pictures_are_the_same_image_set_in_every_form(real, folder, tmp_path):
    forms = [
        a_tar(tmp_path / "val.tar", {f"val/{path}": data for path, _, data in real}),
        a_zip(tmp_path / "stored.zip", real, zipfile.ZIP_STORED),
        a_zip(tmp_path / "deflated.zip", real, zipfile.ZIP_DEFLATED),
        shards(tmp_path / "timm", real),
        shards(tmp_path / "keys", real, json_names=False),
        a_parquet(tmp_path / "x.parquet", real),
        a_parquet(tmp_path / "hf" / "data" / "validation-00000-of-00001.parquet", real).parents[1],
    ]
    assert {fingerprint(form) for form in forms} == {fingerprint(folder)}
    for form in forms:
        for one, other in zip(
            open_pictures(str(folder)).pictures, open_pictures(str(form)).pictures, strict=True
        ):
            assert (one.key, one.label) == (other.key, other.label)
            assert read_to_end(one.read()) == read_to_end(other.read())


def test_threads_read_a_zip_and_shards_as_they_read_a_folder(real, folder, tmp_path):
    expected = open_images(folder, name="x").fingerprint
    packed = a_zip(tmp_path / "x.zip", real, zipfile.ZIP_DEFLATED)
    assert open_images(packed, name="x", workers=4).fingerprint == expected
    assert open_images(shards(tmp_path / "x", real), name="x", workers=4).fingerprint == expected
    table = a_parquet(tmp_path / "x.parquet", real)
    assert open_images(table, name="x", workers=4).fingerprint == expected


def refused(where: object) -> str:
    with pytest.raises(PictureError) as error:
        digests(open_pictures(str(where)).pictures)
    return str(error.value)


def test_a_changed_byte_in_a_zip_is_found_when_its_picture_is_read(real, tmp_path):
    path = a_zip(tmp_path / "x.zip", real, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    assert f"{path} is damaged within the picture whose header is at byte 0" in refused(path)


def test_an_encrypted_zip_is_refused(real, tmp_path):
    path = a_zip(tmp_path / "x.zip", real[:1], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 8  # the flags in its directory
    data[at] |= 1
    path.write_bytes(data)
    assert "is encrypted; unpack it with its password" in refused(path)


def test_a_missing_shard_is_named(real, tmp_path):
    root = shards(tmp_path / "x", real)
    (root / "imagenet1k-validation-01.tar").unlink()
    assert "lacks 1 of 3 shards: imagenet1k-validation-01.tar" in refused(root)
    (root / "_info.json").unlink()
    assert "lacks 1 of 3 shards: number 1" in refused(root)


def test_the_number_of_shards_of_clip_benchmark_is_checked(real, tmp_path):
    root = tmp_path / "test"
    for number, (_, label, data) in enumerate(real[:2]):
        a_tar(root / f"{number}.tar", {"s0.jpg": data, "s0.cls": str(label).encode()})
    assert len(open_pictures(str(root)).pictures) == 2
    (root / "nshards.txt").write_text("3")
    assert "lacks 1 of 3 shards: number 2" in refused(root)


def test_hidden_files_belong_to_no_sample_of_a_shard(real, tmp_path):
    """macOS puts ._NAME beside each file of a tar."""
    _, label, data = real[0]
    hidden = {"._s.jpg": b"x", "a/._s.cls": b"1", ".cls": b"2", "s/.cls": b"3"}
    members = {"s.jpg": data, **hidden, "s.cls": str(label).encode()}
    (picture,) = open_pictures(str(a_tar(tmp_path / "0.tar", members))).pictures
    assert (picture.label, picture.read()) == (label, data)


def nameless(root: Path, labels: list[int]) -> Path:
    """One shard as CLIP benchmark has it, without names of pictures."""
    members = {}
    for row, label in enumerate(labels):
        members |= {f"s{row:07d}.jpg": b"x", f"s{row:07d}.cls": str(label).encode()}
    return a_tar(root / "test" / "0.tar", members).parent


def test_shards_whose_classes_may_be_numbered_within_a_subset_are_refused(tmp_path):
    few = [label for label in range(3) for _ in range(2)]
    told = refused(nameless(tmp_path / "a", few))
    assert "all 6 pictures of" in told
    assert "have the classes 0 to 2, and no names, so the classes may be numbered within" in told
    where = nameless(tmp_path / "b", [0, 5, 5, 7])
    assert len(open_pictures(str(where)).pictures) == 4
    (tmp_path / "b" / "classnames.txt").write_text("x\n" * 200)
    assert "classnames.txt lists 200 classes" in refused(where)
    assert "classnames.txt lists 200 classes" in refused(where / "0.tar")


def test_a_list_of_all_classes_confirms_the_numbers_of_shards(tmp_path):
    where = nameless(tmp_path, [label for label in range(3) for _ in range(2)])
    (tmp_path / "classnames.txt").write_text("x\n" * 1000)
    assert len(open_pictures(str(where)).pictures) == 6


def test_a_shard_in_place_of_another_is_found_by_its_number_of_pictures(real, tmp_path):
    root = shards(tmp_path / "x", real)
    last = root / "imagenet1k-validation-02.tar"
    (root / "imagenet1k-validation-00.tar").write_bytes(last.read_bytes())
    assert "00.tar has 2 pictures, and the list of shards says 5" in refused(root)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.jpg": b"x", "b.jpg": b"x", "b.cls": b"1"}, "'a' has no class: a.cls is missing"),
        ({"a.cls": b"1"}, "'a' has 0 pictures"),
        ({"a.jpg": b"x", "a.cls": b"1000"}, "has class '1000'; expected a number from 0 to 999"),
        ({"a.jpg": b"x", "a.cls": b"n01440764"}, "has class 'n01440764'; expected a number"),
        (
            {"ILSVRC2012_val_00000293.jpg": b"x", "ILSVRC2012_val_00000293.cls": b"1"},
            "has class 1, but its name .* that of a picture of class 0. Are the classes counted",
        ),
    ],
)
def test_a_wrong_or_missing_class_in_a_shard_is_named(members, message, tmp_path):
    path = a_tar(tmp_path / "x-00.tar", members)
    with pytest.raises(PictureError, match=message):
        open_pictures(str(path))


def test_the_tar_of_a_shard_alone_can_be_read(real, tmp_path):
    root = shards(tmp_path / "x", real)
    assert len(open_pictures(str(root / "imagenet1k-validation-01.tar")).pictures) == 5


def test_a_missing_parquet_file_of_the_split_is_named_and_other_splits_are_left_out(real, tmp_path):
    for name in ("validation-00000-of-00003", "validation-00002-of-00003", "train-00000-of-00009"):
        a_parquet(tmp_path / f"{name}.parquet", real)
    assert "lacks 1 of 3 files: validation-00001-of-00003.parquet; download" in refused(tmp_path)
    (tmp_path / "validation-00000-of-00003.parquet").unlink()
    (tmp_path / "validation-00002-of-00003.parquet").unlink()
    a_parquet(tmp_path / "validation-00000-of-00001.parquet", real)
    found = open_pictures(str(tmp_path))
    assert (len(found.pictures), found.left_out) == (N, ("train-00000-of-00009.parquet",))


def test_a_parquet_file_without_a_column_names_those_it_has(real, tmp_path):
    told = refused(a_parquet(tmp_path / "x.parquet", real, label="fine_label"))
    assert "has no column 'label'; there are image, fine_label" in told


def test_labels_of_nameless_pictures_need_the_names_of_imagenets_classes(real, tmp_path):
    bare = a_parquet(tmp_path / "bare.parquet", real, names=False)
    assert "has no class, and the file does not name its labels as ImageNet's" in refused(bare)
    classes = [name.replace("_", " ") + ", another name" for name in class_names()]
    named = a_parquet(tmp_path / "named.parquet", real, names=False, classes=classes)
    assert [one.label for one in open_pictures(str(named)).pictures] == sorted(r[1] for r in real)
    others = a_parquet(tmp_path / "o.parquet", real, names=False, classes=classes[1:] + classes[:1])
    assert "they could be in any order, as those of a subset are" in refused(others)


def test_labels_counted_from_1_are_refused(real, tmp_path):
    shifted = [(name, label + 1, data) for name, label, data in real]
    told = refused(a_parquet(tmp_path / "x.parquet", shifted))
    assert "Are the labels counted from 1, or those of a subset?" in told


def test_a_pointer_of_git_in_place_of_a_parquet_file_is_recognised(tmp_path):
    path = tmp_path / "validation-00000-of-00001.parquet"
    path.write_text("version https://git-lfs.github.com/spec/v1")
    assert "is no parquet file: it begins with b'vers'. Did git leave" in refused(path)


def test_tables_beside_class_folders_are_notes(folder, real, tmp_path):
    place = shutil.copytree(folder, tmp_path / "val")
    a_parquet(place / "x.parquet", real)
    assert open_pictures(str(place)).left_out == ("x.parquet",)


def test_each_row_group_is_read_once_when_an_image_set_is_opened(real, tmp_path, monkeypatch):
    """Rows are sorted by class, so their row groups alternate."""
    from benchmarking.pictures.sets import parquet

    read = []
    monkeypatch.setattr(parquet, "_group", lru_cache(1)(parquet._group.__wrapped__))
    original = parquet.ParquetRow.read
    monkeypatch.setattr(
        parquet.ParquetRow, "read", lambda place: read.append(place.group) or original(place)
    )
    place = a_parquet(tmp_path / "x.parquet", real)
    images = open_images(place, name="x", workers=1)
    assert read == sorted(read)
    assert parquet._group.cache_info().misses == 3
    assert images.fingerprint == fingerprint(place)
    assert [picture.label for picture in images] == sorted(picture.label for picture in images)


def test_a_shard_without_pictures_is_named(real, tmp_path):
    root = shards(tmp_path / "wds", real)
    (root / "_info.json").unlink(missing_ok=True)
    last = sorted(root.glob("*.tar"))[-1]
    a_tar(last, {})
    assert refused(root) == f"{last} holds no pictures with a class; download it again."
