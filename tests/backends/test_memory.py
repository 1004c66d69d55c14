import pytest

from edgert.backends.memory import available_bytes


def test_available_memory_is_read_in_bytes(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:  24684084 kB\nMemAvailable:   2048 kB\nSwapFree: 0 kB\n")
    assert available_bytes(path) == 2 << 20


@pytest.mark.parametrize("text", ["", "MemTotal:  24684084 kB\n", "MemAvailable:\n"])
def test_table_without_the_line_gives_nothing(tmp_path, text):
    path = tmp_path / "meminfo"
    path.write_text(text)
    assert available_bytes(path) is None


def test_missing_table_gives_nothing(tmp_path):
    assert available_bytes(tmp_path / "none") is None
