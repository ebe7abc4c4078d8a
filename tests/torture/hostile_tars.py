"""Small malicious tars: a reader that trusts them uses all memory, or takes hours."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

from torture.seeds import KEYS

_BLOCK = 512
_PICTURE = tarfile.TarInfo(KEYS[0]).tobuf(tarfile.USTAR_FORMAT)
_END = bytes(2 * _BLOCK)
_THREE_GB = 3 * 2**30


def _header(kind: bytes, content: bytes = b"", *, size: int | None = None) -> bytes:
    """A header of a kind and its content; `size` may differ from that of the content."""
    found = tarfile.TarInfo("x")
    found.type, found.size = kind, len(content) if size is None else size
    return found.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % _BLOCK)


def _records(*pairs: tuple[str, str]) -> bytes:
    """Records of an extended header, each preceded by its length."""
    lines = (f" {key}={value}\n" for key, value in pairs)
    return b"".join(f"{_length(line)}{line}".encode() for line in lines)


def _length(line: str) -> int:
    """Length of a line that is preceded by its own length in digits."""
    return next(n for n in range(len(line), len(line) + 9) if n == len(line) + len(str(n)))


def _extended(*pairs: tuple[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    return _header(kind, _records(*pairs))


def _sparse(*blocks: bytes, size: int = 0) -> bytes:
    """A member of GNU's old sparse kind; its map continues in the blocks, if there are any."""
    data = bytearray(_header(tarfile.GNUTYPE_SPARSE, size=size))
    data[482] = bool(blocks)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data) + b"".join(blocks)


def _written(data: bytes, length: int | None = None) -> Callable[[Path], None]:
    """A function that writes the data, padded to a length with zeros that take no disk space."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(data)
            file.truncate(length or len(data))

    return write


_MAP = (b"%011o\0%011o\0" % (1, 1)) * 21 + b"\1" + bytes(7)
_KEYWORDS = tuple((f"k{n}", "") for n in range(50_000))

HOSTILE_TARS = {
    "nested long names": _written(_header(b"L", b"x\0") * 3000 + _PICTURE + _END),
    "nested long links": _written(_header(b"K", b"x\0") * 3000 + _PICTURE + _END),
    "extended headers in a row": _written(_extended(("path", "x")) * 3000 + _PICTURE + _END),
    "empty extended headers": _written(_header(b"x") * 3000 + _PICTURE + _END),
    "global headers in a row": _written(_extended(("a", "b"), kind=b"g") * 3000 + _PICTURE + _END),
    "a size below zero": _written(_extended(("size", "-1000")) + _PICTURE + _END),
    "all sizes below zero": _written(_extended(("size", "-1000"), kind=b"g") + _PICTURE + _END),
    "an extended header of 3 GB": _written(_header(b"x", size=_THREE_GB), 2 * _THREE_GB),
    "a global header of 3 GB": _written(_header(b"g", size=_THREE_GB), 2 * _THREE_GB),
    "a name of 3 GB": _written(_header(b"L", size=_THREE_GB), 2 * _THREE_GB),
    "a name of a size below zero": _written(_header(b"L", size=-_BLOCK), _THREE_GB),
    "a map without end": _written(_sparse(_MAP * 40_000) + _PICTURE + _END),
    "a map that is cut": _written(_sparse(_MAP)),
    "a map that leads backwards": _written(_PICTURE * 2 + _sparse(size=-2 * _BLOCK) + _END),
    "many global keywords": _written(_extended(*_KEYWORDS, kind=b"g") + _PICTURE * 2000 + _END),
}
"""Function that writes each tar, by the name of its fault."""
