"""Lines outlive a kill at any byte; work goes on only where it is the same."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.artifacts.lines import LineFile, check_unchanged
from edgert.errors import ArtifactError
from tests.artifacts.full_disk import file_size_limit

LINES = st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work.jsonl"


def opened(path: Path) -> LineFile:
    return LineFile(path, work="walk", elsewhere="take another road")


def lines_in(path: Path) -> list[bytes]:
    with opened(path) as file:
        return file.lines()


# ---------------------------------------------------------------- lines


@given(first=LINES, second=LINES, cut=st.integers(0, 40))
def test_a_file_cut_off_anywhere_keeps_its_whole_lines_and_goes_on(
    tmp_path_factory, first: list[bytes], second: list[bytes], cut: int
):
    path = tmp_path_factory.mktemp("lines") / "work.jsonl"
    with opened(path) as file:
        for line in first:
            file.append(line)
    content = path.read_bytes()
    left = content[: max(0, len(content) - cut)]
    path.write_bytes(left)
    whole = first[: left.count(b"\n")]
    with opened(path) as file:
        assert file.lines() == whole
        for line in second:
            file.append(line)
        assert file.lines() == [*whole, *second]
    assert path.read_bytes() == b"".join(line + b"\n" for line in [*whole, *second])


def test_a_line_is_on_the_disk_before_the_file_is_closed(path: Path):
    with opened(path) as file:
        file.append(b"one")
        assert path.read_bytes() == b"one\n"


def test_a_torn_line_is_gone_from_the_file_before_anything_is_appended(path: Path):
    path.write_bytes(b"one\ntw")
    with opened(path):
        assert path.read_bytes() == b"one\n"


def test_lines_may_be_read_between_two_that_are_appended(path: Path):
    with opened(path) as file:
        file.append(b"one")
        assert file.lines() == [b"one"]
        file.append(b"two")
        assert file.lines() == [b"one", b"two"]


# ---------------------------------------------------------------- refusals


def test_two_at_once_are_refused_and_the_first_goes_on(path: Path):
    with opened(path) as file:
        with pytest.raises(ArtifactError) as refused:
            opened(path)
        assert str(refused.value) == (
            f"open {path}: expected no other walk using it, got one that is at it. "
            "Wait for it to end, or take another road."
        )
        file.append(b"one")
    assert lines_in(path) == [b"one"]


def test_closing_twice_does_nothing(path: Path):
    file = opened(path)
    file.close()
    file.close()
    assert lines_in(path) == []


def test_a_folder_that_is_not_there_is_the_owner_s_to_tell(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none" / "work.jsonl")


def test_a_full_disk_is_one_line(path: Path):
    with opened(path) as file:
        file.append(b"one")
        with file_size_limit(10), pytest.raises(ArtifactError) as refused:
            file.append(b"2" * 20)
        assert str(refused.value) == (
            f"write {path}: expected room on the disk, got file too large. "
            "Free some space and start again: the walk goes on."
        )


def test_a_full_disk_stays_one_line_when_the_file_is_closed_on_it(path: Path):
    """What could not be written is not tried again at the end of the block."""
    with (
        file_size_limit(10),
        pytest.raises(ArtifactError, match="room on the disk"),
        opened(path) as file,
    ):
        file.append(b"one")
        file.append(b"2" * 20)
    assert path.stat().st_size == 10  # full to the last byte: a short write, then none
    assert lines_in(path) == [b"one"]


# ---------------------------------------------------------------- the same work?


def changes(then: dict, now: dict, **words) -> str:
    with pytest.raises(ArtifactError, match=r"^go on: expected what it was started with") as told:
        check_unchanged("go on", then, now, advice="Start anew", **words)
    assert told.value.advice == "Start anew"
    return told.value.got


def test_every_change_is_named_in_order():
    then = {"b_b": "1", "a": "x", "same": "s"}
    now = {"b_b": "2", "c": "y", "same": "s"}
    assert changes(then, now) == ("a none instead of x; b_b 2 instead of 1; c y instead of none")


def test_names_and_values_in_the_owner_s_words():
    said = changes(
        {"b_b": "1"}, {"b_b": "2"}, named=lambda key: key.replace("_", " "), shown="<{}>".format
    )
    assert said == "b b <2> instead of <1>"


NAMED = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"))


@given(then=NAMED, now=NAMED)
def test_it_refuses_exactly_what_differs(then: dict[str, str], now: dict[str, str]):
    if then == now:
        check_unchanged("go on", then, now, advice="Start anew")
    else:
        differ = {k for k in {*then, *now} if then.get(k) != now.get(k)}
        assert len(changes(then, now).split("; ")) == len(differ)
