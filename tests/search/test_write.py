"""Names of configurations, and options in one line."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import ArtifactError, UsageError
from edgert.schema import record_from_object
from edgert.search.options import SearchOptions
from edgert.search.workspace import Setup, clear_workspace, open_workspace, save_setup
from edgert.search.write import names_of, new_family_name


@given(st.lists(st.integers(1, 10**12), max_size=20))
def test_names_are_unique_and_may_stand_in_family_yaml(macs: list[int]):
    names = names_of(macs)
    assert len(set(names)) == len(names) == len(macs)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) for name in names)


def test_names_tell_the_millions_of_macs():
    assert names_of([976_499_999, 976_400_000, 1_204_000_000]) == ["c976", "c976-2", "c1204"]
    assert names_of([215_808, 9_940_000, 9_996_000]) == ["c0.216", "c9.94", "c10"]


def test_a_new_family_never_replaces_anything_and_is_called_like_its_folder(tmp_path: Path):
    assert new_family_name(tmp_path / "new-1.2") == "new-1.2"
    (tmp_path / "file").touch()
    for target in (tmp_path, tmp_path / "file"):
        with pytest.raises(UsageError, match="expected a folder that does not exist yet"):
            new_family_name(target)


@pytest.mark.parametrize("name", ["with space", "_a", "ä", "x" * 81])
def test_a_folder_that_no_family_can_be_called_like_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="expected a folder called with A to Z"):
        new_family_name(tmp_path / name)


def test_a_worker_opens_only_the_search_that_it_was_asked_for(tmp_path: Path):
    setup = Setup(
        identity="one", metric="miou", classes=3, ignore_label=None, choose=[0], report=[1]
    )
    save_setup(tmp_path, setup)
    assert open_workspace(str(tmp_path), "one").setup == setup
    with pytest.raises(ArtifactError, match="expected the search two, got one"):
        open_workspace(str(tmp_path), "two")


def test_clearing_leaves_what_a_search_did_not_write(tmp_path: Path):
    (tmp_path / "counts").mkdir()
    (tmp_path / "counts" / "a.npz").touch()
    (tmp_path / "journal.jsonl").touch()
    (tmp_path / "notes.txt").touch()
    clear_workspace(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("given_options", "line"),
    [
        ({"cost": "watts"}, "cost"),
        ({"max_drop": 0}, "max_drop: expected `?float"),
        ({"minutes": -1}, "minutes"),
        ({"configurations": 1}, "configurations"),
        ({"speed": 9}, "speed"),
    ],
)
def test_options_out_of_range_are_one_line(given_options: dict, line: str):
    with pytest.raises(UsageError, match=line):
        record_from_object(
            {"calibration": "frames", **given_options}, SearchOptions, UsageError, subject="read"
        )
