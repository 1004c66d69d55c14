"""A profile as a controller reads it: gaps filled, dominated rows left out, nonsense refused."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.options import NOMINAL_POWER_W, Options, fingerprint
from edgert.errors import NoFeasibleConfigurationError
from edgert.records import EnergyFigure, LatencyStatistics, Profile, ProfileEntry
from tests.control.toy_board import EIGHT, entry, profile_of


def names_of(options: Options) -> list[str]:
    return [row.name for row in options.rows]


def test_rows_come_fastest_first_with_the_profile_s_figures():
    options = Options(
        profile_of(entry("b", 0.03, 12.0, 0.8), entry("a", 0.01, 6.0, 0.5)), idle_w=2
    )
    assert names_of(options) == ["a", "b"]
    small = options.rows[0]
    assert (small.latency_s, small.power_w, small.accuracy) == (0.01, 6.0, 0.5)
    assert small.energy_j == pytest.approx(0.04)
    assert options.power_known


def test_the_eight_are_all_worth_having():
    assert names_of(Options(EIGHT)) == [each.name for each in EIGHT.entries]


@pytest.mark.parametrize(
    ("worse", "kept"),
    [
        (entry("w", 0.03, 12.0, 0.6), False),  # slower, hungrier, less accurate than m
        (entry("w", 0.02, 9.0, 0.7), False),  # its equal; of equals the first name stays
        (entry("w", 0.019, 12.0, 0.7), True),  # faster, hungrier
        (entry("w", 0.025, 6.0, 0.7), True),  # slower, draws less
        (entry("w", 0.03, 12.0, 0.71), True),  # better
    ],
)
def test_what_is_nowhere_better_is_never_chosen(worse, kept):
    options = Options(profile_of(worse, entry("m", 0.02, 9.0, 0.7)), idle_w=3.0)
    assert ("w" in names_of(options)) == kept
    assert "w" in options.all_rows  # it can be pinned all the same


ROWS = st.lists(
    st.tuples(st.floats(1e-3, 0.2), st.none() | st.floats(0.5, 20), st.none() | st.floats(0, 1)),
    min_size=1,
    max_size=8,
)


@given(ROWS)
def test_what_is_left_out_is_dominated_by_what_stays(figures):
    profile = profile_of(*(entry(f"c{i}", *each) for i, each in enumerate(figures)))
    options = Options(profile)
    assert options.rows
    for row in options.all_rows.values():
        assert math.isfinite(row.energy_j)
        assert row.energy_j >= 0
        assert any(
            other.latency_s <= row.latency_s
            and other.energy_j <= row.energy_j
            and other.accuracy >= row.accuracy
            for other in options.rows
        )


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_entries_does_not_matter(figures, chance):
    entries = [entry(f"c{i}", *each) for i, each in enumerate(figures)]
    shuffled = entries[:]
    chance.shuffle(shuffled)
    assert Options(profile_of(*shuffled)).rows == Options(profile_of(*entries)).rows


def test_without_accuracy_of_all_the_dearer_counts_as_better():
    options = Options(profile_of(entry("a", 0.01, 6, 0.9), entry("b", 0.03, 12, None)))
    accuracies = {row.name: row.accuracy for row in options.rows}
    assert accuracies["b"] > accuracies["a"]


def test_without_power_of_all_time_stands_for_it():
    options = Options(profile_of(entry("a", 0.01, 6.0, 0.5), entry("b", 0.03, None, 0.8)))
    assert not options.power_known
    small, big = options.rows
    assert small.power_w == big.power_w == NOMINAL_POWER_W
    assert big.energy_j == pytest.approx(3 * small.energy_j)


@pytest.mark.parametrize(
    ("given_w", "expected_w"), [(2.5, 2.5), (50.0, 6.0), (math.nan, 1.8), (0.0, 1.8), (None, 1.8)]
)
def test_idle_power_is_the_given_one_but_never_above_the_least_of_the_profile(given_w, expected_w):
    profile = profile_of(entry("a", 0.01, 6.0, 0.5), entry("b", 0.03, 12.0, 0.8))
    assert Options(profile, idle_w=given_w).idle_w == pytest.approx(expected_w)


def test_measured_idle_power_and_spread_are_taken_from_the_profile():
    figure = EnergyFigure(
        total_j=0.1,
        total_interval_j=(0.1, 0.1),
        marginal_j=0.05,
        marginal_interval_j=(0.05, 0.05),
        power_w=6.0,
        idle_w=2.2,
        provenance="emulated",
        source="toy",
        board="toy",
        windows=2,
        window_s=1.0,
        inferences=10,
        samples=10,
    )
    spread = LatencyStatistics(
        median_s=0.01, p95_s=0.012, p99_s=0.013, iqr_s=0.001349, runs=100, warmup_runs=5
    )
    measured = msgspec.structs.replace(entry("a", 0.01, 6.0, 0.5), energy=figure, latency=spread)
    options = Options(profile_of(measured))
    assert options.idle_w == 2.2
    assert options.noise == pytest.approx(0.01)
    assert Options(EIGHT).noise is None


# ------------------------------------------------------------ refused


def broken(**values) -> Profile:
    return profile_of(
        msgspec.structs.replace(entry("a", 0.01, 6.0, 0.5), **values), entry("b", 0.03, 12.0, 0.8)
    )


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (profile_of(), "expected at least one configuration, got none"),
        (broken(latency_s=math.nan), "expected seconds above 0, got nan as latency_s of a"),
        (broken(latency_s=math.inf), "expected seconds above 0, got inf as latency_s of a"),
        (broken(latency_s=0.0), "got 0.0 as latency_s of a"),
        (broken(latency_s=-0.01), "got -0.01 as latency_s of a"),
        (broken(power_w=math.nan), "expected watts above 0, got nan as power_w of a"),
        (broken(power_w=math.inf), "got inf as power_w of a"),
        (broken(accuracy=math.nan), "expected a share from 0 to 1, got nan as accuracy of a"),
        (broken(accuracy=1.5), "got 1.5 as accuracy of a"),
        (broken(name="b"), "expected each name once, got 'b' twice"),
    ],
)
def test_a_profile_that_cannot_be_chosen_from_is_refused_in_one_line(profile, words):
    with pytest.raises(NoFeasibleConfigurationError) as error:
        Options(profile)
    line = str(error.value)
    assert line.startswith("choose from a profile: ")
    assert words in line
    assert "\n" not in line


# ------------------------------------------------------------ fingerprint


@pytest.mark.parametrize("values", [{"latency_s": 0.011}, {"power_w": 6.1}, {"accuracy": 0.51}])
def test_the_fingerprint_tells_profiles_apart(values):
    same = profile_of(entry("a", 0.01, 6.0, 0.5), entry("b", 0.03, 12.0, 0.8))
    assert fingerprint(same) == fingerprint(broken())
    assert fingerprint(same) != fingerprint(broken(**values))
    assert fingerprint(same) != fingerprint(msgspec.structs.replace(same, family="other"))


def test_what_a_controller_does_not_read_leaves_the_fingerprint_alone():
    assert fingerprint(broken(macs=7)) == fingerprint(broken())


def test_energy_stands_in_for_a_power_that_is_missing():
    entries = [
        ProfileEntry(name="a", latency_s=0.02, energy_j=0.2, accuracy=0.9),
        ProfileEntry(name="b", latency_s=0.01, power_w=8.0, energy_j=0.5, accuracy=0.8),
    ]
    options = Options(Profile(family="f", device="d", entries=entries), idle_w=2.0)
    assert options.power_known
    assert options.all_rows["a"].power_w == pytest.approx(10.0)
    assert options.all_rows["b"].power_w == 8.0  # what was measured goes first
    bad = [ProfileEntry(name="a", latency_s=0.02, energy_j=math.nan)]
    with pytest.raises(NoFeasibleConfigurationError, match=r"joules above 0, got nan as energy_j"):
        Options(Profile(family="f", device="d", entries=bad))
