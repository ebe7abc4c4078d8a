"""A small task and a small network, which tests of transfer share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarking import plugins


@pytest.fixture(scope="module")
def tiny_networks() -> Iterator[None]:
    """The source "tiny", with one network in two frameworks."""
    with pytest.MonkeyPatch.context() as patch:
        path = Path(__file__).parent / "tiny_networks.py"
        patch.setenv(plugins.FILES_VARIABLE, str(path))
        plugins._discovered.cache_clear()
        yield
    plugins._discovered.cache_clear()


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy stripes: upright ones are of class 1; a picture of validation is in training too."""
    root = tmp_path_factory.mktemp("stripes")
    random = np.random.default_rng(0)
    for part, n in (("train", 14), ("validation", 6)):
        for label, name in enumerate(("level", "upright")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(n):
                pixels = (np.arange(40) // 3 % 2) * 60.0 + random.normal(100, 50, (40, 40))
                grey = np.clip(pixels if label else pixels.T, 0, 255).astype(np.uint8)
                Image.fromarray(np.dstack([grey] * 3)).save(folder / f"{number}.png")
    shutil.copy(root / "validation/level/0.png", root / "train/level/leak.png")
    return root
