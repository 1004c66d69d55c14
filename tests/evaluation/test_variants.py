"""What a controller is told of the board."""

import pytest

from edgert.errors import SettingsError
from edgert.evaluation.day import make_day
from edgert.evaluation.variants import VARIANTS, known_constants, open_variant

CONSTANTS = ("die_j_per_k", "sink_j_per_k", "die_to_sink_k_per_w", "sink_to_ambient_k_per_w")


def ratios(seed, name):
    day = make_day("thermal", seed, duration_s=5)
    known = known_constants(day, VARIANTS[name])
    return [getattr(known, each) / getattr(day.board.thermal, each) for each in CONSTANTS]


@pytest.mark.parametrize("name", ["nominal", "one-hertz"])
def test_true_constants_are_told_in_these(name):
    assert ratios(3, name) == [1.0] * 4


def test_each_constant_is_wrong_by_a_quarter_up_or_down():
    found = [ratio for seed in range(20) for ratio in ratios(seed, "wrong")]
    assert all(ratio == pytest.approx(0.75) or ratio == pytest.approx(1.25) for ratio in found)
    assert 20 < sum(ratio > 1 for ratio in found) < 60
    assert ratios(3, "wrong") == ratios(3, "wrong")


def test_wrong_is_late_as_well_and_one_hertz_is_rare():
    ticks = {name: variant.sensing.every_ticks for name, variant in VARIANTS.items()}
    assert VARIANTS["wrong"].sensing.delay_s == 0.7
    assert ticks["one-hertz"] == 10 * ticks["nominal"]


def test_unknown_variant_names_the_known_ones():
    with pytest.raises(SettingsError, match="expected one of nominal, wrong, one-hertz"):
        open_variant("perfect")
