"""Malicious zips, shards and tables: each harms who reads it without limits."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarking.labels.imagenet import wnids
from torture.hostile_tars import HOSTILE_TARS

_THREE_GB = 3 * 2**30
_DEEP = "[" * 100_000
_PICTURE = f"val/{wnids()[0]}/a.png"


def _directory_of_3_gb(root: Path) -> Path:
    path = root / "val.zip"
    with path.open("wb") as file:
        file.truncate(_THREE_GB)
        file.seek(_THREE_GB)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, _THREE_GB, 0, 0))
    return path


def _zip(root: Path, change: Callable[[zipfile.ZipInfo], None]) -> Path:
    """A zip with a picture whose entry in the directory is changed."""
    path = root / "val.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(_PICTURE, bytes(2**20))
        change(file.infolist()[0])
    return path


def _beyond_all_files(root: Path) -> Path:
    return _zip(root, lambda member: setattr(member, "header_offset", 2**64 - 1))


def _bomb(root: Path) -> Path:
    return _zip(root, lambda member: setattr(member, "file_size", 10))


def _vast(root: Path) -> Path:
    return _zip(root, lambda member: setattr(member, "file_size", 2**40))


def _overlapping(root: Path) -> Path:
    """Fifty members, all of which are one part of the file."""
    path = root / "val.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(_PICTURE, bytes(2**20))
        (first,) = file.infolist()
        for number in range(49):
            other = zipfile.ZipInfo(f"val/{wnids()[number]}/{number}.png")
            for name in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(other, name, getattr(first, name))
            file.filelist.append(other)
    return path


def _shard(path: Path, **members: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def _far_apart(root: Path) -> Path:
    for number in (0, 999_999_999):
        _shard(root / "wds" / f"{number}.tar", a_jpg=b"x", a_cls=b"1")
    return root / "wds"


def _many_shards(root: Path) -> Path:
    for number in range(2):
        _shard(root / "wds" / f"{number}.tar", a_jpg=b"x", a_cls=b"1")
    (root / "wds" / "nshards.txt").write_text("9" * 30)
    return root / "wds"


def _deep_list(root: Path) -> Path:
    _shard(root / "wds" / "0.tar", a_jpg=b"x", a_cls=b"1")
    (root / "wds" / "_info.json").write_text(_DEEP)
    return root / "wds"


def _deep_name(root: Path) -> Path:
    """The name cannot be read, so the picture is named after its key, and is none."""
    deep = _DEEP[: 2**15].encode()
    return _shard(root / "wds" / "0.tar", a_jpg=b"x", a_cls=b"1", a_json=deep).parent


def _vast_list(root: Path) -> Path:
    _shard(root / "wds" / "0.tar", a_jpg=b"x", a_cls=b"1")
    (root / "classnames.txt").touch()
    os.truncate(root / "classnames.txt", 40 * 2**30)
    return root / "wds"


def _deep_map(root: Path) -> Path:
    folder = root / "pets"
    folder.mkdir()
    (folder / "class_map.json").write_text(_DEEP)
    return folder


def _long_line(root: Path) -> Path:
    folder = root / "tiny-imagenet-200"
    (folder / "val").mkdir(parents=True)
    (folder / "wnids.txt").write_text("a" * 2**20)
    (folder / "val" / "val_annotations.txt").write_text("a")
    return folder


def _many_files(root: Path) -> Path:
    return _table(root / "hf" / "val-00000-of-99999999999.parquet", ["a.png"]).parent


def _table(
    path: Path, names: list[str], data: bytes = b"x", *, times: int = 1, facts: str = ""
) -> Path:
    """A table in one row group, in which a picture is so often, but takes its room once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", kind), ("label", pa.int64())])
    schema = schema.with_metadata({"huggingface": facts} if facts else None)
    image = pa.array([{"bytes": data, "path": name} for name in names], kind)
    some = pa.table({"image": image, "label": pa.array([0] * len(names))}, schema)
    pq.write_table(
        pa.concat_tables([some] * times),
        path,
        compression="zstd",
        row_group_size=len(names) * times,
    )
    return path


def _many_rows(root: Path) -> Path:
    return _table(root / "x.parquet", ["a.png"] * 2**12, times=2**10)


def _long_names(root: Path) -> Path:
    return _table(root / "x.parquet", ["a" * 2**20] * 100, os.urandom(2**14))


def _one_picture_often(root: Path) -> Path:
    wnid = wnids()[0]
    names = [f"{wnid}_{number}_{wnid}.JPEG" for number in range(1040)]
    return _table(root / "x.parquet", names, os.urandom(2**18))


def _deep_facts(root: Path) -> Path:
    return _table(root / "x.parquet", ["a.png"], os.urandom(2**10), facts=_DEEP)


def _hostile_shard(what: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        path = root / "0.tar"
        HOSTILE_TARS[what](path)
        return Path(f"webdataset:{path}")

    return write


HOSTILE_FORMS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a zip with a directory of 3 GB": (_directory_of_3_gb, "has 3,221,225,472 bytes, and at most"),
    "a picture behind the end of all files": (_beyond_all_files, r"val\.zip cannot be read"),
    "a bomb in a zip": (_bomb, r"val\.zip is damaged within the picture"),
    "a picture of a terabyte in a zip": (_vast, "has a picture of 1,099,511,627,776 bytes"),
    "many members that overlap": (_overlapping, "50 of 50 pictures cannot be used"),
    "shards with numbers far apart": (_far_apart, "lacks 999999998 of 1000000000 shards: number 1"),
    "more shards than there can be": (_many_shards, "lacks 9{29}7 of 9{30} shards: number 2"),
    "a list of shards that is too deep": (_deep_list, "is no list of shards"),
    "a name in JSON that is too deep": (_deep_name, "1 of 1 pictures cannot be used"),
    "a list of classes of 40 GB": (_vast_list, "it has 42,949,672,960 bytes"),
    **{
        f"a shard with {what}": (_hostile_shard(what), r"cannot be read as an uncompressed tar")
        for what in ("nested long names", "a size below zero", "an extended header of 3 GB")
    },
    "a mapping that is too deep": (_deep_map, r"class_map\.json cannot be read"),
    "a table with a line of a megabyte": (_long_line, "is no text, or no table: field larger than"),
    "more files than there can be": (_many_files, "lacks 99999999998 of 99999999999 files: val-00"),
    "a small table with millions of rows": (_many_rows, "says that it has 4,194,304 rows"),
    "a table with names of a megabyte": (_long_names, "has a name of 1,048,576 letters"),
    "a table of 273 MB in 300 kB": (_one_picture_often, "one picture is there many times"),
    "facts of a table that are too deep": (_deep_facts, "does not name its labels"),
}
"""For each fault, a function that writes a place with it and returns the place; and its message."""
