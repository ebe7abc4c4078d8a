"""Readers of stored predictions: arrays, runs, their metadata and lists of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import deserialize

from benchmarking.predictions.arrays_2019 import ArrayFolders
from benchmarking.predictions.store import Store
from torture import seeds
from torture.reader import (
    Reader,
    check_guesses,
    check_integers,
    check_provenance,
    past_csv,
    past_json,
    past_npy,
)
from torture.seeds import KEYS, ORIGINAL, RUN, Seed


def _arrays(folder: Path) -> Iterable[Seed]:
    classes, sure = seeds.top_5()
    labels = ORIGINAL
    kinds = {
        "top5preds": (classes, classes.astype(">u2"), np.asfortranarray(classes)),
        "top5probs": (sure, sure.astype(np.float16), np.asfortranarray(sure)),
        "labels": (labels, labels.astype(np.uint8)),
    }
    for mutated, arrays in kinds.items():
        place = folder / mutated
        place.mkdir()
        for kind, (array, *_) in kinds.items():
            np.save(place / f"vgg16_pytorch_three_{kind}.npy", array)
        for version, array in zip(((1, 0), (2, 0), (3, 0)), arrays, strict=False):
            yield seeds.npy(place / f"vgg16_pytorch_three_{mutated}.npy", array, version)


def _read_arrays(path: Path) -> None:
    arrays = ArrayFolders((path.parent,))
    classes = arrays.classes(RUN)
    assert classes.dtype == np.uint16
    assert classes.shape[1] == 5
    check_guesses(arrays.read(RUN))


def _read_labels_of_arrays(path: Path) -> None:
    check_integers(ArrayFolders((path.parent,)).labels("three"))


def _run_files(folder: Path) -> Iterable[Seed]:
    yield seeds.run_header(seeds.stored(folder / "top5"))
    yield seeds.run_header(seeds.stored(folder / "all", everything=True))
    early = seeds.stored(folder / "early", everything=True)
    early.write_bytes(seeds.run_metadata(early, with_digests=False).data)
    yield seeds.run_header(early)


def _store_of(path: Path) -> Store:
    return Store(path.parents[2])


def _read_run(path: Path) -> None:
    check_guesses(_store_of(path).read(RUN))


def _read_classes(path: Path) -> None:
    classes = _store_of(path).classes(RUN)
    assert classes.ndim == 2
    assert classes.dtype == np.uint16


def _read_probabilities(path: Path) -> None:
    found = _store_of(path).read_probabilities(RUN)
    assert _store_of(path).keeps_all_probabilities(RUN)
    assert found.ndim == 2
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1.001)).all()


def _read_provenance(path: Path) -> None:
    check_provenance(_store_of(path).provenance(RUN))


def _check_run(path: Path) -> None:
    assert _store_of(path).runs(RUN.images) == [RUN]
    _store_of(path).check(RUN)


def _past_safetensors(data: bytes) -> bool:
    deserialize(data)
    return True


def _metadata(folder: Path) -> Iterable[Seed]:
    path = seeds.stored(folder)
    yield seeds.run_metadata(path, with_digests=True)
    yield seeds.run_metadata(path, with_digests=False)


def _past_metadata(data: bytes) -> bool:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    json.loads(header["__metadata__"]["imagenet-benchmark"])
    return True


def _documents(folder: Path) -> Iterable[Seed]:
    classes, sure = seeds.top_5()
    np.save(folder / "vgg16_pytorch_three_top5preds.npy", classes)
    np.save(folder / "vgg16_pytorch_three_top5probs.npy", sure)
    found = {"run": asdict(RUN), "provenance": asdict(seeds.made())}
    yield seeds.document(folder / "vgg16_pytorch_three_provenance.json", found)


def _read_document(path: Path) -> None:
    arrays = ArrayFolders((path.parent,))
    (run,) = arrays.runs("three")
    check_guesses(arrays.read(run))
    check_provenance(arrays.provenance(run))


def _image_lists(folder: Path) -> Iterable[Seed]:
    path = folder / RUN.images / "images.csv"
    path.parent.mkdir()
    rows = zip(KEYS, ORIGINAL, strict=True)
    yield seeds.text(path, "".join(["key,class\n", *(f"{k},{label}\n" for k, label in rows)]))
    yield seeds.text(path, 'key,class\r\n"a,b.png",3\r\n"é",07\r\n')


def _read_image_list(path: Path) -> None:
    rows = Store(path.parents[1]).rows(RUN.images)
    assert len(rows) == len(rows.keys) > 0
    check_integers(rows.labels)
    assert (rows.labels >= 0).all()


NPY_WORDS = (
    *(b"'<i8'", b"'>i4'", b"'|u1'", b"'<u8'", b"'<f4'", b"'<f2'", b"'<f8'", b"'<f16'", b"'|b1'"),
    *(b"'|O'", b"'<U5'", b"'S0'", b"'V0'", b"'|V8'", b"'<M8[ns]'", b"'<c8'", b"'a'", b"'i'", b"''"),
    *(b"'3<i8'", b"'i4,i8'", b"['<i8']", b"[('a', '<i8')]", b"('<i8', (2,))", b"{}", b"'<i\\8'"),
    *(b"False", b"'shape'", b"'descr'", b"(6, 5)", b"(5, 6)", b"(30,)", b"()", b"(6,)", b"(0, 5)"),
    *(b"(-6, -5)", b"(-1, 5)", b"(1000000000000, 5)", b"(0, 9223372036854775807)"),
    *(b"(4294967296, 4294967296)", b"(True, 5)", b"{1: 2, 'a': 3}", b"{[]: 1}", b"0777"),
)
_SAFETENSORS_WORDS = (
    *(b"F32", b"F16", b"BF16", b"F64", b"I64", b"U16", b"I16", b"U8", b"BOOL", b"F8_E4M3", b"U64"),
    *(b"I32", b"F8_E5M2", b"C64", b"F4", b"U32", b"top5_index", b"top5_prob", b"probabilities"),
    *(b"__metadata__", b"30", b"60", b"120", b"15", b"10", b"12", b"format", b"run", b"images"),
)

STORED = (
    Reader(
        "npy arrays of 2019",
        _arrays,
        (_read_arrays, _read_labels_of_arrays),
        past_npy,
        NPY_WORDS,
        named=lambda path: path.parent,  # either file of a pair can be wrong
    ),
    Reader(
        "safetensors run",
        _run_files,
        (_read_run, _read_classes, _read_probabilities, _read_provenance, _check_run),
        _past_safetensors,
        _SAFETENSORS_WORDS,
    ),
    Reader("metadata JSON in a run", _metadata, (_read_provenance, _read_run), _past_metadata),
    Reader("metadata JSON beside arrays", _documents, (_read_document,), past_json),
    Reader("images.csv", _image_lists, (_read_image_list,), past_csv),
)
