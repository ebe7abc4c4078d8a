from pathlib import Path

import pytest

from benchmarking.io.memory import available_memory


@pytest.fixture
def group(tmp_path):
    """A control group of 300 bytes, of which 100 are used."""
    (tmp_path / "memory.max").write_text("300\n")
    (tmp_path / "memory.current").write_text("100\n")
    return tmp_path


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="systems without /proc")
class TestOnLinux:
    def test_a_container_leaves_what_its_limit_leaves(self, group):
        assert available_memory(group) == 200

    def test_files_that_give_way_are_available(self, group):
        (group / "memory.stat").write_text("anon 40\nfile 60\ninactive_file 60\n")
        assert available_memory(group) == 260

    def test_a_container_that_is_over_its_limit_leaves_nothing(self, group):
        (group / "memory.current").write_text("301\n")
        assert available_memory(group) == 0

    @pytest.mark.parametrize("limit", ["max\n", None])
    def test_without_a_limit_the_machine_decides(self, group, limit):
        (group / "memory.max").unlink()
        if limit:
            (group / "memory.max").write_text(limit)
        total = 1024 * int(Path("/proc/meminfo").read_text().split()[1])
        assert 300 < available_memory(group) <= total
