"""Tests that every fault gives its finding, and a clean set gives none."""

import io
import json
import os
import shutil
import struct
import tarfile
import warnings
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import digests
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows, wnids
from benchmarking.pictures.decode import Undecodable, inspect
from benchmarking.pictures.doctor import quick
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import open_pictures


def copies(sample_images: Path, folder: Path, n: int) -> list[Path]:
    """The first n sample pictures in their class folders."""
    found = []
    for path in sorted(sample_images.glob("*/*.JPEG"))[:n]:
        there = folder / path.parent.name / path.name
        there.parent.mkdir(parents=True)
        found.append(Path(shutil.copyfile(path, there)))
    return found


@pytest.fixture
def seven(sample_images, tmp_path) -> list[Path]:
    """Seven original pictures below `val`."""
    return copies(sample_images, tmp_path / "val", 7)


@pytest.fixture
def val(seven) -> Path:
    return seven[0].parents[1]


@pytest.fixture
def sixty(sample_images, tmp_path) -> list[Path]:
    return copies(sample_images, tmp_path / "sixty", 60)


def doctor(place: Path, *options: str) -> dict:
    """The report as data; the exit status must agree with it."""
    output = place.parent / "report.json"
    status = main(["doctor", str(place), "-o", str(output), *options])
    found = json.loads(output.read_text())
    assert status == (1 if found["findings"] else 0)
    return found


def findings(place: Path, *options: str) -> dict[str, tuple[int, list[str]]]:
    """Number and examples by kind of finding."""
    found = doctor(place, *options)["findings"]
    return {f["kind"]: (f["count"], f["names"]) for f in found}


def numbered(folder: Path, numbers, *, flat: bool = True) -> Path:
    """A validation set of one-byte files, side by side or in class folders."""
    for number in numbers:
        wnid = wnids()[validation_labels()[number - 1]]
        path = folder / validation_key(number) if flat else folder / wnid / validation_key(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def of_classes(*labels: int) -> list[int]:
    """Numbers of all validation pictures of some classes."""
    return [int(row) + 1 for label in labels for row in validation_rows()[50 * label :][:50]]


def encoded(picture: Image.Image, format_: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def altered(paths: list[Path], change, **options) -> Path:
    """Change and encode all pictures again, in place; return their folder."""
    for path in paths:
        with Image.open(path) as picture:
            data = encoded(change(picture), **options)
        path.write_bytes(data)
    return paths[0].parents[1]


def shorter_side_256(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    scale = 256 / min(picture.size)
    return picture.resize((round(width * scale), round(height * scale)))


def kept(picture: Image.Image) -> Image.Image:
    return picture


# A clean set


def test_500_original_pictures_give_no_finding_and_the_fingerprint_of_predict(
    sample_images, tmp_path, capsys
):
    output = tmp_path / "report.json"
    assert main(["doctor", str(sample_images), "-o", str(output)]) == 0
    found = json.loads(output.read_text())
    pictures = open_pictures(str(sample_images)).pictures
    expected = image_set("x", pictures, digests(pictures)).fingerprint
    assert (found["fingerprint"], found["verdict"]) == (expected, "no findings")
    assert (found["n"], found["classes"], found["per_class"]) == (500, 500, [1, 1])
    assert found["facts"]["colours"] == {"RGB": 491, "L": 9}
    assert next(iter(found["facts"]["sizes"].items())) == ("500x375", 104)
    said = capsys.readouterr().out
    assert said.startswith("sample_images: 500 pictures, 500 classes, 1 of each class\n")
    assert said.endswith(f"\nno findings\nfingerprint: {expected}\n")


def test_a_part_of_the_validation_set_gives_no_finding(tmp_path):
    assert findings(numbered(tmp_path / "a", range(1, 90)), "--quick") == {}
    assert findings(numbered(tmp_path / "b", of_classes(3, 8)), "--quick") == {}
    assert findings(numbered(tmp_path / "c", of_classes(7)[:25], flat=False), "--quick") == {}


def test_notes_and_hidden_files_give_no_finding(val):
    (val / "readme.txt").write_text("where these are from")
    (val / ".DS_Store").write_bytes(b"")
    assert findings(val) == {}


# Faults in names


def test_missing_pictures_of_whole_classes(tmp_path):
    numbers = of_classes(3, 8, 9)  # in order of class: the last class lacks two
    place = numbered(tmp_path / "val", numbers[:-2], flat=False)
    lacking = [str(number) for number in numbers[-2:]]
    assert findings(place, "--quick") == {"missing-pictures": (2, lacking)}


def test_missing_pictures_of_a_nearly_complete_set():
    there = [n for n in range(1, 50_001) if n != 40 and not 7 <= n <= 9]
    labels = validation_labels()
    pictures = [Picture(validation_key(n), int(labels[n - 1]), FilePart("v", 0, 1)) for n in there]
    (found,) = quick("v", pictures=pictures)
    assert str(found) == (
        "missing-pictures: missing validation pictures: 4, of 4 classes; the first is "
        "ILSVRC2012_val_00000007.JPEG, and their numbers are (7-9, 40)"
    )
    (half,) = quick("v", pictures=pictures[:30_000])
    assert (half.kind, half.count, half.names[-1]) == ("missing-pictures", 20_000, "30005-50000")
    assert quick("v", pictures=pictures[:25_000]) == []


def test_the_advice_for_a_folder_with_the_name_of_a_class_gives_its_id(val, capsys):
    (val / "n01440764").rename(val / "tench")
    assert findings(val)["unknown-folder"] == (1, ["tench"])
    assert "elsewhere; 'tench' would be n01440764" in capsys.readouterr().out


def test_the_advice_for_a_parent_folder_names_the_right_folder(val, capsys):
    assert findings(val.parent) == {"unknown-folder": (1, ["val"])}
    assert f"give the folder in it: {val}" in capsys.readouterr().out


def test_the_advice_for_a_class_folder_names_its_parent(val, capsys):
    (picture,) = (val / "n01440764").iterdir()
    picture.rename(picture.with_name("tench.JPEG"))
    assert findings(val / "n01440764")["unknown-name"][0] == 1
    assert "give the folder above this one" in capsys.readouterr().out


def test_folders_named_by_numbers(val, capsys):
    for index, folder in enumerate(sorted(val.iterdir())):
        folder.rename(val / str(index + 5))
    assert findings(val) == {"numbered-folders": (7, ["10", "11", "5", "6", "7", "8", "9"])}
    said = capsys.readouterr().out
    assert "for classes in several orders: 7\n    10\n    11\n    5\n    6\n    7\n" in said
    assert (
        "    and 2 more\n  they do not follow the sorted WordNet ids: 5 holds pictures of" in said
    )


def test_a_validation_picture_in_the_folder_of_another_class(tmp_path):
    place = numbered(tmp_path / "val", [1, 2], flat=False)
    (place / "n01440764").mkdir()
    (place / "n01751748" / validation_key(1)).rename(place / "n01440764" / validation_key(1))
    assert findings(place, "--quick") == {
        "empty-folder": (1, ["n01751748"]),
        "wrong-folder": (1, [f"n01440764/{validation_key(1)}"]),
    }


def test_a_picture_named_after_another_class_than_its_folder(val, seven):
    seven[0].rename(seven[1].parent / seven[0].name)
    seven[0].parent.rmdir()
    assert findings(val) == {"wrong-folder": (1, ["n01484850/n01440764_tench.JPEG"])}


def test_a_repeated_number(tmp_path):
    place = numbered(tmp_path / "val", [1, 2])
    (place / "ILSVRC2012_val_00000002.jpg").write_bytes(b"y")
    names = f"{validation_key(2)} = ILSVRC2012_val_00000002.jpg"
    assert findings(place, "--quick") == {"repeated-number": (1, [names])}


def test_a_tar_with_a_repeated_number_has_no_fingerprint(tmp_path):
    with tarfile.open(tmp_path / "val.tar", "w") as tar:
        for folder in ("a", "b"):
            add(tar, f"{folder}/{validation_key(1)}", folder.encode())
    found = doctor(tmp_path / "val.tar")
    kinds = ["several-sets", "repeated-number", "no-picture"]
    assert [f["kind"] for f in found["findings"]] == kinds
    assert found["fingerprint"] is None


def test_a_class_folder_without_pictures(val):
    (val / wnids()[999]).mkdir()
    assert findings(val) == {"empty-folder": (1, [wnids()[999]])}


def test_pictures_beside_class_folders_and_folders_within_them(val, seven):
    shutil.copy(seven[0], val / "more.JPEG")
    seven[1].write_bytes(seven[1].read_bytes())
    (seven[1].parent / "deeper").mkdir()
    shutil.copy(seven[1], seven[1].parent / "deeper")
    found = findings(val, "--quick")
    assert found == {
        "mixed-layout": (1, ["more.JPEG"]),
        "nested-folders": (1, ["n01484850/deeper"]),
    }


def test_a_class_folder_that_cannot_be_read(val, monkeypatch):
    close(val / "n01440764", monkeypatch)
    assert findings(val, "--quick") == {"closed-folder": (1, ["n01440764"])}


def test_a_partial_file_is_not_a_picture(val, seven):
    (seven[0].parent / "left.tmp").write_bytes(b"half")
    assert findings(val, "--quick") == {"partial-download": (1, ["n01440764/left.tmp"])}


def test_an_empty_file_is_reported_once_and_before_any_file_is_read(val, seven):
    seven[2].write_bytes(b"")
    seven[3].write_bytes(b"")
    expected = {"empty-file": (2, [f"{path.parent.name}/{path.name}" for path in seven[2:4]])}
    assert findings(val, "--quick") == expected
    assert findings(val) == expected


def test_a_broken_link(val, seven):
    seven[2].unlink()
    seven[2].symlink_to("gone")
    expected = {"unreadable-file": (1, [f"{seven[2].parent.name}/{seven[2].name}"])}
    assert findings(val, "--quick") == expected
    assert doctor(val)["fingerprint"] is None


def test_a_truncated_tar_with_its_remaining_members(tmp_path, seven, capsys):
    whole = tmp_path / "val.tar"
    with tarfile.open(whole, "w") as tar:
        for number, path in enumerate(seven, 1):
            tar.add(path, validation_key(number))
    assert findings(whole) == {}
    with tarfile.open(whole) as tar:
        fourth = tar.getmembers()[3]
    whole.write_bytes(whole.read_bytes()[: fourth.offset_data + 1000])
    found = doctor(whole)
    assert [f["kind"] for f in found["findings"]] == ["damaged-tar"]
    assert (found["n"], found["fingerprint"]) == (3, None)
    assert "none, since predict cannot use the pictures" in capsys.readouterr().out


def test_members_of_a_tar_keep_their_names_in_any_folder(tmp_path):
    path = tmp_path / "n01440764" / "val.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        add(tar, f"val/{validation_key(2)}", b"")
    assert findings(path, "--quick") == {"empty-file": (1, [validation_key(2)])}


@pytest.mark.parametrize("options", [("--quick",), ()])
def test_an_empty_file_in_a_zip_is_found(tmp_path, seven, options):
    path = tmp_path / "val.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.write(seven[0], "n01440764/a.JPEG")
        file.writestr("n01440764/b.JPEG", b"")
    assert findings(path, *options) == {"empty-file": (1, ["b.JPEG"])}


def test_a_tar_with_other_members(tmp_path):
    with tarfile.open(tmp_path / "val.tar", "w") as tar:
        add(tar, validation_key(1), b"x")
        add(tar, "cat.jpg", b"x")
        link = tarfile.TarInfo(validation_key(2))
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert findings(tmp_path / "val.tar", "--quick") == {
        "odd-member": (1, [validation_key(2)]),
        "unknown-name": (1, ["cat.jpg"]),
    }


# Faults in the data


def test_a_truncated_jpeg(val, seven):
    seven[4].write_bytes(seven[4].read_bytes()[:-5000])
    assert findings(val)["truncated"] == (1, [f"{seven[4].parent.name}/{seven[4].name}"])


def test_a_jpeg_without_its_last_bytes_is_truncated_even_if_it_decodes(val, seven):
    for path in seven:
        path.write_bytes(path.read_bytes()[:-2])
    assert findings(val)["truncated"][0] == 7


def test_a_jpeg_truncated_in_its_header_is_damaged_not_another_format(val, seven):
    seven[4].write_bytes(seven[4].read_bytes()[:20])
    assert findings(val) == {"undecodable": (1, [f"{seven[4].parent.name}/{seven[4].name}"])}


def test_a_text_with_the_name_of_a_picture(val, seven):
    seven[5].write_text("404 not found")
    assert findings(val) == {"no-picture": (1, [f"{seven[5].parent.name}/{seven[5].name}"])}


@pytest.mark.parametrize("format_", ["PNG", "BMP", "GIF", "WEBP"])
def test_another_format_with_the_name_of_a_jpeg(val, seven, format_):
    seven[5].write_bytes(encoded(Image.open(seven[5]), format_))
    name = f"{seven[5].parent.name}/{seven[5].name} is {format_}"
    assert findings(val)["other-format"] == (1, [name])


def test_transparency_with_the_name_of_a_jpeg(val, seven):
    seven[5].write_bytes(encoded(Image.open(seven[5]).convert("RGBA"), "PNG"))
    found = findings(val)
    assert found.keys() == {"other-format", "odd-colours"}
    assert found["odd-colours"][1] == [f"{seven[5].parent.name}/{seven[5].name} is RGBA"]


@pytest.mark.parametrize(
    ("kind", "form", "suffix", "mode"),
    [
        ("uint16", "PNG", ".png", "I;16"),
        ("uint16", "PNG", ".JPEG", "I;16"),
        ("int32", "TIFF", ".tif", "I"),
        ("float32", "TIFF", "", "F"),
    ],
)
def test_grey_of_more_than_8_bits_with_any_name(val, seven, kind, form, suffix, mode):
    seven[4].write_bytes(encoded(Image.fromarray(np.ones((50, 40), kind)), form))
    path = seven[4].rename(seven[4].with_suffix(suffix))
    found = findings(val)
    assert found["deep-grey"] == (1, [f"{path.parent.name}/{path.name} is {mode}"])
    assert "odd-colours" not in found


def test_data_after_the_end_of_a_jpeg_gives_no_finding(val, seven):
    seven[1].write_bytes(seven[1].read_bytes() + b"\xff\xda" * 500)
    assert findings(val) == {}


def test_grey_and_cmyk_pictures_and_correctly_named_pngs_are_only_counted(val, seven):
    seven[0].write_bytes(encoded(Image.open(seven[0]).convert("L")))
    seven[1].write_bytes(encoded(Image.open(seven[1]).convert("CMYK")))
    seven[2].write_bytes(encoded(Image.open(seven[2]).convert("RGBA"), "PNG"))
    seven[2].rename(seven[2].with_suffix(".png"))
    found = doctor(val)
    assert found["findings"] == []
    assert found["facts"]["colours"] == {"RGB": 4, "CMYK": 1, "L": 1, "RGBA": 1}


def test_rotation_by_exif_is_only_counted(val, seven):
    exif = Image.Exif()
    exif[0x0112] = 6
    seven[0].write_bytes(encoded(Image.open(seven[0]), exif=exif))
    assert doctor(val)["facts"]["turned_by_exif"] == {"yes": 1}


@pytest.mark.parametrize("exif", [b"Exif\x00\x00no TIFF", b"Exif\x00\x00II*\x00\x08\x00\xff\xff12"])
def test_broken_exif_gives_no_finding(val, seven, exif):
    seven[0].write_bytes(encoded(Image.open(seven[0]), exif=exif, dpi=(72, 72)))
    assert findings(val) == {}


def test_a_truncated_png(val, seven):
    seven[0].with_suffix(".png").write_bytes(encoded(Image.open(seven[0]), "PNG")[:-5000])
    assert findings(val) == {"truncated": (1, ["n01440764/n01440764_tench.png"])}


def test_the_same_content_twice_in_a_class(val, seven):
    shutil.copy(seven[1], seven[1].with_name("again.JPEG"))
    folder = seven[1].parent.name
    equal = f"{folder}/again.JPEG = {folder}/{seven[1].name}"
    assert findings(val) == {"same-content": (1, [equal])}


def test_the_same_content_in_two_classes(val, seven):
    shutil.copy(seven[1], seven[2].with_name("again.JPEG"))
    equal = f"{seven[1].parent.name}/{seven[1].name} = {seven[2].parent.name}/again.JPEG"
    assert findings(val) == {"same-content-in-two-classes": (1, [equal])}


def a_png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_a_decompression_bomb(val, seven):
    seven[6].write_bytes(a_png_header(60_000, 60_000))
    assert findings(val) == {"too-many-pixels": (1, [f"{seven[6].parent.name}/{seven[6].name}"])}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"]),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=20),
    cut=st.integers(0, 900),
)
def test_no_damage_breaks_the_doctor(kind, changes, cut):
    data = bytearray(encoded(Image.fromarray(np.full((16, 20, 3), 77, np.uint8)), kind))
    for at, value in changes:
        data[at % len(data)] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(Undecodable):
            inspect(bytes(data[:cut]))


# Signs of an altered copy


def test_pictures_of_one_size(sixty):
    found = findings(altered(sixty, lambda p: p.resize((256, 256)), quality=90))
    assert found.keys() == {"one-size", "one-quantisation-table"}
    assert found["one-size"][0] == 60


def test_pictures_with_one_shorter_side(sixty):
    for quality, path in enumerate(sixty, 30):  # each has its own quality
        altered([path], shorter_side_256, quality=quality)
    found = findings(sixty[0].parents[1])
    assert found.keys() == {"one-shorter-side"}
    assert found["one-shorter-side"][0] == 60


def test_pictures_with_one_longer_side(sixty):
    def longer_side_500(picture):
        scale = 500 / max(picture.size)
        return picture.resize([round(side * scale) for side in picture.size])

    for quality, path in enumerate(sixty, 30):
        altered([path], longer_side_500, quality=quality)
    assert findings(sixty[0].parents[1]).keys() == {"one-longer-side"}


def test_sizes_less_varied_than_the_originals(sixty):
    for quality, path in enumerate(sixty, 30):
        side = 256 + 32 * (quality % 3)
        altered([path], lambda picture, s=side: picture.resize((s, s)), quality=quality)
    found = findings(sixty[0].parents[1])
    assert found == {"few-sizes": (3, ["256x256", "288x288", "320x320"])}


@pytest.mark.parametrize("quality", [75, 90])
def test_pictures_that_were_encoded_again(sixty, quality):
    found = findings(altered(sixty, kept, quality=quality))
    assert {kind: n for kind, (n, _) in found.items()} == {"one-quantisation-table": 60}


def test_pictures_that_became_progressive(sixty):
    for quality, path in enumerate(sixty, 30):
        altered([path], kept, quality=quality, progressive=True)
    assert findings(sixty[0].parents[1]).keys() == {"progressive"}


@pytest.mark.parametrize("where", ["comment", "exif"])
def test_pictures_with_the_mark_of_one_program_in_any_version(sixty, where):
    for quality, path in enumerate(sixty[:30], 60):
        exif = Image.Exif()
        exif[0x0131] = f"Shrinker {quality}.1"
        mark = {"comment": b"Shrinker %d.1" % quality} if where == "comment" else {"exif": exif}
        altered([path], kept, quality=quality, **mark)
    found = doctor(sixty[0].parents[1])["findings"]
    assert [(f["kind"], f["count"]) for f in found] == [("one-tool", 30)]
    assert "30 of 60 pictures were written by Shrinker; no" in found[0]["what"]


def test_pngs_are_not_compared_by_quantisation_tables(sixty):
    for path in sixty:
        with Image.open(path) as picture:
            path.with_suffix(".png").write_bytes(encoded(picture, "PNG", compress_level=1))
        path.unlink()
    assert findings(sixty[0].parents[1]) == {}


def test_signs_need_enough_pictures(val, seven):
    assert findings(altered(seven, lambda p: p.resize((256, 256)), progressive=True)) == {}


def test_the_demo_pictures_are_an_altered_copy(capsys):
    assert main(["doctor", "demo"]) == 1
    assert "\n2 findings: one-size, progressive\n" in capsys.readouterr().out


# The command


def test_a_place_that_cannot_be_opened_is_an_error(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "no")]) == 2
    assert "no' does not exist; " in capsys.readouterr().err
    assert main(["doctor", str(tmp_path)]) == 2
    assert "holds no pictures" in capsys.readouterr().err
    with tarfile.open(tmp_path / "val.tar", "w"):
        pass
    assert main(["doctor", str(tmp_path / "val.tar")]) == 2
    assert "val.tar holds no pictures" in capsys.readouterr().err
    with tarfile.open(tmp_path / "val.tar", "w:gz") as tar:
        add(tar, validation_key(1), b"x")
    assert main(["doctor", str(tmp_path / "val.tar")]) == 2
    assert "cannot be read as an uncompressed tar" in capsys.readouterr().err


def test_a_report_in_another_format_is_refused_before_anything_is_read(val, capsys):
    assert main(["doctor", str(val), "-o", "report.csv"]) == 2
    assert "report.csv has no known suffix; use .json." in capsys.readouterr().err


def test_ctrl_c_ends_the_doctor_without_a_report(val, monkeypatch, tmp_path):
    def interrupted(data):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarking.pictures.doctor.inspect", interrupted)
    assert main(["doctor", str(val), "-o", str(tmp_path / "report.json")]) == 130
    assert not (tmp_path / "report.json").exists()


def test_file_names_cannot_steer_the_terminal(val, seven, capsys):
    seven[0].rename(seven[0].with_name("\x1b[2J\udcff\u202e.JPEG"))
    seven[0].with_name("\x1b[2J\udcff\u202e.JPEG").write_bytes(b"")
    findings(val)
    said = capsys.readouterr().out
    assert "    n01440764/\\x1b[2J\\udcff\\u202e.JPEG\n" in said
    assert "\nodd-name: names that are not in UTF-8" in said
    assert said.isascii()


def test_quick_reads_no_picture_and_gives_the_warnings_of_predict(val, seven, monkeypatch):
    seven[0].write_bytes(b"")
    monkeypatch.setattr(
        "benchmarking.pictures.image_set.Picture.read", lambda picture: pytest.fail("read")
    )
    expected = ["empty-file: files without a byte: 1 (n01440764/n01440764_tench.JPEG)"]
    assert [str(found) for found in quick(str(val))] == expected
    assert [str(f) for f in quick(str(val), pictures=open_pictures(str(val)).pictures)] == expected


def test_quick_has_a_finding_wherever_predict_refuses(val, monkeypatch):
    def refuse(where, class_folders):
        raise PictureError("no, for a reason of its own.")

    monkeypatch.setattr("benchmarking.pictures.doctor._layout.open_pictures", refuse)
    assert [str(found) for found in quick(str(val))] == [
        f"refused: no, for a reason of its own. ({val})"
    ]


def test_50000_headers_of_a_sparse_tar(tmp_path):
    path = sparse_tar(tmp_path / "val.tar", range(1, 50_001))
    assert quick(str(path)) == []


def test_a_folder_that_cannot_be_read_is_an_error_not_a_crash(tmp_path, monkeypatch):
    close(tmp_path, monkeypatch)
    with pytest.raises(BenchmarkError, match="cannot be read: Permission denied"):
        quick(str(tmp_path))


def close(folder: Path, monkeypatch) -> None:
    """Make the system refuse to list a folder, as it does for users other than root."""

    def listed(each):
        if each == str(folder):
            raise PermissionError(13, "Permission denied")
        return scandir(each)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", listed)


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def sparse_tar(path: Path, numbers, size: int = 130_000) -> Path:
    """A sparse tar: as large as the official file, but nearly empty on disk."""
    offset = 0
    with path.open("wb") as file:
        for number in numbers:
            member = tarfile.TarInfo(validation_key(number))
            member.size = size
            file.seek(offset)
            file.write(member.tobuf())
            offset += 512 + -(-size // 512) * 512
        file.truncate(offset + 1024)
    return path
