"""Plots of a profile, of its windows, and of a long play."""

import re

import numpy as np
import pytest

from edgert.profiling.energy.conditions import Conditions
from edgert.profiling.energy.journal import Window
from edgert.report.energy_plot import EnergyPoint, energy_points, frontier_of, plot_energy
from edgert.report.latency_plot import plot_latency
from edgert.report.power_trace import plot_power, session_shifts_s
from edgert.report.sustained_plot import plot_sustained
from tests.cli.test_profile_table import played
from tests.profile_figures import entry, profile


def texts(svg: bytes) -> str:
    return "\n".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode()))


def point(name: str, energy_j: float, accuracy: float) -> EnergyPoint:
    return EnergyPoint(name, "measured", energy_j, None, accuracy)


def test_the_frontier_leaves_out_what_another_beats():
    points = [point("a", 3, 0.9), point("b", 2, 0.95), point("c", 1, 0.5), point("d", 1, 0.4)]
    assert [p.name for p in frontier_of(points)] == ["c", "b"]
    assert frontier_of([]) == []


def test_points_are_engines_with_both():
    entries = [entry("a", 0.4, 0.9), entry("b", None, 0.8), entry("c", 0.2, None)]
    assert [p.name for p in energy_points(entries)] == ["a"]
    [above] = energy_points(entries, above_idle=True)
    assert above.energy_j == pytest.approx(0.2)
    assert above.interval_j == pytest.approx((0.2 - 0.0108, 0.2 + 0.0108))


def test_energy_against_accuracy_names_engines_units_and_provenance():
    told = texts(
        plot_energy(
            profile(entry("full", 0.4, 0.9), entry("c1", 0.2, 0.7, "emulated")), kind="svg"
        )
    )
    for words in ("full", "c1", "measured", "emulated", "energy per inference, total, mJ",
                  "energy per inference, above idle, mJ", "toy on jetson-x"):  # fmt: skip
        assert words in told


def test_energy_without_points_is_a_value_error():
    with pytest.raises(ValueError, match="no engine"):
        plot_energy(profile(entry("full", None, 0.9)))


def test_the_same_profile_gives_the_same_bytes():
    shown = profile(entry("full", 0.4, 0.9))
    assert plot_energy(shown, kind="svg") == plot_energy(shown, kind="svg")
    assert plot_energy(shown).startswith(b"\x89PNG")


def test_latencies_far_out_are_counted():
    times_s = {"full": [0.1] * 48 + [0.12, 5.0], "c1": list(np.linspace(0.04, 0.05, 30))}
    told = texts(plot_latency(times_s, title="t", kind="svg"))
    assert "1 up to 5e+03 ms" in told
    assert "full" in told
    short = texts(plot_latency({"a": [40e-6, 50e-6]}, title="t", kind="svg"))
    assert "latency, µs" in short


def window(kind: str, from_s: float, **changes: object) -> Window:
    time_s = np.linspace(from_s, from_s + 1, 20)
    plain: dict[str, object] = {
        "kind": kind, "from_s": from_s, "to_s": from_s + 1, "time_s": time_s.tolist(),
        "power_w": (5 + time_s % 1).tolist(), "conditions": Conditions(provenance="emulated"),
    }  # fmt: skip
    return Window(**{**plain, **changes})  # type: ignore[arg-type]


def test_windows_of_the_power_trace():
    windows = [
        window("idle", 100),
        window("load", 103, engine="full"),
        window("load", 105, engine="c1", rejected="throttled: hot"),
        window("load", 7, engine="c1", session=1),
    ]
    assert session_shifts_s(windows) == {0: -100, 1: 9.0}
    trace = (np.linspace(0, 10, 9000), np.full(9000, 5.0))
    told = texts(plot_power(windows, title="toy", trace=trace, kind="svg"))
    for words in ("power, W (emulated)", "full", "c1", "idle", "rejected", " throttled: hot"):
        assert words in told
    assert "rejected" not in texts(plot_power(windows[:2], title="toy", kind="svg"))


def test_a_long_play_is_drawn_with_its_throttle():
    told = texts(plot_sustained(played(first_throttle_s=12.0), kind="svg"))
    for words in ("throttles from 12 s on", "power, W", "(emulated)", "lowest clock of its cap"):
        assert words in told
    assert "no throttling" in texts(plot_sustained(played(), kind="svg"))


def test_what_was_not_read_is_said():
    import msgspec

    run = played()
    blind = [msgspec.structs.replace(one, temp_c=None) for one in run.bins]
    assert "not read" in texts(plot_sustained(played(bins=blind), kind="svg"))
    assert "not read" not in texts(plot_sustained(run, kind="svg"))
