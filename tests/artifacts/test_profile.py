from pathlib import Path

import pytest

from edgert.artifacts import load_profile, save_profile
from edgert.errors import ArtifactError
from edgert.records import Profile, ProfileEntry

PROFILE = Profile(
    family="tiny",
    device="cpu",
    entries=[ProfileEntry(name="full", latency_s=0.02), ProfileEntry(name="c1", latency_s=0.01)],
)


def test_profile_written_and_read_is_the_same(tmp_path: Path):
    save_profile(tmp_path / "p.json", PROFILE)
    assert load_profile(tmp_path / "p.json") == PROFILE


def test_entry_is_found_by_name_and_a_wrong_name_lists_the_right_ones():
    assert PROFILE.entry("c1").latency_s == 0.01
    with pytest.raises(KeyError, match="'c1'"):
        PROFILE.entry("c2")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "expected JSON"),
        ('{"family": "x", "device": "cpu", "entries": []}', "length >= 1"),
        (
            '{"family": "x", "device": "cpu", "entries": [{"name": "a", "latency_s": -1}]}',
            r"entries\[0\]\.latency_s: expected float > 0(\.0)?, got -1",
        ),
    ],
)
def test_damaged_profile_is_one_line(tmp_path: Path, text: str, line: str):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(ArtifactError, match=line):
        load_profile(tmp_path / "p.json")
