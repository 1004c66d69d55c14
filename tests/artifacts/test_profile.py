import csv
from pathlib import Path

import pytest

from edgert.artifacts import load_profile, save_profile, save_profile_table
from edgert.errors import ArtifactError
from edgert.records import Profile, ProfileEntry
from tests.profile_figures import entry, profile

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


def test_the_table_has_a_row_for_each_engine_and_empty_cells_for_the_unknown(tmp_path: Path):
    measured = entry("full", 0.447, 0.9, baseline=0.6)
    save_profile_table(tmp_path / "p.csv", profile(measured, PROFILE.entries[1]))
    with (tmp_path / "p.csv").open(newline="") as file:
        full, c1 = csv.DictReader(file)
    assert float(full["energy_j"]) == 0.447
    assert float(full["energy_low_j"]) == pytest.approx(0.447 * 0.973)
    assert float(full["energy_of_baseline_high_ratio"]) == pytest.approx(0.62)
    assert (full["board"], full["energy_from"]) == ("jetson-x", "measured")
    assert c1["latency_s"] == "0.01"
    for column in ("energy_j", "energy_from", "energy_low_j", "latency_p95_s", "accuracy"):
        assert c1[column] == ""
