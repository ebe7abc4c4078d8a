"""From picture bytes to the uint8 crop that a model sees; the only user of Pillow and OpenCV."""

from __future__ import annotations

from benchmarking.images._crops import crop, crop_corner, library_versions, resized
from benchmarking.images._files import FORMATS, PictureFacts, Undecodable, check, inspect

__all__ = [
    "FORMATS",
    "PictureFacts",
    "Undecodable",
    "check",
    "crop",
    "crop_corner",
    "inspect",
    "library_versions",
    "resized",
]
