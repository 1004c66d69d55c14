"""Windows on a file: whole, locked, and good for going on."""

import pytest

from edgert.errors import ArtifactError
from edgert.profiling.energy.conditions import Conditions
from edgert.profiling.energy.journal import Window, WindowJournal
from tests.artifacts.full_disk import file_size_limit

IDENTITY = {"engines": "full", "board": "here"}
WINDOW = Window(
    kind="load",
    engine="full",
    from_s=1.5,
    to_s=3.25,
    inferences=7,
    time_s=[1.0, 2.0, 3.0, 3.5],
    power_w=[10.0, 0.1 + 0.2, 9.5, 1e-3],
    conditions=Conditions(power_modes=["25W"], clocks_hz={"gpu": (1.0, 2.0)}, temp_c=(40.0, 41.5)),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "windows.jsonl"


def test_what_was_written_is_read_to_the_last_bit(path):
    with WindowJournal(path, IDENTITY) as journal:
        assert journal.sessions == 0
        journal.append(WINDOW)
    with WindowJournal(path, IDENTITY) as journal:
        assert journal.windows == [WINDOW]
        assert journal.sessions == 1


def test_a_window_as_arrays_on_a_moved_clock():
    stretch = WINDOW.stretch(100.0)
    assert stretch.time_s.tolist() == [101.0, 102.0, 103.0, 103.5]
    assert (stretch.from_s, stretch.to_s, stretch.inferences) == (101.5, 103.25, 7)


def test_without_a_path_windows_are_kept_in_memory():
    with WindowJournal(None, IDENTITY) as journal:
        journal.append(WINDOW)
        assert journal.windows == [WINDOW]


def test_a_line_that_was_cut_off_is_dropped_and_written_over(path):
    with WindowJournal(path, IDENTITY) as journal:
        journal.append(WINDOW)
        journal.append(WINDOW)
    path.write_bytes(path.read_bytes()[:-20])
    with WindowJournal(path, IDENTITY) as journal:
        assert journal.windows == [WINDOW]
        journal.append(WINDOW)
    with WindowJournal(path, IDENTITY) as journal:
        assert journal.windows == [WINDOW, WINDOW]


def test_a_damaged_line_is_named(path):
    with WindowJournal(path, IDENTITY) as journal:
        journal.append(WINDOW)
        journal.append(WINDOW)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b'{"kind": 3}', *lines[2:]]))
    with pytest.raises(ArtifactError, match=r"windows.jsonl line 2: expected a window"):
        WindowJournal(path, IDENTITY)


def test_another_measurement_s_file_is_refused(path):
    WindowJournal(path, IDENTITY).close()
    with pytest.raises(ArtifactError, match="got board there instead of here"):
        WindowJournal(path, {**IDENTITY, "board": "there"})


def test_a_file_of_something_else_is_refused(path):
    path.write_text("not ours\n")
    with pytest.raises(ArtifactError, match="line 1: expected a header"):
        WindowJournal(path, IDENTITY)


def test_two_at_once_are_refused(path):
    with (
        WindowJournal(path, IDENTITY),
        pytest.raises(ArtifactError, match="expected no other measurement using it"),
    ):
        WindowJournal(path, IDENTITY)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ArtifactError, match="no such file or directory"):
        WindowJournal(tmp_path / "none" / "windows.jsonl", IDENTITY)


def test_a_full_disk_is_one_line(path):
    with WindowJournal(path, IDENTITY) as journal:
        with (
            file_size_limit(path.stat().st_size + 10),
            pytest.raises(ArtifactError, match="expected room on the disk, got file too"),
        ):
            journal.append(WINDOW)
        assert journal.windows == []
