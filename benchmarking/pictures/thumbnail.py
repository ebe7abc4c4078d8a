"""Small copies of pictures, for pages."""

from __future__ import annotations

from io import BytesIO

from benchmarking.pictures.decode import opened


def thumbnail(data: bytes, side: int) -> bytes:
    """A picture as a small JPEG, without the metadata of its file.

    Args:
        data: the bytes of its file.
        side: longer side of the copy, in pixels.

    Raises:
        PictureError: Pillow cannot decode it.
        MissingDependency: Pillow is not installed.
    """
    with opened(data) as file:
        small = file.convert("RGB")
        small.thumbnail((side, side))
        out = BytesIO()
        small.save(out, "JPEG", quality=70)
    return out.getvalue()
