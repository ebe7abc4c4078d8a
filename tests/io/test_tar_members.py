import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from torture import limits
from torture.hostile_tars import HOSTILE_TARS

from benchmarking.io.tar_members import members

FORMS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def told(found: tarfile.TarInfo) -> tuple[object, ...]:
    """All fields of a member except its extended headers."""
    fields = (*found.get_info().values(), found.offset, found.offset_data, found.issparse())
    return tuple(str(field) for field in fields)


def check_like_tarfile(path: Path, count: int) -> None:
    with tarfile.open(path, "r:") as tar:
        expected = [told(member) for member in tar]
    assert [told(member) for member in members(path)] == expected
    assert len(expected) == count


def member(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.mtime = size, 1_300_000_000
    for field, value in fields.items():
        setattr(found, field, value)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_members_are_those_of_tarfile(tmp_path, form):
    deep = "a" * 90 + "/" + "b" * 90
    longest = "/".join(["c" * 250] * 16)  # nearly the maximum of Linux
    found = [
        member("val", type=tarfile.DIRTYPE),
        member("é.JPEG", 700),
        member(deep, 512),
        member("link", type=tarfile.SYMTYPE, linkname="b" * 100),
        member("empty"),
    ]
    if form != "ustar":
        found += [
            member(longest, 1),
            member(longest + "x", type=tarfile.SYMTYPE, linkname="d" * 4000),
        ]
    if form == "pax":
        found.append(member("x", 9, pax_headers={"SCHILY.xattr.user.note": "x" * 2**16}))
    with tarfile.open(tmp_path / "a.tar", "w", format=FORMS[form]) as tar:
        for each in found:
            tar.addfile(each, io.BytesIO(bytes(each.size)))
    check_like_tarfile(tmp_path / "a.tar", len(found))


def test_keywords_for_all_members_are_applied(tmp_path):
    everywhere = {"comment": "0" * 40, "uname": "somebody"}
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=everywhere) as tar:
        for n in range(300):
            tar.addfile(member(f"{n}", 3), io.BytesIO(b"abc"))
    check_like_tarfile(path, 300)
    assert {found.uname for found in members(path)} == {"somebody"}


def test_extended_headers_are_not_kept_in_memory(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member("x", pax_headers={"comment": "long"}))
    assert [found.pax_headers for found in members(tmp_path / "a.tar")] == [{}]


def test_a_header_of_a_negative_size_is_named(tmp_path):
    HOSTILE_TARS["a name of a size below zero"](tmp_path / "a.tar")
    with pytest.raises(tarfile.ReadError, match="^a header has a negative size$"):
        list(members(tmp_path / "a.tar"))


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_members_of_a_tar_by_gnu_tar_are_those_of_tarfile(tmp_path, form):
    if shutil.which("tar") is None:
        pytest.skip("there is no program tar")
    folder = tmp_path / "val"
    folder.mkdir()
    for n in range(5):
        (folder / f"{n}.JPEG").write_bytes(bytes(1000 * n))
    options = []
    if form in {"oldgnu", "gnu", "posix"}:
        options = ["--sparse"]
        (folder / ("é" * 120)).touch()
        with (folder / "holes").open("wb") as file:
            for n in range(100):
                file.seek(n * 2**17)
                file.write(b"x" * 4096)
    made = subprocess.run(
        ["tar", *options, f"--format={form}", "-cf", "a.tar", "val"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"this tar makes none of format {form}")
    check_like_tarfile(tmp_path / "a.tar", 1 + len(list(folder.iterdir())))


@pytest.mark.parametrize("what", HOSTILE_TARS)
def test_a_malicious_tar_ends_with_a_tar_error(tmp_path, what):
    HOSTILE_TARS[what](tmp_path / "a.tar")
    with (
        limits.seconds(5),
        limits.memory(50 * 2**20),
        pytest.raises(tarfile.TarError, match=r"over |negative size|damaged"),
    ):
        list(members(tmp_path / "a.tar"))


def test_a_file_without_a_header_has_no_members(tmp_path):
    (tmp_path / "a.tar").write_bytes(bytes(10_240))
    assert list(members(tmp_path / "a.tar")) == []
    (tmp_path / "a.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(tarfile.ReadError, match="bad checksum|invalid header"):
        list(members(tmp_path / "a.tar"))
