"""Pretrained tags of timm with the 1,000 classes of ImageNet, and what their configs say.

data/timm_models.json has the tags of one version of timm; see `sources/_timm_configs` for those of
other versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import floor

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.recipe import Interpolation, Preprocessing, Scaling, Triple

SHIPPED = "timm_models.json"
_FILTERS: dict[str, Interpolation] = {
    "nearest": "nearest",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "lanczos": "lanczos",
    "box": "area",
}
"""timm's names of Pillow's filters."""


@dataclass(frozen=True)
class Input:
    """The input of a model, as timm resolves it from a config.

    Attributes:
        size: channels, height and width.
        crop_pct: side of the crop as a share of the resized side.
        interpolation: timm's name of the filter.
        crop_mode: timm's name of the way from a picture to a square, such as "center".
        mean: per channel, of pixels in [0, 1].
        std: per channel.
    """

    size: tuple[int, int, int]
    crop_pct: float
    interpolation: str
    crop_mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Entry:
    """A pretrained tag.

    Attributes:
        name: architecture and tag, as in "resnet50.a1_in1k".
        parameters: number of parameters.
        licence: name of the licence of the weights; empty if the config has none.
        hub: the repository of the weights at the Hugging Face hub; empty if they are not there.
        url: address of the weights if they are not at the hub; else empty.
        default: its input at the default size.
        test: its input at the size for tests; None if it is the same.
    """

    name: str
    parameters: int
    licence: str
    hub: str
    url: str
    default: Input
    test: Input | None


@dataclass(frozen=True)
class Entries:
    """All tags of a version of timm.

    Attributes:
        version: the version.
        entries: the tags, in timm's order.
    """

    version: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class _Document:
    """Entries in a short form: scalings, inputs and licences that many tags share stand once.

    Attributes:
        scalings: mean and std.
        inputs: size, crop_pct, interpolation, crop_mode and the position of the scaling.
        licences: names.
        models: name, parameters, position of the licence, hub or address, position of the default
            input, and of the one for tests. The hub is empty if it is timm/NAME.
    """

    version: str
    scalings: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    inputs: tuple[tuple[tuple[int, int, int], float, str, str, int], ...]
    licences: tuple[str, ...]
    models: tuple[tuple[str, int, int, str, int, int | None], ...]


@cache
def recipe_of(wanted: Input) -> Preprocessing | None:
    """The evaluation transform that timm makes for an input; None if no recipe can say it.

    Pictures are resized to floor(side / crop_pct). "center" keeps the aspect ratio, "squash" does
    not. "border" fills the margins with the mean colour, which no recipe does.
    """
    channels, height, side = wanted.size
    filter_ = _FILTERS.get(wanted.interpolation)
    if (channels, height) != (3, side) or not filter_:
        return None
    if wanted.crop_mode not in ("center", "squash"):
        return None
    resized = floor(side / wanted.crop_pct)
    resize = (resized, resized) if wanted.crop_mode == "squash" else resized
    try:
        scaling = Scaling(255.0, _triple(wanted.mean), _triple(wanted.std))
        return Preprocessing("pillow", filter_, resize, side, scaling)
    except (ValueError, BenchmarkError):  # such as a std of 0
        return None


def _triple(values: Sequence[float]) -> Triple:
    first, second, third = values
    return first, second, third


@cache
def shipped() -> Entries:
    """The entries that come with this package."""
    return decoded(resources.files("benchmarking").joinpath("data", SHIPPED).read_bytes())


def as_json(found: Entries) -> bytes:
    """The entries as JSON, one in a line."""
    import msgspec

    both = [(one.default, one.test) for one in found.entries]
    inputs = list(dict.fromkeys(one for pair in both for one in pair if one))
    scalings = list(dict.fromkeys((one.mean, one.std) for one in inputs))
    licences = list(dict.fromkeys(entry.licence for entry in found.entries))
    models = [
        (
            *(one.name, one.parameters, licences.index(one.licence)),
            "" if one.hub == _usual_hub(one.name) else one.hub or one.url,
            inputs.index(one.default),
            None if one.test is None else inputs.index(one.test),
        )
        for one in found.entries
    ]
    parts: dict[str, Sequence[object]] = {
        "scalings": scalings,
        "inputs": [
            (one.size, one.crop_pct, one.interpolation, one.crop_mode, scaling)
            for one in inputs
            for scaling in [scalings.index((one.mean, one.std))]
        ],
        "licences": licences,
        "models": models,
    }
    lists = b",\n".join(b'"%b":%b' % (name.encode(), _lines(part)) for name, part in parts.items())
    return b'{"version":%b,\n%b}\n' % (msgspec.json.encode(found.version), lists)


def decoded(data: bytes) -> Entries:
    """The entries in a JSON document; the inverse of `as_json`.

    Raises:
        BenchmarkError: it is another document.
    """
    import msgspec

    try:
        found = msgspec.json.decode(data, type=_Document)
        inputs = [
            Input(size, share, filter_, mode, *found.scalings[scaling])
            for size, share, filter_, mode, scaling in found.inputs
        ]
        entries = tuple(
            Entry(
                *(name, parameters, found.licences[licence]),
                hub="" if _is_url(place) else place or _usual_hub(name),
                url=place if _is_url(place) else "",
                default=inputs[default],
                test=None if test is None else inputs[test],
            )
            for name, parameters, licence, place, default, test in found.models
        )
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError) as error:
        raise BenchmarkError(f"these are no entries of timm: {error}") from error
    return Entries(found.version, entries)


def _usual_hub(name: str) -> str:
    return f"timm/{name}"


def _is_url(place: str) -> bool:
    return "://" in place


def _lines(part: Sequence[object]) -> bytes:
    """A list as JSON, one item in a line."""
    import msgspec

    return b"[\n%b\n]" % b",\n".join(map(msgspec.json.encode, part))
