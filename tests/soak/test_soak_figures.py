"""What a soak says of readings whose truth is known."""

import argparse
import json
import random

import pytest
from soaks import memory, requests, streams

from edgert.errors import ArtifactError


def readings(slope_per_hour: float, *, noise: float = 0.0, seed: int = 0) -> list[dict]:
    """Half an hour of memory, an exchange each two minutes with a step up and down."""
    chance = random.Random(seed)
    found = []
    for place in range(360):
        time_s = 5.0 * place
        reloads = int(time_s // 120)
        rss = 200 + 5 * (reloads % 2) + slope_per_hour * time_s / 3600 + chance.gauss(0, noise)
        found.append({"time_s": time_s, "reloads": reloads, "rss_mib": rss})
    return found


@pytest.mark.parametrize("slope", [0.0, 40.0, -25.0])
def test_the_slope_of_memory_lies_in_its_interval(slope: float):
    inside = 0
    for seed in range(40):
        records = readings(slope, noise=0.5, seed=seed)
        spans = memory.spans_of(records, "rss_mib", warm_s=300)
        found, half = memory.line_through([t for t, _ in spans], [v for _, v in spans])
        inside += abs(found - slope) <= half
    assert inside >= 34  # of 40 at 95 %


def test_a_leak_is_told_from_none():
    spans = memory.spans_of(readings(60.0, noise=0.5), "rss_mib", warm_s=300)
    slope, half = memory.line_through([t for t, _ in spans], [v for _, v in spans])
    assert slope - half > 0


def test_a_line_takes_three_points():
    with pytest.raises(ArtifactError, match="three points or more, got 2"):
        memory.line_through([0.0, 1.0], [1.0, 2.0])


def test_power_is_judged_by_seconds_and_apart_after_a_step():
    reads = [
        {"time_s": second + part, "sample_s": second + part, "power_w": power_w, "budget_w": 8.0}
        for second, power_w in ((0, 7.0), (10, 9.0), (11, 7.9), (20, 12.0), (21, 9.5), (30, 7.0))
        for part in (0.1, 0.6)
    ]
    reads[0] = {**reads[0], "power_w": 8.9}  # a spike within a second that is kept
    found = streams.power_kept(reads, [{"time_s": 19.5, "power_w": 8.0}])
    assert found == {"windows": 4, "over": 1, "most_over_w": 1.0, "over_while_settling": 2}


def test_the_same_sample_counts_once():
    read = {"time_s": 1.0, "sample_s": 1.0, "power_w": 9.0, "budget_w": 8.0}
    found = streams.power_kept([read, {**read, "time_s": 2.0}], [])
    assert (found["windows"], found["over"]) == (1, 1)


def test_heat_is_judged_from_the_moment_that_it_is_below():
    reads = [
        {"time_s": float(second), "temp_c": temp_c, "limit_c": 55.0}
        for second, temp_c in enumerate([60.0, 58.0, 56.0, 54.9, 54.0, 55.5, 54.0])
    ]
    found = streams.heat_after(reads, -0.5, 100.0)
    assert (found["start_c"], found["below_after_s"]) == (60.0, 3.5)
    assert (found["readings_after"], found["over_after"], found["most_over_k"]) == (4, 1, 0.5)
    never = streams.heat_after(reads[:3], -0.5, 100.0)
    assert (never["below_after_s"], never["over_after"]) == (None, 0)


def test_requests_are_set_against_rounds_without(tmp_path):
    rounds = [
        {"kind": kind, "lasted_s": 2.0, "cpu_ratio": 0.5, "latencies_s": latencies_s, "late": late,
         "skipped": 0, "starts_s": [0.0, 0.1, 0.2],
         "requests": {"took_s": {"/metrics": [0.001, 0.003]}, "refused": 0, "lasted_s": 0.5}
         if kind == "B" else None}
        for kind, latencies_s, late in (
            ("A", [0.01, 0.02], 0), ("B", [0.03, 0.04], 1), ("B", [0.03, 0.09], 1),
            ("A", [0.01, 0.02], 0),
        )
    ]  # fmt: skip
    file = tmp_path / "r.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rounds))
    found = requests.summary(file, argparse.Namespace())
    assert (found["without"]["late"], found["with"]["late"]) == (0, 2)
    assert found["with"]["latency_s"]["most"] == 0.09
    assert found["without"]["latency_s"]["most"] == 0.02
    assert (found["requests"]["count"], found["requests"]["rate"]) == (4, 4.0)
    assert "4 requests, 0 refused" in requests.text_from(found)
