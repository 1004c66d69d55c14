"""The look-up table, cell by cell."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.baselines.lookup import LookupTable, LookupTuning, frontier
from edgert.records import EnergyFigure, Limits, Profile, ProfileEntry, ThermalConstants
from tests.control.baselines.bench_of_frames import IDLE_W, PERIOD_S, Bench, profile_of

PROFILE = profile_of()
TUNING = LookupTuning(guard_c=1, span_c=6, hysteresis_c=1)  # rows end at 63, 65, 67, 69 °C of 70
THERMAL = ThermalConstants(
    die_j_per_k=5,
    sink_j_per_k=50,
    die_to_sink_k_per_w=0.5,
    sink_to_ambient_k_per_w=2,
    idle_w=IDLE_W,
)


def table_of(limits, *, profile=PROFILE, thermal=THERMAL):
    return Bench(LookupTable(profile, limits, thermal, tuning=TUNING), profile)


def entry(name, latency_s, power_w=None, accuracy=None):
    return ProfileEntry(name=name, latency_s=latency_s, power_w=power_w, accuracy=accuracy)


# ---------------------------------------------------------------- the frontier


def names_on_front(*entries):
    table = LookupTable(Profile(family="f", device="cpu", entries=list(entries)), Limits())
    return [kept.name for kept in table.front]


def test_an_entry_that_another_beats_is_not_in_the_table():
    front = names_on_front(
        entry("a", 0.03, 12, 0.8), entry("slow", 0.031, 12, 0.79), entry("b", 0.01, 6, 0.6)
    )
    assert front == ["a", "b"]


def test_an_entry_that_only_draws_less_stays():
    assert names_on_front(entry("a", 0.03, 12, 0.8), entry("b", 0.031, 9, 0.8)) == ["b", "a"]


def test_of_equals_the_first_stays():
    assert names_on_front(*(entry(name, 0.02, 9, 0.7) for name in "abc")) == ["a"]


def test_of_equal_accuracies_the_cheapest_alone_stays():
    equals = (entry("a", 0.03, 12, 0.7), entry("b", 0.02, 9, 0.7), entry("c", 0.01, 5, 0.7))
    assert names_on_front(*equals) == ["c"]


POINTS = st.lists(
    st.tuples(st.integers(1, 5), st.none() | st.integers(1, 5), st.integers(0, 5)),
    min_size=1,
    max_size=8,
)


@given(points=POINTS)
def test_nothing_on_the_front_is_beaten_and_everything_else_is(points):
    entries = [entry(f"e{index}", float(t)) for index, (t, _, _) in enumerate(points)]
    watts = [None if power is None else float(power) for _, power, _ in points]
    worth = [float(quality) for _, _, quality in points]
    kept = frontier(entries, watts, worth)

    def as_good(one, other):
        costs = [
            (entries[place].latency_s, watts[place] or 0, -worth[place]) for place in (one, other)
        ]
        return all(a <= b for a, b in zip(*costs, strict=True))

    assert kept
    for place in range(len(points)):
        as_good_as_it = [one for one in kept if one != place and as_good(one, place)]
        assert bool(as_good_as_it) == (place not in kept)


# ---------------------------------------------------------------- deadline and power


@pytest.mark.parametrize(
    ("deadline_s", "runs"), [(None, "full"), (0.030, "full"), (0.029, "c70"), (0.010, "c30")]
)
def test_the_most_accurate_that_fits_the_deadline_by_its_profile_runs(deadline_s, runs):
    bench = table_of(Limits(deadline_s=deadline_s))
    assert set(bench.frames(20, slowdown=2.0)) == {runs}  # it learns nothing
    assert bench.decisions[-1].reason == f"{runs}: the most accurate entry that fits"


def test_a_deadline_that_nothing_fits_runs_the_fastest_and_says_so():
    decision = table_of(Limits(deadline_s=0.001)).frame()
    assert decision.configuration == "c30"
    assert "fits the deadline, the fastest" in decision.reason


# At the frame rate: full 3 + 9 * .9 = 11.1 W, c70 7.62, c50 5.25, c30 3.9
@pytest.mark.parametrize(
    ("power_w", "runs"),
    [(11.2, "full"), (11.0, "c70"), (7.7, "c70"), (7.5, "c50"), (5.2, "c30"), (3.91, "c30")],
)
def test_profiled_power_at_the_frame_rate_is_held_to_the_budget(power_w, runs):
    assert table_of(Limits(power_w=power_w, period_s=PERIOD_S)).frame().configuration == runs


def test_without_idle_power_or_a_frame_rate_power_counts_back_to_back():
    limits = Limits(power_w=9, period_s=PERIOD_S)
    assert table_of(limits, thermal=None).frame().configuration == "c50"
    assert table_of(Limits(power_w=9)).frame().configuration == "c50"


def test_idle_power_of_the_profile_serves_where_no_thermal_constants_do():
    figure = EnergyFigure(
        total_j=0.1,
        total_interval_j=(0.1, 0.1),
        marginal_j=0.1,
        marginal_interval_j=(0.1, 0.1),
        power_w=9,
        idle_w=IDLE_W,
        provenance="emulated",
        source="test",
        board="b",
        windows=1,
        window_s=1,
        inferences=1,
        samples=2,
    )
    only = ProfileEntry(name="a", latency_s=PERIOD_S / 2, power_w=9, accuracy=0.5, energy=figure)
    profile = Profile(family="f", device="cpu", entries=[only])
    decision = table_of(Limits(period_s=PERIOD_S), profile=profile, thermal=None).frame()
    assert decision.numbers["profiled_power_w"] == pytest.approx(6.0)


def test_a_budget_that_nothing_fits_runs_the_least_hungry_and_says_so():
    decision = table_of(Limits(power_w=1, period_s=PERIOD_S)).frame()
    assert decision.configuration == "c30"
    assert decision.reason == "c30: no entry fits the budget of 1.00 W, the least hungry"


def test_a_mission_is_a_budget():
    limits = Limits(energy_j=7.5 * 600, mission_s=600, period_s=PERIOD_S)
    assert table_of(limits).frame().configuration == "c50"


def test_without_any_power_the_budget_is_not_held_and_that_is_said():
    decision = table_of(Limits(power_w=4), profile=profile_of(power=False)).frame()
    assert decision.configuration == "full"
    assert "the profile states no power" in decision.reason
    assert "profiled_power_w" not in decision.numbers


# ---------------------------------------------------------------- temperature


@pytest.mark.parametrize(
    ("temp_c", "runs"),
    [(20, "full"), (63, "full"), (63.1, "c70"), (65.1, "c50"), (67.1, "c30"), (120, "c30")],
)
def test_each_row_of_temperature_allows_its_entry(temp_c, runs):
    decision = table_of(Limits(temp_c=70)).frame(temp_c=temp_c)
    assert decision.configuration == runs
    if runs != "full":
        assert decision.reason.endswith(
            f"; temperature {temp_c:.1f} °C of 70.0 °C allows {runs} and cheaper"
        )


def test_a_row_is_left_for_a_cooler_one_only_below_its_edge():
    bench = table_of(Limits(temp_c=70))
    ran = [bench.frame(temp_c=temp_c).configuration for temp_c in (63.5, 62.5, 62.1, 62.0, 63.0)]
    assert ran == ["c70", "c70", "c70", "full", "full"]


def test_a_fall_by_several_rows_is_followed_at_once():
    bench = table_of(Limits(temp_c=70))
    assert [bench.frame(temp_c=t).configuration for t in (80.0, 30.0)] == ["c30", "full"]


@pytest.mark.parametrize("values", [{"temp_c": math.nan}, {"power_w": 5.0}, {}])
def test_without_a_fresh_temperature_the_row_stays(values):
    bench = table_of(Limits(temp_c=70))
    bench.frame(temp_c=66.0)
    assert set(bench.frames(100, **values)) == {"c50"}
    assert "no fresh temperature allows c50 and cheaper" in bench.decisions[-1].reason


def test_without_any_temperature_yet_it_says_so():
    decision = table_of(Limits(temp_c=70)).frame()
    assert decision.reason == "full: the most accurate entry that fits; no fresh temperature"


def test_a_limit_that_is_taken_away_opens_the_table():
    bench = table_of(Limits(temp_c=70))
    bench.frame(temp_c=80.0)
    bench.controller.limits = Limits()
    assert bench.frame(temp_c=80.0).configuration == "full"


def test_one_entry_is_always_allowed():
    profile = profile_of(names=("c50",))
    bench = table_of(Limits(temp_c=70, power_w=1, deadline_s=0.001), profile=profile)
    assert bench.frame(temp_c=90.0).configuration == "c50"
