"""The simulated profiles: their ends, their shape, and the measured figures they carry."""

import itertools
import re
from pathlib import Path

import pytest

from edgert.artifacts import load_family
from edgert.errors import SettingsError
from edgert.evaluation.family import (
    BUNDLED,
    IDLE_W,
    bundled_profile,
    open_family,
    wide_profile,
)

FOLDER = Path("engines/segformer-b0-camvid")


def test_wide_family_spans_the_range_that_the_scenarios_are_made_for():
    entries = wide_profile().entries
    assert len(entries) == 8
    assert (entries[0].latency_s, entries[-1].latency_s) == pytest.approx((0.031, 0.0075))
    assert (entries[0].power_w, entries[-1].power_w) == pytest.approx((13.0, 5.5))
    assert (entries[0].accuracy, entries[-1].accuracy) == pytest.approx((0.80, 0.52))


def test_wide_accuracy_is_concave_in_latency():
    entries = wide_profile().entries[::-1]
    slopes = [
        (after.accuracy - before.accuracy) / (after.latency_s - before.latency_s)
        for before, after in itertools.pairwise(entries)
    ]
    assert all(slope > 0 for slope in slopes)
    assert slopes == sorted(slopes, reverse=True)


@pytest.mark.parametrize("name", ["wide", "bundled"])
def test_energy_is_power_times_latency_and_says_modelled(name):
    profile = open_family(name)
    assert "modelled" in profile.board
    for entry in profile.entries:
        assert entry.energy_j == pytest.approx(entry.power_w * entry.latency_s)
        assert entry.power_w > IDLE_W
        assert (entry.latency_from, entry.energy_from) == ("modelled", "modelled")


def test_bundled_family_has_the_accuracies_of_the_real_one():
    real = load_family(FOLDER, verify=False).family
    stated = {each.name: each.accuracy.value for each in real.configurations}
    assert {name: accuracy for name, _, accuracy in BUNDLED} == stated


def test_bundled_family_has_the_macs_of_its_card():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `(\w+)` \| (\d\.\d{3}) \|", card, flags=re.MULTILINE))
    assert {name: f"{mega / 1e3:.3f}" for name, mega, _ in BUNDLED} == stated


def test_bundled_latency_is_in_proportion_to_macs():
    entries = bundled_profile().entries
    assert len({round(entry.latency_s / entry.macs, 18) for entry in entries}) == 1
    assert entries[0].latency_s == pytest.approx(0.031)


def test_unknown_family_names_the_known_ones():
    with pytest.raises(SettingsError, match="expected one of wide, bundled, got 'narrow'"):
        open_family("narrow")
