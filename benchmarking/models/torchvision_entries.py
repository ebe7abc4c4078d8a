"""Entries of torchvision's weights enums: every pretrained ImageNet classifier that it has.

data/torchvision_models.json has the entries of one version of torchvision; see
`sources/_torchvision_enums` for those of other versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.models.spec import Published

SHIPPED = "torchvision_models.json"
_FIRST = "IMAGENET1K_V1"
"""The weights that a bare name of a model means: those that it had before there were others."""


@dataclass(frozen=True)
class Entry:
    """Pretrained weights of a model.

    Attributes:
        model: torchvision's name for the architecture.
        weights: torchvision's name for the weights.
        url: address of the file.
        mebibytes: size of the file; None if unknown.
        parameters: number of parameters, also of a quantized model: that in floating point.
        gigamacs: multiply-adds of one forward pass in 10^9, which torchvision calls GFLOPS; None if
            unknown.
        acc1: acc@1 on the validation set in percent; None if unknown.
        acc5: acc@5 in percent; None if unknown.
        licence: address of the licence of the weights; empty if they have none of their own.
        recipe: the evaluation transform, as `Preprocessing.as_document` writes it; None if it is
            not of a known kind.
        engine: engine of the quantized kernels for which they are made, which torchvision calls
            backend; empty for weights in floating point.
    """

    model: str
    weights: str
    url: str
    mebibytes: float | None
    parameters: int
    gigamacs: float | None
    acc1: float | None
    acc5: float | None
    licence: str
    recipe: Mapping[str, Any] | None
    engine: str = ""

    @property
    def name(self) -> str:
        """The model's name: that of the architecture, with other weights than the first added."""
        return self.model if self.weights == _FIRST else f"{self.model}.{self.weights}"

    @property
    def published(self) -> Published | None:
        """The published accuracy; None if it is unknown."""
        if self.acc1 is None:
            return None
        return Published(self.acc1, "torchvision's weight metadata", self.acc5)


@dataclass(frozen=True)
class Entries:
    """All entries of a version of torchvision.

    Attributes:
        version: the version, without a local part such as "+cpu".
        entries: the entries, by model.
    """

    version: str
    entries: tuple[Entry, ...]


@cache
def shipped() -> Entries:
    """The entries that come with this package."""
    return decoded(resources.files("benchmarking").joinpath("data", SHIPPED).read_bytes())


def as_json(found: Entries) -> bytes:
    """The entries as JSON, one in a line."""
    import msgspec

    lines = b",\n".join(msgspec.json.encode(entry) for entry in found.entries)
    return b'{"version":%b,"entries":[\n%b\n]}\n' % (msgspec.json.encode(found.version), lines)


def decoded(data: bytes) -> Entries:
    """The entries in a JSON document; the inverse of `as_json`.

    Raises:
        BenchmarkError: it is another document.
    """
    import msgspec

    try:
        return msgspec.json.decode(data, type=Entries)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"these are no entries of torchvision: {error}") from error
