"""Generated odd pictures: some recipes can crop them, and others cannot."""

from __future__ import annotations

import io
import random
import struct

import numpy as np
from PIL import Image

SHAPE = (90, 120)


def encoded(picture: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def noise(height: int, width: int) -> Image.Image:
    values = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def grey(kind: str, factor: float) -> Image.Image:
    return Image.fromarray((np.arange(90 * 120).reshape(SHAPE) % 256 * factor).astype(kind))


def repeated(progressive: bytes, times: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    last = progressive.rindex(b"\xff\xda")
    return progressive[:last] + progressive[last:-2] * times + progressive[-2:]


def plain(kind: str, values: np.ndarray) -> bytes:
    """A PPM or PGM in text that ends after its last number, which OpenCV does not read."""
    height, width = values.shape[:2]
    numbers = " ".join(map(str, values.ravel()))
    return f"{kind}\n{width} {height}\n255\n{numbers}".encode()


def odd_pictures() -> dict[str, bytes]:
    rgb = noise(*SHAPE)
    values = np.asarray(rgb)
    whole, progressive = encoded(rgb, "JPEG"), encoded(rgb, "JPEG", progressive=True)
    rotation = Image.Exif()
    rotation[0x0112] = 6
    others = [rgb.rotate(90), rgb]
    found = {
        "baseline": whole,
        "progressive": progressive,
        "rotated by EXIF": encoded(noise(700, 60), "JPEG", exif=rotation),
        "CMYK": encoded(rgb.convert("CMYK"), "JPEG"),
        "several pictures in a JPEG": encoded(rgb, "MPO", save_all=True, append_images=[rgb]),
        "8 MB after the end": whole + random.Random(0).randbytes(8_000_000),
        "80 scans": repeated(progressive, 71),
        "500 scans": repeated(progressive, 500),
        "500 scans of several pictures": repeated(progressive, 500)[:-2] + whole,
        "many markers": progressive[:-2] + b"\xff\x01" * 100_000 + b"\xff\xda" * 101,
        "without an end": whole[:-2],
        "a scan is missing": progressive[: progressive.rindex(b"\xff\xda")],
        "cut, with an end": whole[: len(whole) // 2] + b"\xff\xd9",
        "float TIFF": encoded(grey("float32", 1 / 255), "TIFF"),
        "32-bit TIFF": encoded(grey("int32", 257), "TIFF"),
        "16-bit TIFF": encoded(grey("uint16", 257), "TIFF"),
        "16-bit PNG": encoded(grey("uint16", 257), "PNG"),
        "16-bit PGM": encoded(grey("uint16", 257), "PPM"),
        "16-bit PPM": b"P6\n120 90\n65535\n" + (values.astype(">u2") * 257).tobytes(),
        "float PPM": b"Pf\n120 90\n-1.0\n" + values[..., 0].astype("<f4").tobytes(),
        "plain PPM": plain("P3", values),
        "plain PGM": plain("P2", values[..., 0]),
        "plain PPM with a line break": plain("P3", values) + b"\n",
        "raw PPM": encoded(rgb, "PPM"),
        "palette, transparent": encoded(rgb.convert("P"), "PNG", transparency=bytes(range(256))),
        "alpha": encoded(rgb.convert("RGBA"), "PNG"),
        "one bit": encoded(rgb.convert("1"), "PNG"),
        "Lab": encoded(Image.frombytes("LAB", SHAPE[::-1], rgb.tobytes()), "TIFF"),
        "CMYK in JPEG 2000": encoded(rgb.convert("CMYK"), "JPEG2000"),
        "animated GIF": encoded(rgb, "GIF", save_all=True, append_images=others),
        "animated WebP": encoded(rgb, "WEBP", save_all=True, append_images=others),
        "TIFF of pages": encoded(rgb, "TIFF", save_all=True, append_images=others),
        "rotated TIFF": encoded(noise(60, 700), "TIFF", tiffinfo={0x0112: 6}),
        "Encapsulated PostScript": encoded(rgb, "EPS"),
        "empty": b"",
        "text": b"no picture",
    }
    for form in ("JPEG", "PNG"):
        for height, width in ((1, 1), (1, 5000), (5000, 2), (7, 7), (1, 7), (5000, 60)):
            found[f"{height} x {width} {form}"] = encoded(noise(height, width), form)
    for form in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "AVIF"):
        data = encoded(rgb, form)
        found[f"cut {form}"] = data[: len(data) * 7 // 10]
    found["claims more"] = claiming(60_000, 1)
    return found


def claiming(height: int, width: int) -> bytes:
    """A small JPEG whose header gives another size."""
    data = encoded(noise(16, 16), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]
