"""What was asked for, over a restart."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.daemon.state import (
    WANTED_FILE,
    changed_wanted,
    keep_wanted,
    merge_wanted,
    restore_wanted,
)
from edgert.errors import ArtifactError
from edgert.records import Limits, Wanted, WantedChange

AT_FIRST = Limits(power_w=10, temp_c=70)


def test_the_first_start_takes_the_settings(tmp_path: Path):
    assert restore_wanted(tmp_path, AT_FIRST) == (Wanted(limits=AT_FIRST), [])


def test_what_was_asked_for_is_asked_for_again(tmp_path: Path):
    wanted = Wanted(limits=Limits(power_w=7, temp_c=70), pinned="c2", paused=True)
    keep_wanted(tmp_path, AT_FIRST, wanted)
    assert restore_wanted(tmp_path, AT_FIRST) == (wanted, [])


def test_where_the_settings_changed_since_they_count(tmp_path: Path):
    keep_wanted(tmp_path, AT_FIRST, Wanted(limits=Limits(power_w=7, temp_c=60)))
    wanted, notes = restore_wanted(tmp_path, Limits(power_w=12, temp_c=70))
    assert wanted.limits == Limits(power_w=12, temp_c=60)
    assert notes == ["power_w is 12 as the settings say now, and not 7 as was asked before"]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"format": 2}', b"\xff"])
def test_a_damaged_file_is_put_aside_and_told(tmp_path: Path, content: bytes):
    (tmp_path / WANTED_FILE).write_bytes(content)
    wanted, [note] = restore_wanted(tmp_path, AT_FIRST)
    assert wanted == Wanted(limits=AT_FIRST)
    assert "what was asked for before is lost" in note
    assert (tmp_path / f"{WANTED_FILE}.refused").read_bytes() == content
    assert restore_wanted(tmp_path, AT_FIRST).notes == []


def test_a_folder_that_is_gone_is_an_error_of_the_house(tmp_path: Path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(ArtifactError):
        keep_wanted(tmp_path / "state", AT_FIRST, Wanted(limits=AT_FIRST))


limits = st.builds(
    Limits,
    power_w=st.one_of(st.none(), st.sampled_from([5.0, 10.0, 15.0])),
    deadline_s=st.one_of(st.none(), st.sampled_from([0.01, 0.1])),
    miss_ratio=st.sampled_from([0.005, 0.1]),
)


@given(asked=limits, before=limits, now=limits)
def test_each_limit_is_the_settings_where_they_changed_and_else_what_was_asked(asked, before, now):
    merged, notes = merge_wanted(Wanted(limits=asked), before=before, now=now)
    for name in Limits.__struct_fields__:
        changed = getattr(before, name) != getattr(now, name)
        assert getattr(merged.limits, name) == getattr(now if changed else asked, name)
    assert (notes == []) == (merged.limits == asked)


def test_a_change_names_what_became_different():
    wanted = Wanted(limits=AT_FIRST)
    new, words = changed_wanted(wanted, WantedChange(power_w=8, temp_c=None, pinned="c1"))
    assert new == Wanted(limits=Limits(power_w=8), pinned="c1")
    assert words == ["power_w 10 → 8", "temp_c 70 → none", "c1 pinned"]
    new, words = changed_wanted(new, WantedChange(pinned=None, paused=True))
    assert new == Wanted(limits=Limits(power_w=8), paused=True)
    assert words == ["no configuration pinned", "paused"]
    assert changed_wanted(new, WantedChange(power_w=8)) == (new, [])
    assert changed_wanted(new, WantedChange(paused=False)).__getitem__(1) == ["goes on"]


def test_a_change_as_it_comes_over_the_wire_leaves_the_rest():
    change = msgspec.json.decode(b'{"power_w": null}', type=WantedChange)
    new, _ = changed_wanted(Wanted(limits=AT_FIRST, pinned="c2"), change)
    assert new == Wanted(limits=Limits(temp_c=70), pinned="c2")
