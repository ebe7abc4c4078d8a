"""Valid files of every kind that the package reads, and functions that repair edited ones."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarking.labels.imagenet import validation_key
from benchmarking.pictures.image_set import FilePart, ImageSet, Picture
from benchmarking.predictions.digests import sealed
from benchmarking.predictions.provenance import Provenance, imported
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k

N, CLASSES = 6, 10
RUN = Run("three", "2019-pytorch", "vgg16", "northcutt2019")
KEYS = tuple(validation_key(number) for number in range(1, N + 1))
ORIGINAL = np.array([0, 0, 1, 2, 7, 9])
_KEY = "imagenet-benchmark"  # of a run's metadata


def _as_it_is(inner: bytes) -> bytes:
    return inner


@dataclass(frozen=True)
class Seed:
    """A valid file.

    Attributes:
        path: path of the file.
        inner: the part that its readers parse: a header, a document, or all of it.
        wrap: makes a whole file from an edited inner part, with correct lengths and checksums.
        is_document: whether the inner part is JSON.
    """

    path: Path
    inner: bytes
    wrap: Callable[[bytes], bytes] = _as_it_is
    is_document: bool = False

    @cached_property
    def data(self) -> bytes:
        """All of its bytes."""
        return self.wrap(self.inner)


def top_5() -> tuple[np.ndarray, np.ndarray]:
    """Classes and probabilities of six pictures, best first."""
    everything = probabilities()
    classes = np.argsort(-everything, axis=1, kind="stable")[:, :5]
    return classes, np.take_along_axis(everything, classes, axis=1)


def probabilities() -> np.ndarray:
    """Probabilities of ten classes for six pictures."""
    return np.random.default_rng(0).dirichlet(np.ones(CLASSES), N).astype(np.float32)


def npy(path: Path, array: np.ndarray, version: tuple[int, int] = (1, 0)) -> Seed:
    """An .npy file whose header is edited while its length field stays correct."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    data = file.getvalue()
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    header, rest = data[8 + width : 8 + width + length], data[8 + width + length :]

    def wrap(inner: bytes) -> bytes:
        size = min(len(inner), 256**width - 1).to_bytes(width, "little")
        return data[:8] + size + inner + rest

    return Seed(path, header, wrap)


def made() -> Provenance:
    """A provenance with a value in every field."""
    return replace(
        imported("PyTorch", RUN.images, {"files": {"a.npy": "0" * 64}}),
        weights={"name": "w", "file": "w.bin", "sha256": "0" * 64},
        images={"name": RUN.images, "n": N, "fingerprint": "f" * 64},
        preprocessing={"library": "pillow", "resize": 256, "crop": 224},
        versions={"torch": "2.9"},
        batch_size=2,
        input_shapes=((2, 8, 8, 3), (1, 8, 8, 3)),
        process_id=7,
        seconds=1.5,
        arguments=("predict", "pictures"),
    )


def stored(folder: Path, *, everything: bool = False) -> Path:
    """The file of a run as the store writes it, with a list of its pictures."""
    pictures = tuple(Picture(k, int(n), FilePart("")) for k, n in zip(KEYS, ORIGINAL, strict=True))
    images = ImageSet(RUN.images, pictures, "f" * 64)
    kept = probabilities() if everything else None
    said = top_k(probabilities())
    return Store(folder).write(RUN, images, said, made(), probabilities=kept)


def run_header(path: Path) -> Seed:
    """A run's file whose header is edited while its length stays correct."""
    data = path.read_bytes()
    header, tensors = _split(data)
    return Seed(path, header, lambda inner: _joined(inner, tensors), is_document=True)


def run_metadata(path: Path, *, with_digests: bool) -> Seed:
    """A run's file of which only the metadata are edited.

    Args:
        path: the file.
        with_digests: True seals it again after edits; False makes an early one without digests.
    """
    header, tensors = _split(path.read_bytes())
    outer = json.loads(header)
    before = json.loads(outer["__metadata__"][_KEY])
    del before["sha256"]
    digests = before.pop("digests")

    def wrap(inner: bytes) -> bytes:
        text = inner.decode("utf-8", "replace")
        with suppress(ValueError, RecursionError):
            if with_digests and isinstance(found := json.loads(text), dict):
                text = sealed(found, digests)
        named = {**outer, "__metadata__": {_KEY: text}}
        return _joined(json.dumps(named).encode("utf-8", "replace"), tensors)

    return Seed(path, json.dumps(before).encode(), wrap, is_document=True)


def _split(data: bytes) -> tuple[bytes, bytes]:
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def _joined(header: bytes, tensors: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + tensors


def document(path: Path, found: Any) -> Seed:
    """A file of JSON."""
    return Seed(path, json.dumps(found).encode(), is_document=True)


def text(path: Path, content: str) -> Seed:
    """A file of text."""
    return Seed(path, content.encode())


def tar(path: Path, form: int, *more: tarfile.TarInfo) -> Seed:
    """A tar of three pictures and more members, with corrected checksums of headers."""
    names = [f"val/{KEYS[2]}", KEYS[0], f"{'x' * 90}/{KEYS[1]}"]
    members = [tarfile.TarInfo(name) for name in names]
    parts, places = [], []
    for member in (*more, *members):
        content = bytes(range(256)) * 3 if member.isreg() else b""
        member.size = member.size or len(content)
        header = member.tobuf(form)
        start = sum(map(len, parts))
        places += range(start, start + len(header), 512)
        parts += [header, content[: member.size], bytes(-len(content[: member.size]) % 512)]

    return Seed(path, b"".join(parts) + bytes(1024), lambda inner: _with_sums(inner, places))


def _with_sums(tar: bytes, places: Iterable[int]) -> bytes:
    """A tar with correct checksums of the headers at these places."""
    data = bytearray(tar)
    for at in places:
        if len(data) >= at + 512 and data[at + 257 : at + 262] == b"ustar":
            block = data[at : at + 512]
            block[148:156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(data)


def plain_tar(path: Path, members: dict[str, bytes]) -> Seed:
    """A tar of these members, with corrected checksums of headers."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = file.getvalue()[: 512 * (2 * len(members) + 2)]  # without the padding
    return Seed(path, data, lambda inner: _with_sums(inner, range(0, len(inner), 512)))


def picture(path: Path, form: str, **options: Any) -> Seed:
    """A small picture; after edits its first bytes, and a PNG's checksums, are corrected."""
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image = Image.fromarray(colours).convert(options.pop("mode", "RGB"))
    file = io.BytesIO()
    image.save(file, form, **options)
    data = file.getvalue()
    kept = data[: {"JPEG": 4, "PNG": 16, "BMP": 2, "TIFF": 4, "GIF": 6, "WEBP": 16}[form]]

    def wrap(inner: bytes) -> bytes:
        whole = kept + inner[len(kept) :]
        return _with_checksums(whole) if form == "PNG" else whole

    return Seed(path, data, wrap)


def _with_checksums(png: bytes) -> bytes:
    found, at = bytearray(png), 8
    while at + 12 <= len(found):
        end = at + 8 + struct.unpack(">I", found[at : at + 4])[0]
        if end + 4 > len(found):
            break
        found[end : end + 4] = struct.pack(">I", zlib.crc32(found[at + 4 : end]))
        at = end + 4
    return bytes(found)
