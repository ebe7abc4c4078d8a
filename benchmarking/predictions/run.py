"""The identity of one set of predictions."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarking.errors import BenchmarkError
from benchmarking.io.names import check_name


@dataclass(frozen=True, order=True)
class Run:
    """The identity of one set of predictions; it names the file they are stored in.

    Attributes:
        images: name of the image set.
        source: name of the model's source, such as "efficientnet-lite-keras".
        model: name of the model within its source.
        recipe: name of the preprocessing, such as "published".

    Raises:
        BenchmarkError: a part is not a valid name, or the recipe contains a dot.
    """

    images: str
    source: str
    model: str
    recipe: str

    def __post_init__(self) -> None:
        for part in (self.images, self.source, self.model, self.recipe):
            check_name(part)
        if "." in self.recipe:
            raise BenchmarkError(f"recipe name {self.recipe!r} contains a dot; use '-' instead.")

    @property
    def full_name(self) -> str:
        """Its source and its model."""
        return f"{self.source}/{self.model}"

    def __str__(self) -> str:
        return f"{self.source}/{self.model} ({self.recipe}) on {self.images}"
