"""Markers of a JPEG file: the coding, the scans and the end.

Only the markers that a decoder reads are counted. Bytes inside a segment are not markers, even if
they look like some (an EXIF thumbnail is a JPEG itself). Bytes after the end of the picture are not
markers either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

START, END, SCAN = b"\xff\xd8", b"\xff\xd9", b"\xff\xda"

MOST_MARKERS = 10_000
"""Largest number of markers that are read; a picture of ImageNet has a few tens."""

MOST_PADDING = 2**16
"""Largest number of bytes between the segments of a header; usually there are none."""

_MARKER = re.compile(
    rb"\xff[\x01-\xcf\xd8-\xfe]"
)  # without 0 and the restarts, which belong to a scan
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN = (0xC0, 0xC1, 0xC2)
_WITHOUT_LENGTH = (0x01, 0xD8)


def is_jpeg(data: bytes) -> bool:
    """Whether the bytes begin like a JPEG."""
    return data.startswith(START)


def is_ended(data: bytes) -> bool:
    """Whether a JPEG has its end marker; if not, it is truncated. Data may follow the marker."""
    return data.rfind(END) > data.rfind(SCAN) or END[1] in _markers(data)


def is_huffman_coded(data: bytes) -> bool:
    """Whether the bytes are a baseline or progressive JPEG with Huffman coding."""
    return is_jpeg(data) and next((m for m in _markers(data) if m in _FRAMES), 0) in _HUFFMAN


def has_endless_header(data: bytes) -> bool:
    """Whether a JPEG has more than MOST_MARKERS or MOST_PADDING before its first scan.

    Pillow reads each of them in Python, so 64 MB of them would take half a minute.
    """
    padding = 0
    for number, (skipped, marker) in enumerate(_segments(data)):
        padding += skipped
        if number >= MOST_MARKERS or padding > MOST_PADDING:
            return True
        if marker == SCAN[1]:
            return False
    return False


def has_more_scans(data: bytes, limit: int) -> bool:
    """Whether a JPEG has more scans than a limit, or more markers than MOST_MARKERS."""
    values = np.frombuffer(data, np.uint8)
    # This is four times as fast as bytes.count.
    if np.count_nonzero((values[:-1] == SCAN[0]) & (values[1:] == SCAN[1])) <= limit:
        return False
    scans = 0
    for number, marker in enumerate(_markers(data)):
        scans += marker == SCAN[1]
        if scans > limit or number >= MOST_MARKERS:
            return True
    return False


def _markers(data: bytes) -> Iterator[int]:
    """The second byte of each marker up to the end of the picture."""
    return (marker for _, marker in _segments(data) if marker)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """For each marker, the number of bytes between it and the last segment, and its second byte.

    At the end of the data, the second byte is 0.
    """
    at = len(START)
    for _ in range(MOST_MARKERS + 1):
        found = _MARKER.search(data, at)
        if not found:
            yield max(0, len(data) - at), 0
            return
        skipped, marker, at = found.start() - at, data[found.start() + 1], found.end()
        yield skipped, marker
        if marker == END[1]:
            return
        if marker not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
