import os
import tracemalloc
import zipfile

import numpy as np
from torture import limits

from benchmarking.inference.checkpoints import Checkpoints


def test_a_checkpoint_that_is_too_large_is_not_read_into_memory(tmp_path):
    path = tmp_path / "000000000.npz"
    path.touch()
    os.truncate(path, 2 * limits.MEMORY)
    tracemalloc.start()
    assert Checkpoints(tmp_path).read({}, 10) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < limits.MEMORY


def test_a_checkpoint_that_is_compressed_is_not_unpacked_into_memory(tmp_path):
    path = tmp_path / "000000000.npz"
    np.savez_compressed(path, document=np.zeros(2 * limits.MEMORY, np.uint8))
    with zipfile.ZipFile(path) as file:
        assert file.infolist()[0].file_size > 100 * path.stat().st_size
    tracemalloc.start()
    assert Checkpoints(tmp_path).read({}, 10) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < limits.MEMORY
