"""A picture that is decoded once for all recipes that decode it in the same way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError, requires
from benchmarking.pictures.decode import MOST_PIXELS, opened, read_to_end
from benchmarking.pictures.jpeg_markers import is_huffman_coded

Size = tuple[int, int]


class Decoded:
    """The bytes of a picture, and its pixels, which are decoded when a recipe first needs them.

    Recipes share the pixels if their library decodes the picture in the same way: all of OpenCV,
    and those of Pillow at the same size. "pillow-draft" lets a JPEG be decoded at a smaller size;
    if a recipe allows only the full one, it shares the pixels of "pillow". Pixels are never
    changed. One thread uses an object.

    Attributes:
        data: the bytes of the picture's file.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._by_pillow: dict[Size, Any] = {}
        self._by_opencv: NDArray[np.uint8] | None = None
        self._size: Size | None = None  # from the header
        self._is_read_to_end = False  # by Pillow

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the picture with Pillow, which reads its header; see `decode.opened`."""
        with opened(self.data) as file:
            self._size = file.height, file.width
            yield file

    def by_pillow(self, file: Any) -> Any:
        """The whole picture in RGB, as Pillow decodes it.

        Args:
            file: the picture as `opened` opens it; its size is the one at which it is decoded.

        Raises:
            Exception: Pillow's readers may raise anything; within `opened`, it is an Undecodable.
        """
        size = file.size
        if size not in self._by_pillow:
            file.load()
            self._by_pillow[size] = file if file.mode == "RGB" else file.convert("RGB")
            self._is_read_to_end = True
        return self._by_pillow[size]

    def by_opencv(self) -> NDArray[np.uint8]:
        """The whole picture as OpenCV decodes it, of shape (height, width, 3) in BGR order.

        Raises:
            PictureError: OpenCV cannot decode it into 8-bit colours.
            MissingDependency: OpenCV is not installed.
        """
        if self._by_opencv is None:
            self._by_opencv = self._decoded_by_opencv()
        return self._by_opencv

    def size_by_pillow(self) -> Size:
        """Height and width in pixels; Pillow has then read the picture to its end.

        If Pillow has not decoded the picture, it is read at low cost; see `read_to_end`.

        Raises:
            Undecodable: Pillow cannot decode it.
        """
        if self._size is None or not self._is_read_to_end:
            self._size = read_to_end(self.data)
            self._is_read_to_end = True
        return self._size

    def size_by_opencv(self) -> Size:
        """Height and width in pixels; OpenCV can then decode the picture.

        If Pillow has read a Huffman-coded JPEG to its end, OpenCV does not decode it, because it
        has the same decoder.

        Raises:
            PictureError: OpenCV cannot decode it.
        """
        if self._size and self._is_read_to_end and is_huffman_coded(self.data):
            return self._size
        height, width, _ = self.by_opencv().shape
        return height, width

    def _decoded_by_opencv(self) -> NDArray[np.uint8]:
        cv2 = opencv()
        with self.opened():  # checks formats and limits
            pass
        try:
            picture: NDArray[np.uint8] | None = cv2.imdecode(
                np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR
            )
        except (cv2.error, MemoryError) as error:
            raise opencv_refusal(error) from error
        if picture is None:
            raise PictureError("cannot be decoded by OpenCV.")
        if picture.ndim != 3 or picture.dtype != np.uint8:
            raise PictureError("is not decoded into 8-bit colours by OpenCV.")
        return picture


def opencv() -> Any:
    """Import OpenCV with our limit on pixels and without its messages; it reads both at import."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    with requires("keras"):
        import cv2
    return cv2


def opencv_refusal(error: Exception) -> PictureError:
    """The error of a picture that OpenCV cannot decode or resize."""
    return PictureError(f"cannot be decoded by OpenCV: {getattr(error, 'err', error)}")
