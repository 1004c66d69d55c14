"""Profiles and long plays as tables."""

import msgspec
import pytest

from edgert.cli.profile_table import (
    energy_cells,
    print_profile,
    print_sustained,
    text_from_interval,
    text_from_latency,
)
from edgert.profiling.sustained import SustainedBin, SustainedRun
from edgert.records import LatencyStatistics, ProfileEntry
from tests.profile_figures import entry, figure, profile


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (447.2, 12.1, "447 ± 12 mJ"),
        (447.2, 1.21, "447.2 ± 1.2 mJ"),
        (0.5364, 0.0008, "0.5364 ± 0.0008 mJ"),
        (2243.3, 127.0, "2243 ± 127 mJ"),
        (447.2, 0.0, "447.2 mJ"),
        (1e-12, 1e-12, "0.0000 ± 0.0000 mJ"),  # no hundred digits of nothing
        (-3.0, 5.0, "-3.0 ± 5.0 mJ"),
    ],
)
def test_as_many_digits_as_are_known(value: float, half: float, text: str):
    assert text_from_interval(value, (value - half, value + half), "mJ") == text


def test_a_latency_has_the_interval_of_its_median():
    told = LatencyStatistics(median_s=0.05, p95_s=1, p99_s=1, iqr_s=0.01, runs=100, warmup_runs=0)
    assert text_from_latency(told) == "50.0 ± 1.6 ms"
    short = msgspec.structs.replace(told, median_s=50e-6, iqr_s=10e-6)
    assert text_from_latency(short) == "50.0 ± 1.6 µs"


def test_cells_of_a_measured_engine():
    cells = energy_cells(entry("c2", 0.447, 0.9, baseline=0.6))
    assert cells == {
        "power (measured)": "9.00 W",
        "energy (measured)": "447 ± 12 mJ",
        "above idle (measured)": "224 ± 12 mJ",
        "energy of full's (measured)": "60.0 ± 2.0 %",
    }


def test_a_prediction_has_no_interval():
    predicted = ProfileEntry(
        name="a", latency_s=1, power_w=9, energy_j=0.4472, energy_from="emulated"
    )
    assert energy_cells(predicted)["energy (emulated)"] == "447.2 mJ"
    assert energy_cells(ProfileEntry(name="a", latency_s=1)) == {}


def test_provenances_share_no_column(capsys):
    print_profile(
        profile(
            entry("full", 0.4, 0.9),
            entry("c2", 0.3, 0.8, "emulated", board="toy-board"),
            entry("c1", None, None),
        )
    )
    lines = capsys.readouterr().out.splitlines()
    head, full, c2, c1 = lines[:4]
    edge = head.index("power (emulated)")  # measured columns lie before it, emulated ones behind
    assert "energy (measured)" in head[:edge]
    assert "400 ± 11 mJ" in full[:edge]
    assert not full[edge:].strip()
    assert "300.0 ± 8.1 mJ" in c2[edge:]
    assert "mJ" not in c2[:edge]
    assert "mJ" not in c1
    assert "power and energy: emulated (toy-board), not measured on a board" in lines


def test_rejected_windows_notes_and_conditions_stand_below(capsys):
    first = entry("full", 0.4, 0.9, rejected=["full window 1: throttled: hot"], notes=["a note"])
    print_profile(profile(first, method="five windows"))
    lines = capsys.readouterr().out.splitlines()
    assert "  rejected: full window 1: throttled: hot" in lines
    assert "  note: a note" in lines
    assert "figures: five windows" in lines
    [told] = [line for line in lines if line.startswith("energy: ")]
    for words in ("board jetson-x", "source sysfs", "power mode 15W", "VDD_IN", "50 to 61 °C"):
        assert words in told


def played(**changes: object) -> SustainedRun:
    bins = [
        SustainedBin(
            from_s=10.0 * n, to_s=10.0 * n + 10, inferences=100, latency_median_s=0.1 + 0.05 * n,
            latency_p95_s=0.2, power_w=None if n else 9.0, temp_c=60.0 + n,
            clock_ratio=1 - 0.3 * n, throttled="too hot" if n else "",
        )
        for n in range(2)
    ]  # fmt: skip
    plain: dict[str, object] = {
        "family": "f", "engine": "full", "board": "b", "source": "s", "provenance": "emulated",
        "latency_from": "measured", "bins": bins,
    }  # fmt: skip
    return SustainedRun(**{**plain, **changes})  # type: ignore[arg-type]


def test_a_long_play_tells_what_heat_did(capsys):
    print_sustained(
        played(first_throttle_s=12.5, first_throttle_reason="too hot", gaps={"torn": 3})
    )
    text = capsys.readouterr().out
    assert "latency (measured)" in text
    assert "power (emulated)" in text
    assert "latency at the end: 150.0 ms, 1.50 times that at the start (100.0 ms)" in text
    assert "first throttled after 12.5 s: too hot" in text
    assert "gaps: 3 reads without power: torn" in text
    assert "70%  too hot" in text


def test_a_cool_play_says_so(capsys):
    print_sustained(played())
    assert "not throttled in 20.0 s" in capsys.readouterr().out


def test_the_figure_s_own_defaults_leave_facts_out(capsys):
    bare = figure(power_mode="", rails=[], sensor_bound="", temp_range_c=None)
    print_profile(profile(msgspec.structs.replace(entry("full", 0.4, 0.9), energy=bare)))
    [told] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("energy: ")]
    assert told == "energy: board jetson-x, source sysfs; ± is half of a 95 % interval"
