"""A matrix product within a forward pass, and operations that must not be overlooked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarking.errors import BenchmarkError


@dataclass(frozen=True)
class Product:
    """A convolution or another product of matrices.

    Attributes:
        macs: its multiply-adds.
        outputs: elements of its output.
    """

    macs: int
    outputs: int


_MAY_BE_A_PRODUCT = re.compile(
    r"conv(?!ert)|mat_?mul|einsum|attention|mm(_|$)|mv(_|$)|dot|(^|_)linear|rnn|lstm|gru|mkldnn",
    re.IGNORECASE,
)


def refuse_unknown_product(operation: str) -> None:
    """Refuse an operation that is not counted but whose name is that of a product.

    Raises:
        BenchmarkError: it may be a product; without it, the numbers would be too small.
    """
    if _MAY_BE_A_PRODUCT.search(operation):
        raise BenchmarkError(
            f"multiply-adds of the operation {operation} are not known here, so the model cannot "
            "be counted."
        )
