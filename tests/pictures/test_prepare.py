import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.labels.imagenet import validation_labels, wnids
from benchmarking.pictures import prepare as module
from benchmarking.pictures.prepare import OFFICIAL, Official, plan, prepare
from benchmarking.pictures.sets import open_pictures

ROOT = Path(__file__).parents[2]
# Five classes; the first three pictures share a class, and are not sorted in the tar.
NUMBERS = (2138, 293, 3014, 7, 50_000, 1, 1079)
STAGING = ".val.part"

Member = tuple[tarfile.TarInfo, bytes]


def name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def jpeg(number: int) -> bytes:
    """A tiny picture; no two have the same bytes, and their lengths differ."""
    side = 1 + number % 23
    buffer = io.BytesIO()
    Image.new("RGB", (side, 8), (number % 251, number % 241, number % 239)).save(buffer, "JPEG")
    return buffer.getvalue()


def member(path: str, data: bytes = b"", **fields: object) -> Member:
    info = tarfile.TarInfo(path)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def pictures(*numbers: int, folder: str = "") -> list[Member]:
    return [member(folder + name(number), jpeg(number)) for number in numbers]


def packed(*members: Member, form: int = tarfile.GNU_FORMAT) -> bytes:
    """The bytes of a tar with any headers."""
    parts = [info.tobuf(form) + data + bytes(-len(data) % 512) for info, data in members]
    return b"".join(parts) + bytes(1024)


def headers(tar: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(tar) as file:
        return file.getmembers()


def digests(data: bytes) -> Official:
    return Official(len(data), hashlib.md5(data).hexdigest())


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, including hidden ones."""
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def expected(*numbers: int) -> dict[str, bytes]:
    """The expected class folders of these pictures, by ImageNet's own labels."""
    labels = validation_labels()
    return {f"{wnids()[labels[number - 1]]}/{name(number)}": jpeg(number) for number in numbers}


def unpack(tar: Path, folder: Path, official: Official | None = None) -> None:
    for _ in prepare(plan(tar, folder, official)):
        pass


def call(*arguments: object) -> int:
    return main(["prepare", *(str(argument) for argument in arguments)])


@pytest.fixture
def tar(tmp_path) -> Path:
    """Seven pictures, three of them in a folder, as `tar cf` writes them."""
    path = tmp_path / "downloads" / "val.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as file:
        file.addfile(member("val", type=tarfile.DIRTYPE)[0])
        for info, data in (*pictures(*NUMBERS[:3], folder="val/"), *pictures(*NUMBERS[3:])):
            file.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "val"


@pytest.fixture(autouse=True)
def _the_machine_is_not_synced(monkeypatch):
    """A sync waits for writes of all other programs; only the tests in new processes do it."""
    monkeypatch.setattr(os, "sync", lambda: None)


@pytest.fixture(autouse=True)
def _nothing_is_written_elsewhere(tmp_path):
    """After every test, only the two folders and the test's own files exist."""
    yield
    own = {"data/val", f"data/{STAGING}", "data/link", "downloads/val.tar", "downloads/other.tar"}
    for path in tmp_path.rglob("*"):
        place = "/".join(path.relative_to(tmp_path).parts[:2])
        assert place in {*own, "data", "downloads", "victim", f"victim/{name(293)}"}


def test_pictures_go_to_the_folders_of_their_classes_byte_for_byte(tar, folder):
    unpack(tar, folder, digests(tar.read_bytes()))
    assert tree(folder) == expected(*NUMBERS)
    assert [path.name for path in folder.parent.iterdir()] == ["val"]


def test_the_folders_are_the_same_image_set_as_the_tar(tar, folder):
    unpack(tar, folder)
    ours, theirs = open_pictures(str(folder)).pictures, open_pictures(str(tar)).pictures
    assert [(p.key, p.label) for p in ours] == [(p.key, p.label) for p in theirs]
    assert [p.read() for p in ours] == [p.read() for p in theirs]


def test_progress_is_a_picture_at_a_time_in_the_order_of_the_tar(tar, folder):
    todo = plan(tar, folder, None)
    for member, number in zip(prepare(todo), NUMBERS, strict=True):
        assert member.path.name == name(number)
        assert (todo.staging / member.path).read_bytes() == jpeg(number)
        assert not folder.exists()
    assert folder.exists()


def test_an_empty_folder_is_replaced_and_missing_parents_are_made(tar, folder):
    folder.mkdir()
    unpack(tar, folder)
    assert tree(folder) == expected(*NUMBERS)
    unpack(tar, folder / "deep" / "er")
    assert tree(folder / "deep" / "er") == expected(*NUMBERS)


def test_the_command_says_how_much_there_is_and_what_comes_next(tar, folder, capsys):
    assert call(tar, folder, "--no-verify") == 0
    out, err = capsys.readouterr()
    assert out == (f"7 pictures in 5 class folders; next: imagenet-benchmark predict {folder}\n")
    assert err == ""
    assert tree(folder) == expected(*NUMBERS)


def test_the_command_verifies_unless_told_not_to(tar, folder, monkeypatch, capsys):
    monkeypatch.setattr(module, "OFFICIAL", digests(tar.read_bytes()))
    assert call(tar, folder) == 0
    monkeypatch.undo()
    assert call(tar, folder.with_name("other")) == 2
    assert f"{OFFICIAL.size:,}. Was its download cut short?" in capsys.readouterr().err
    assert not folder.with_name("other").exists()


def test_the_official_md5_is_the_one_that_torchvision_has():
    found = find_spec("torchvision")
    if found is None or found.origin is None:
        pytest.skip("torchvision is not installed")
    text = (Path(found.origin).parent / "datasets" / "imagenet.py").read_text()
    assert f'"ILSVRC2012_img_val.tar", "{OFFICIAL.md5}"' in text


def test_a_folder_with_a_space_is_quoted_for_the_next_command(tar, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    assert call(tar, "val/my set", "--no-verify") == 0
    assert capsys.readouterr().out.endswith("imagenet-benchmark predict 'val/my set'\n")


@pytest.mark.parametrize("done", range(len(NUMBERS) + 1))
def test_unpacking_resumes_after_an_interruption_at_any_picture(tar, folder, done):
    begun = prepare(todo := plan(tar, folder, digests(tar.read_bytes())))
    for _ in range(done):
        next(begun)
    begun.close()
    assert tree(todo.staging) == expected(*NUMBERS[:done])
    assert not folder.exists()
    for path in todo.staging.rglob("*.JPEG"):
        os.utime(path, (1, 1))
    unpack(tar, folder, digests(tar.read_bytes()))
    assert tree(folder) == expected(*NUMBERS)
    old = [path for path in folder.rglob("*.JPEG") if path.stat().st_mtime == 1]
    assert len(old) == done  # not written again


IN_TROUBLE = """
import os, resource, signal, sys
from benchmarking.pictures import prepare
from benchmarking.cli import main
import tqdm
{trouble}
sys.exit(main(sys.argv[1:]))
"""
# Python calls this audit hook before it opens a file.
SIGNAL = """
left = {left}
def watch(event, args):
    global left
    if event == "open" and ".val.part" in str(args[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.{signal})
sys.addaudithook(watch)"""


def in_a_process(*arguments: object, trouble: str = "") -> subprocess.CompletedProcess:
    script = IN_TROUBLE.format(trouble=trouble)
    command = [sys.executable, "-c", script, "prepare", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.skipif(os.name != "posix", reason="signals of other systems")
def test_a_command_that_is_killed_repeatedly_gives_the_same_folder(tar, folder):
    for left in (0, 3, 5):  # files in the staging folder that it opens before the kill
        trouble = SIGNAL.format(left=left, signal="SIGKILL")
        assert in_a_process(tar, folder, "--no-verify", trouble=trouble).returncode == -9
        assert not folder.exists()
    assert tree(folder.with_name(STAGING)) == expected(*NUMBERS[:5])
    assert in_a_process(tar, folder, "--no-verify").returncode == 0
    assert tree(folder) == expected(*NUMBERS)
    assert not folder.with_name(STAGING).exists()


@pytest.mark.skipif(os.name != "posix", reason="signals of other systems")
def test_ctrl_c_keeps_unpacked_pictures_says_so_and_ends_with_130(tar, folder):
    trouble = SIGNAL.format(left=3, signal="SIGINT")
    done = in_a_process(tar, folder, "--no-verify", trouble=trouble)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "\nstopped; what is unpacked is kept, the same command resumes\n"
    assert tree(folder.with_name(STAGING)) == expected(*NUMBERS[:3])
    assert not folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="limits of other systems")
def test_a_partly_written_file_is_named_and_completed_by_the_next_call(tar, folder):
    trouble = "resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))"
    done = in_a_process(tar, folder, "--no-verify", trouble=trouble)
    (path,) = folder.with_name(STAGING).rglob("*.JPEG")
    assert (path.name, path.stat().st_size) == (name(NUMBERS[0]), 300)
    assert done.returncode == 2
    assert f"{path} cannot be written: File too large." in done.stderr
    assert "once this is mended, the same command resumes" in done.stderr
    assert "Traceback" not in done.stderr
    assert call(tar, folder, "--no-verify") == 0
    assert tree(folder) == expected(*NUMBERS)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"more",
        lambda data: bytes(len(data)),  # like after a power failure
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
    ids=["empty", "short", "long", "zeros", "one bit"],
)
def test_a_file_that_an_earlier_call_left_damaged_is_repaired(tar, folder, damage):
    begun = prepare(todo := plan(tar, folder, digests(tar.read_bytes())))
    path = todo.staging / next(begun).path
    begun.close()
    path.write_bytes(damage(path.read_bytes()))
    unpack(tar, folder, digests(tar.read_bytes()))
    assert tree(folder) == expected(*NUMBERS)


def test_the_folder_is_synced_before_it_gets_its_name(tar, folder, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "sync", lambda: seen.append((len(tree(todo.staging)), folder.exists())))
    for _ in prepare(todo := plan(tar, folder, None)):
        pass
    assert seen == [(len(NUMBERS), False)]


def test_the_folder_is_not_renamed_if_a_picture_vanishes_meanwhile(tar, folder):
    work = prepare(todo := plan(tar, folder, None))
    (todo.staging / next(work).path).unlink()
    with pytest.raises(BenchmarkError, match=r"\.val\.part was changed meanwhile.*resumes"):
        list(work)
    assert not folder.exists()
    unpack(tar, folder)
    assert tree(folder) == expected(*NUMBERS)


def test_pictures_of_a_smaller_tar_are_kept_but_those_of_a_larger_one_are_refused(tar, folder):
    begun = prepare(todo := plan(tar, folder, None))
    next(begun), next(begun), begun.close()
    other = tar.with_name("other.tar")
    other.write_bytes(packed(*pictures(NUMBERS[0])))
    stray = todo.staging / f"n01440764/{name(NUMBERS[1])}"
    with pytest.raises(BenchmarkError, match=f"{stray} is no picture of {other}.*Remove that"):
        plan(other, folder, None)
    other.write_bytes(packed(*pictures(*NUMBERS[:2])))
    unpack(other, folder)
    assert tree(folder) == expected(*NUMBERS[:2])


@pytest.mark.parametrize("where", ["first", "last", "header", "between", "end"])
def test_a_flipped_bit_anywhere_is_detected_and_nothing_is_left(tar, folder, where):
    right = tar.read_bytes()
    members = headers(tar)
    at = {
        "first": members[1].offset_data + 5,
        "last": members[-1].offset_data + members[-1].size - 1,
        "header": members[3].offset + 500,  # unused bytes of a header
        "between": members[4].offset_data + members[4].size,
        "end": len(right) - 1,
    }[where]
    changed = bytearray(right)
    changed[at] ^= 1
    if where == "header":  # its checksum is corrected
        info = changed[members[3].offset : members[3].offset + 512]
        total = sum(info[:148]) + 8 * 32 + sum(info[156:])
        changed[members[3].offset + 148 : members[3].offset + 156] = b"%06o\0 " % total
    tar.write_bytes(changed)
    folder.mkdir()
    found, published = hashlib.md5(changed).hexdigest(), digests(right).md5
    with pytest.raises(PictureError, match=f"has md5 {found}, and .* has {published}: it is dam"):
        unpack(tar, folder, digests(right))
    assert tree(folder.parent) == {}
    assert [path.name for path in folder.parent.iterdir()] == ["val"]  # empty as before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (-512, r"has 19,968 bytes, and .* has 20,480\. Was its download cut short\? For a part"),
        (+512, r"has 20,992 bytes, and .* has 20,480\. For a part of .*use --no-verify"),
    ],
)
def test_another_size_is_noticed_before_anything_is_read(tar, folder, change, message):
    official = digests(tar.read_bytes())
    os.truncate(tar, official.size + change)
    with pytest.raises(PictureError, match=message):
        plan(tar, folder, official)


JPEG = jpeg(1)


@pytest.mark.parametrize("official", [OFFICIAL, None], ids=["verify", "no-verify"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (packed(member("n01440764.tar", JPEG)), "the training set, ILSVRC2012_img_train"),
        (packed(member("n01440764_10026.JPEG", JPEG)), "one class of the training set"),
        (packed(member("test", type=tarfile.DIRTYPE)), "the test set, whose labels are not"),
        (packed(member("ILSVRC2012_test_00000001.JPEG", JPEG)), "the test set, whose labels"),
        (packed(member("test/ILSVRC2012_test_00000001.JPEG", JPEG)), "the test set, whose labels"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip, as the development kit is"),
        (b"PK\x03\x04", "a zip file"),
        (JPEG, "a single JPEG picture"),
        (b"\n<!DOCTYPE html><title>Log in</title>", "a web page, such as one that asks"),
    ],
    ids=["train", "class", "test", "test flat", "test deep", "gzip", "zip", "jpeg", "html"],
)
def test_files_that_are_confused_with_the_tar_are_recognised(tar, folder, data, message, official):
    tar.write_bytes(data)
    with pytest.raises(PictureError, match=rf"seems to be {message}.*needed is ILSVRC2012_img_val"):
        plan(tar, folder, official)
    with pytest.raises(PictureError, match=r"6,744,924,160 bytes, from https://image-net\.org/"):
        plan(tar, folder, official)


@pytest.mark.parametrize("official", [OFFICIAL, None], ids=["verify", "no-verify"])
def test_the_training_set_is_known_by_its_size_alone(tar, folder, official):
    os.truncate(tar, 147_897_477_120)  # sparse
    with pytest.raises(PictureError, match="seems to be the training set, ILSVRC2012_img_train"):
        plan(tar, folder, official)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; download it again"),
        (b"no tar at all" * 100, "cannot be read as an uncompressed tar"),
        (bytes(2048), "holds no pictures"),
        (packed(member("cat.jpg", JPEG)), r"names contain no class: 1 \(cat.jpg\)"),
        (
            packed(member("ILSVRC2010_val_00000001.JPEG", JPEG)),
            "names contain no class: 1 .ILSVRC2010_",
        ),
        (
            packed(member("ILSVRC2012_val_00050001.JPEG", JPEG)),
            "names contain no class: 1 .ILSVRC2012_",
        ),
        (packed(member("train/n01440764.tar", JPEG)), "no pictures; .* train/n01440764.tar"),
        (packed(member("n01440764/cat.jpg", JPEG)), "holds 'cat.jpg', which is no picture of the"),
    ],
    ids=["empty", "text", "zeros", "cat", "2010", "50001", "train", "class"],
)
def test_for_any_other_file_the_required_file_is_named(tar, folder, data, message):
    tar.write_bytes(data)
    with pytest.raises(PictureError, match=rf"{message}.*What is needed is ILSVRC2012_img_val\.t"):
        plan(tar, folder, None)


def test_a_folder_or_nothing_in_place_of_the_tar_is_refused(tar, folder):
    with pytest.raises(PictureError, match=r"downloads is a folder, not a file\. What is needed"):
        plan(tar.parent, folder, None)
    with pytest.raises(PictureError, match=r"no\.tar is no file\. What is needed is ILSVRC2012_im"):
        plan(tar.with_name("no.tar"), folder, None)


def test_a_tar_cut_anywhere_is_refused_or_has_lost_nothing(tar, folder):
    whole = tar.read_bytes()
    last = headers(tar)[-1]
    end = last.offset_data + -(-last.size // 512) * 512 + 1024
    for cut in [*range(0, len(whole), 101), *range(0, len(whole), 512), end - 1, end]:
        tar.write_bytes(whole[:cut])
        with pytest.raises(PictureError, match=r"Was its download cut short\?"):
            plan(tar, folder, digests(whole))
        if cut < end:
            with pytest.raises(
                PictureError, match=r"damaged or cut|cannot be read|no pictures|is empty"
            ):
                plan(tar, folder, None)
        else:
            assert len(plan(tar, folder, None).members) == len(NUMBERS)
    assert tree(folder.parent) == {}


def test_a_tar_that_is_cut_while_it_is_unpacked_is_no_success(tar, folder):
    whole = tar.read_bytes()
    work = prepare(plan(tar, folder, None))
    next(work)
    os.truncate(tar, headers(tar)[4].offset_data + 10)
    with pytest.raises(PictureError, match=r"val\.tar ends within ILSVRC2012_val_0000.*meanwhile"):
        list(work)
    assert not folder.exists()
    tar.write_bytes(whole)
    unpack(tar, folder)
    assert tree(folder) == expected(*NUMBERS)


OUTSIDE = "/tmp/imagenet-benchmark-outside/"


@pytest.mark.parametrize(
    "prefix",
    [
        OUTSIDE,
        "../../",
        "val/../../../../../../../../tmp/imagenet-benchmark-outside/",
        "a\nb/",
        "~/",
        "n02346627/",
        "x\\",
        "C:\\Windows/",
        "\udcff/",
    ],
)
def test_wherever_a_name_points_its_picture_goes_to_its_class(tar, folder, prefix):
    tar.write_bytes(packed(*pictures(7, folder=prefix)))
    unpack(tar, folder, digests(tar.read_bytes()))
    assert tree(folder) == expected(7)
    assert not Path(OUTSIDE).exists()


def test_a_picture_in_the_folder_of_another_class_is_refused(tar, folder):
    tar.write_bytes(packed(*pictures(7, folder="n02100735/")))
    with pytest.raises(
        PictureError, match="whose name belongs to a different class than their folder"
    ):
        plan(tar, folder, digests(tar.read_bytes()))
    assert tree(folder.parent) == {}


def test_what_is_no_picture_is_left_out_of_the_folder(tar, folder):
    apple = member(f"._{name(7)}", JPEG)
    tar.write_bytes(packed(*pictures(7), apple, member("..", JPEG), member("README", b"of these")))
    unpack(tar, folder)
    assert tree(folder) == expected(7)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_in_extended_headers_point_nowhere_either(tar, folder, form):
    tar.write_bytes(packed(*pictures(7, folder=f"{'../' * 40}tmp/é/"), form=form))
    unpack(tar, folder)
    assert tree(folder) == expected(7)


def test_a_name_in_another_case_gets_the_official_one(tar, folder):
    tar.write_bytes(packed(member("val/ilsvrc2012_VAL_00000007.jpeg", jpeg(7))))
    unpack(tar, folder)
    assert tree(folder) == expected(7)


ODD = "links, devices or sparse files in place of pictures or of class folders: 1"


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member(name(1), type=tarfile.SYMTYPE, linkname="/etc/passwd"), ODD),
        (member("n01440764", type=tarfile.SYMTYPE, linkname="/tmp"), ODD),
        (member(name(1), type=tarfile.LNKTYPE, linkname="/etc/passwd"), ODD),
        (member(name(1), type=tarfile.CHRTYPE, devmajor=1, devminor=3), ODD),
        (member(name(1), type=tarfile.BLKTYPE), ODD),
        (member(name(1), type=tarfile.FIFOTYPE), ODD),
        (member(f"{name(1)}\n", JPEG), r"holds '.*\\n', which is no picture of the set"),
        (member(f"{name(1)}/../../x.JPEG", JPEG), r"names contain no class: 1 \(.*/../../x.JPEG\)"),
    ],
    ids=[
        "symlink",
        "class link",
        "hard link",
        "character",
        "block",
        "fifo",
        "newline",
        "..",
    ],
)
def test_a_member_that_is_no_picture_is_refused_before_anything_is_written(
    tar, folder, info, message
):
    tar.write_bytes(packed(*pictures(7), info))
    with pytest.raises(PictureError, match=message):
        plan(tar, folder, digests(tar.read_bytes()))
    assert tree(folder.parent) == {}


@pytest.mark.parametrize(
    "second",
    [
        name(7),
        f"val/{name(7)}",
        name(7).lower(),
        name(7).replace("JPEG", "JPG"),
        "ILSVRC2012_val_0000000\uff17.JPEG",
    ],
    ids=["same", "folder", "case", "suffix", "digit"],
)
def test_the_same_picture_twice_is_refused_by_name(tar, folder, second):
    tar.write_bytes(packed(*pictures(7), member(second, b"another")))
    twice = (
        r"holds ILSVRC2012_val_00000007\.JPEG twice|several folders with pictures of their own: 2"
    )
    with pytest.raises(PictureError, match=rf"({twice}).*\. What is needed is"):
        plan(tar, folder, digests(tar.read_bytes()))


def with_size(size: int) -> bytes:
    """A tar whose first member claims this size."""
    info, data = pictures(7)[0]
    info.size = size
    return packed((info, data), *pictures(1))


def pax_size(size: str) -> bytes:
    return packed(member(name(7), jpeg(7), pax_headers={"size": size}), form=tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (with_size(2**40), r"cannot be read .*unexpected end of data"),
        (with_size(2**63), r"cannot be read as an uncompressed tar"),
        (with_size(2**80), r"cannot be read as an uncompressed tar"),
        (with_size(-512), "has a negative size"),
        (pax_size("-512"), "has a negative size"),
        (pax_size("9" * 30), r"cannot be read as an uncompressed tar"),
        (packed(member("x", type=b"L", size=2**50)), r"cannot be read as an uncompressed tar"),
        (packed(member("x", type=b"x", size=2**50)), r"cannot be read as an uncompressed tar"),
        (packed(member("x", type=b"x", size=2**80)), r"cannot be read as an uncompressed tar"),
    ],
    ids=[
        "1 TiB",
        "2**63",
        "2**80",
        "negative",
        "pax -512",
        "pax 1e30",
        "long name",
        "pax 1 PiB",
        "pax 2**80",
    ],
)
def test_an_impossible_size_is_refused(tar, folder, data, message):
    tar.write_bytes(data)
    with pytest.raises(PictureError, match=message):
        plan(tar, folder, digests(data))


def test_a_member_too_large_for_a_picture_is_refused_unread(tar, folder):
    header = member(name(7))[0]
    header.size = 2**30
    tar.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    os.truncate(tar, 512 + 2**30 + 1024)  # sparse
    with pytest.raises(PictureError, match=r"_00000007\.JPEG has 1073741824 bytes; no picture"):
        plan(tar, folder, None)


def test_a_sparse_member_does_not_include_the_data_after_it(tar, folder):
    sparse = bytearray(member(name(7), jpeg(7), type=b"S")[0].tobuf(tarfile.GNU_FORMAT))
    sparse[386:410] = b"%011o\0%011o\0" % (0, len(jpeg(7)))  # one piece: its offset and size
    sparse[483:495] = b"%011o\0" % 5000  # the size of the whole file
    sparse[148:156] = b"%06o\0 " % (sum(sparse[:148]) + 8 * 32 + sum(sparse[156:]))
    rest = jpeg(7) + bytes(-len(jpeg(7)) % 512) + packed(*pictures(1, 293))
    tar.write_bytes(bytes(sparse) + rest)
    with pytest.raises(PictureError, match=f"{ODD} .*00000007.JPEG"):
        plan(tar, folder, None)


def test_a_folder_that_is_not_empty_is_refused_before_the_tar_is_read(tar, folder):
    unpack(tar, folder)
    with pytest.raises(BenchmarkError, match=r"val is not empty; .*'imagenet-benchmark predict'"):
        plan(tar.with_name("no.tar"), folder)
    assert tree(folder) == expected(*NUMBERS)


def test_a_file_in_the_folders_place_is_refused_and_kept(tar, folder):
    folder.write_text("mine")
    with pytest.raises(BenchmarkError, match="val cannot be used: Not a directory"):
        plan(tar, folder, None)
    assert folder.read_text() == "mine"


def test_a_folder_that_fills_up_meanwhile_is_not_replaced(tar, folder):
    work = prepare(todo := plan(tar, folder, None))
    next(work)
    folder.mkdir()
    (folder / "mine").touch()
    with pytest.raises(BenchmarkError, match=r"cannot be renamed .*val: Directory not empty\. Onc"):
        list(work)
    assert tree(folder) == {"mine": b""}
    assert tree(todo.staging) == expected(*NUMBERS)


def test_a_mount_point_is_refused_since_it_cannot_be_replaced(tar, folder, monkeypatch):
    folder.mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder)
    with pytest.raises(BenchmarkError, match="val is a mount point.*name a folder within it"):
        plan(tar, folder, None)


def test_a_link_to_an_empty_folder_stays_a_link(tar, folder):
    folder.mkdir()
    link = folder.with_name("link")
    link.symlink_to(folder)
    unpack(tar, link)
    assert link.is_symlink()
    assert tree(folder) == expected(*NUMBERS)


@pytest.mark.parametrize("place", ["", "n01440764", f"n01440764/{name(293)}", "n01440764/mine"])
def test_a_link_in_the_staging_folder_is_not_followed(tar, folder, tmp_path, place):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / name(293)).write_text("precious")
    link = folder.with_name(STAGING) / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "victim")
    with pytest.raises(BenchmarkError, match=f"{link} is no picture of {tar}.* Remove that"):
        plan(tar, folder, None)
    assert tree(tmp_path / "victim") == {name(293): b"precious"}


def test_a_link_that_appears_later_is_replaced_not_written_through(tar, folder, tmp_path):
    (tmp_path / "victim").write_text("precious")
    todo = plan(tar, folder, None)
    place = todo.staging / todo.members[2].path
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "victim")
    for _ in prepare(todo):
        pass
    assert (tmp_path / "victim").read_text() == "precious"
    assert tree(folder) == expected(*NUMBERS)


def test_too_little_space_is_noticed_before_anything_is_written(tar, folder, monkeypatch):
    usage = shutil.disk_usage(folder.parent)
    needed = 4096 * len(NUMBERS)  # each file takes one block of the disk
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed - 1))
    with pytest.raises(BenchmarkError, match=r"data has 28,671 bytes free, and 7 .* need 28,672;"):
        plan(tar, folder / "deep", None)
    assert tree(folder.parent) == {}
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed))
    unpack(tar, folder)


def test_what_is_unpacked_already_needs_no_more_space(tar, folder, monkeypatch):
    begun = prepare(plan(tar, folder, None))
    next(begun), next(begun), begun.close()
    usage = shutil.disk_usage(folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=4096 * 5))
    unpack(tar, folder)
    assert tree(folder) == expected(*NUMBERS)


def test_a_write_error_is_reported_and_the_next_call_resumes(tar, folder, monkeypatch):
    opened = Path.open

    def refusing(path: Path, mode: str = "r", *rest: object):
        if mode == "xb" and path.name == name(NUMBERS[3]):
            raise OSError(30, "Read-only file system", str(path))
        return opened(path, mode, *rest)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(BenchmarkError, match=rf"{name(NUMBERS[3])} cannot be written: Read-only"):
        unpack(tar, folder)
    assert tree(folder.with_name(STAGING)) == expected(*NUMBERS[:3])
    monkeypatch.undo()
    unpack(tar, folder)
    assert tree(folder) == expected(*NUMBERS)


def test_a_tar_that_cannot_be_read_is_named_not_the_picture(tar, folder, monkeypatch):
    todo = plan(tar, folder, None)

    def refusing(path: Path, mode: str = "r"):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(PictureError, match=r"val\.tar cannot be read: Input/output error"):
        next(prepare(todo))
