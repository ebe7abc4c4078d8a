"""Mutations: lists of edits that hypothesis draws, and their application to a valid file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from torture.seeds import Seed

Edit = tuple[str, int, int, int]
"""Kind, position, amount and value of an edit; each is taken modulo the number of choices."""

HOW = ("whole", "body", "inner", "words", "words", "document")
"""What is edited: the whole file; the data after its header; the header, or a word of it, with
length and checksums corrected afterwards; the header as a JSON document, if it is one."""


@dataclass(frozen=True)
class Mutation:
    """Edits of a seed.

    Attributes:
        seed: number of the seed, modulo the number of seeds.
        how: one of HOW.
        edits: one to three edits, in order.
    """

    seed: int
    how: str
    edits: tuple[Edit, ...]


def mutations() -> st.SearchStrategy[Mutation]:
    """All mutations, decoded from bytes, as each hypothesis draw costs as much as a file read."""
    return st.binary(min_size=8, max_size=20).map(_mutation)


NUMBERS = [
    *(b"0", b"1", b"-1", b"2", b"5", b"7", b"999", b"1000", b"65535", b"65536", b"2147483648"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"1" * 40),
    *(b"1e999", b"-1e999", b"1e5", b"0.5", b"-0.0", b"NaN", b"Infinity", b"nan", b"1_0", b"0x1F"),
    *(b"7" * 5000, b"True", b"None", b"null", b"true", "٣".encode(), b"000007", b"1L", b"1j"),
]
"""Replacements for a number or a word."""

BYTES = [
    *(b"\0", b"\xff", b"\x7f", b"\x80", b"\n", b"\r", b'"', b"'", b",", b"[", b"{", b"}", b"]"),
    *(b"\\", b"(", b")", b":", b" ", b"\0" * 8, b"\xff" * 4, b"\xff" * 8, b"\x7f" + b"\xff" * 7),
    *(b"\x80" + b"\0" * 7, b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\0\1\0\0", b"\xed\xa0\x80"),
    *(b"[" * 20_000, b"(" * 300, b'{"a":' * 2000, b"../" * 20, b"\xff\xd8\xff", b"\xff\xd9"),
]
"""Bytes that are inserted or overwrite others."""

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 7, 65536, 2**31, 2**63, 2**64, 10**400, 0.5, 2.0, -0.0, 1e300),
    *(float("nan"), float("inf"), float("-inf"), "", "7", "-1", "n01440764", "n0", "x", "1e5"),
    *("\ud800", "\0", "../../x", "ILSVRC2012_val_00000002.JPEG", [], [[]], [[[7]]], {}, {"": 1}),
    *([0] * 3000, ["n01440764", None, ""], {"id": 1}, {"fingerprint": None}, "x" * 5000),
]
"""Replacements for a part of a JSON document."""

_WORD = re.compile(rb"[\w.+-]+|'[^'\n]*'")
_LENGTHS = (2, 4, 8)
_LIES = (0, 1, 2, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1, 10**12, 10**15)


def mutated(mutation: Mutation, seeds: Sequence[Seed], words: Sequence[bytes]) -> bytes:
    """Apply a mutation to its seed.

    Args:
        mutation: the mutation.
        seeds: all seeds of a format; pieces of other seeds are spliced in.
        words: dictionary of the format, used in addition to NUMBERS.
    """
    seed = seeds[mutation.seed % len(seeds)]
    if mutation.how == "document" and seed.is_document:
        found = altered(json.loads(seed.inner), mutation.edits)
        return seed.wrap(json.dumps(found).encode())
    if mutation.how == "words":
        todo = [("word", *rest) for _, *rest in mutation.edits]
        return seed.wrap(edited(seed.inner, todo, words, [seed.inner]))
    if mutation.how == "inner":
        inner = [other.inner for other in seeds]
        return seed.wrap(edited(seed.inner, mutation.edits, words, inner))
    data, whole = seed.data, [other.data for other in seeds]
    end = data.rfind(seed.inner) + len(seed.inner)
    start = end if mutation.how == "body" and end < len(data) else 0
    return data[:start] + edited(data[start:], mutation.edits, words, whole)


def edited(
    data: bytes, todo: Iterable[Edit], words: Sequence[bytes], others: Sequence[bytes]
) -> bytes:
    """Apply edits to data, in order."""
    for kind, where, amount, value in todo:
        # Half of all edits are near the beginning, where headers are.
        near = min(len(data), 160) if where & 1 else len(data)
        at = (where >> 1) % near if near else 0
        if kind == "word":
            data = _word(data, where >> 1, [*words, *NUMBERS], value, amount)
        elif kind == "splice":
            other = others[value % len(others)]
            data = data[:at] + other[max(at + amount % 64 - 32, 0) :]
        else:
            data = _EDITS[kind](data, at, amount, value)
    return data


def altered(document: Any, todo: Sequence[Edit]) -> Any:
    """Apply edits to a JSON document: replace, remove, repeat or nest parts."""
    whole = [document]  # the document itself is a part too
    for kind, where, amount, value in todo:
        places = list(_places(whole))
        container, key = places[(where >> 1) % len(places)]
        if kind in ("delete", "truncate") and container is not whole:
            del container[key]
        elif kind == "duplicate":
            container[key] = [container[key]] * (2 + amount % 64)
        elif kind == "insert":
            container[key] = [container[key]]
        else:
            container[key] = json.loads(json.dumps(VALUES[(value + amount) % len(VALUES)]))
    return whole[0]


def _places(part: Any) -> Iterator[tuple[Any, Any]]:
    keys = part.keys() if isinstance(part, dict) else range(len(part))
    for key in keys:
        yield part, key
        if isinstance(part[key], dict | list):
            yield from _places(part[key])


def _flip(data: bytes, at: int, amount: int, value: int) -> bytes:
    return data[:at] + bytes(one ^ (1 << amount % 8) for one in data[at : at + 1]) + data[at + 1 :]


def _overwrite(data: bytes, at: int, amount: int, value: int) -> bytes:
    new = BYTES[value % len(BYTES)]
    return data[:at] + new + data[at + len(new) :]


def _insert(data: bytes, at: int, amount: int, value: int) -> bytes:
    return data[:at] + BYTES[value % len(BYTES)] * (1 + amount % 2) + data[at:]


def _delete(data: bytes, at: int, amount: int, value: int) -> bytes:
    return data[:at] + data[at + 1 + amount % 64 :]


def _duplicate(data: bytes, at: int, amount: int, value: int) -> bytes:
    return data[: at + 1 + amount % 64 * 8] + data[at:]


def _truncate(data: bytes, at: int, amount: int, value: int) -> bytes:
    return data[:at]


def _lie(data: bytes, at: int, amount: int, value: int) -> bytes:
    """Write a wrong number where a length field may be: at a multiple of the number's size."""
    size = _LENGTHS[amount % 3]
    at -= at % 2
    lie = _LIES[value % len(_LIES)] % 2 ** (8 * size)
    return data[:at] + lie.to_bytes(size, "little" if amount & 4 else "big") + data[at + size :]


def _word(data: bytes, where: int, words: Sequence[bytes], value: int, amount: int) -> bytes:
    """Replace a word, usually by one of the same kind: a number, a quoted word, or another."""
    found = list(_WORD.finditer(data[:4096]))
    if not found:
        return data
    start, end = found[where % len(found)].span()
    kind = _kind(data[start:end])
    alike = [word for word in words if _kind(word) == kind] if amount % 8 else words
    return data[:start] + (alike or words)[value % len(alike or words)] + data[end:]


def _kind(word: bytes) -> bytes:
    return b"7" if word[:1].isdigit() else word[:1] if word[:1] in b"'\"([{" else b"x"


_EDITS: dict[str, Callable[..., bytes]] = {
    "flip": _flip,
    "overwrite": _overwrite,
    "insert": _insert,
    "delete": _delete,
    "duplicate": _duplicate,
    "truncate": _truncate,
    "lie": _lie,
}
_KINDS = (*_EDITS, "word", "splice")


def _mutation(drawn: bytes) -> Mutation:
    """Decode a mutation: two bytes for seed and kind, then six bytes for each edit."""
    edits = tuple(
        (
            _KINDS[drawn[at] % len(_KINDS)],
            int.from_bytes(drawn[at + 1 : at + 3], "big"),
            drawn[at + 3],
            int.from_bytes(drawn[at + 4 : at + 6], "big"),
        )
        for at in range(2, len(drawn) - 5, 6)
    )
    return Mutation(drawn[0], HOW[drawn[1] % len(HOW)], edits)
