"""Random changes of training pictures, drawn from a seed, the same for every framework."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training pictures' crops.

    Each picture has `draws` versions. Epoch e uses version e modulo `draws`, so that the backbone
    sees each version once. Without draws, pictures are not changed.

    Attributes:
        draws: number of versions of each picture; 0 leaves the pictures as they are.
        seed: seed of the draws; the seed of the training is another one.
        shear: largest shear in degrees, to either side.
        zoom: largest relative change of the size, so 0.2 is 80 % to 120 %.
        flip: probability of a horizontal flip, in [0, 1].
    """

    draws: int = 0
    seed: int = 0
    shear: float = 10.0
    zoom: float = 0.2
    flip: float = 0.5

    @property
    def versions(self) -> int:
        """Number of versions of each picture that exist, at least one."""
        return max(1, self.draws)


def augmented(
    crop: NDArray[np.uint8], augmentation: Augmentation, row: int, draw: int
) -> NDArray[np.uint8]:
    """One version of a training picture; which one depends on the seed, the row and the draw only.

    Args:
        crop: the picture after resize and crop, (side, side, 3) RGB.
        augmentation: what may be changed.
        row: row of the picture in the training part.
        draw: number of the version, below `augmentation.versions`.
    """
    if augmentation.draws == 0:
        return crop
    raise NotImplementedError
