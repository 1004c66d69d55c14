"""What a decision of the predictive controller takes, with everything that it does switched on.

Eight configurations, a deadline, a power budget, a temperature limit and a mission's energy,
telemetry at 10 Hz, a slowdown that changes now and then. The wall time of `decide`, for which the
frame waits, and of `observe`, which comes after it, is taken frame by frame, with the garbage
collector on as in a real run. The board
around it is made up: nothing here says how well it decides.
"""

import argparse
import gc
import math
import random
import statistics
import time
from typing import Any, NamedTuple

from edgert.control import CONTROLLERS, open_controller
from edgert.errors import UsageError
from edgert.records import (
    FrameOutcome,
    Limits,
    Profile,
    ProfileEntry,
    TelemetrySample,
    ThermalConstants,
)

PERIOD_S, IDLE_W = 1 / 30, 3.0
FRAMES_A_SAMPLE = 3  # 10 Hz
GOAL_US = 50.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("--controller", default="predictive", choices=list(CONTROLLERS))
    parser.add_argument("--configurations", type=int, default=8)
    parser.add_argument("--frames", type=int, default=20_000, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time the frames of every round."""
    for name in ("configurations", "frames", "rounds"):
        if getattr(arguments, name) < 1:
            raise UsageError(
                "benchmark control",
                expected=f"--{name} of at least 1",
                got=str(getattr(arguments, name)),
                advice="Give a larger one",
            )
    profile = made_up_profile(arguments.configurations)
    if not gc.isenabled():
        raise ValueError("the garbage collector has to be on")
    one_round(arguments.controller, profile, min(arguments.frames, 1000), seed=0)  # warms up
    rounds = [
        one_round(arguments.controller, profile, arguments.frames, seed=number)
        for number in range(1, arguments.rounds + 1)
    ]
    decide_us = [sorted(each.decide_us) for each in rounds]
    observe_us = [sorted(each.observe_us) for each in rounds]
    return {
        "controller": arguments.controller,
        "configurations": arguments.configurations,
        "frames": arguments.frames,
        "rounds": arguments.rounds,
        "switches_per_round": [each.switches for each in rounds],
        "p50_us": [_quantile(row, 0.5) for row in decide_us],
        "p99_us": [_quantile(row, 0.99) for row in decide_us],
        "most_us": [row[-1] for row in decide_us],
        "observe_p50_us": [_quantile(row, 0.5) for row in observe_us],
        "observe_p99_us": [_quantile(row, 0.99) for row in observe_us],
        "goal_us": GOAL_US,
    }


def text_from(result: dict[str, Any]) -> str:
    """The result in a few lines; of rounds the median, and the range."""
    lines = [
        f"{result['controller']}: {result['configurations']} configurations, "
        f"all limits, telemetry at 10 Hz, {result['rounds']} rounds of {result['frames']} frames "
        f"({min(result['switches_per_round'])} to {max(result['switches_per_round'])} switches)"
    ]
    for key, words in (
        ("p50_us", "decide, median"),
        ("p99_us", "decide, p99"),
        ("most_us", "decide, longest"),
        ("observe_p50_us", "observe, median"),
        ("observe_p99_us", "observe, p99"),
    ):
        row = result[key]
        middle = statistics.median(row)
        lines.append(f"{words:16}{middle:8.1f} µs  ({min(row):.1f} to {max(row):.1f})")
    return "\n".join(lines)


def made_up_profile(count: int) -> Profile:
    """Configurations between 4 and 32 ms, 7 to 12 W, the dearer the more accurate."""
    shares = [(place + 1) / count for place in range(count)]
    return Profile(
        family="made-up",
        device="none",
        entries=[
            ProfileEntry(
                name=f"c{place}",
                latency_s=0.004 + 0.028 * share,
                power_w=7.0 + 5.0 * share,
                accuracy=0.5 + 0.4 * share,
            )
            for place, share in enumerate(shares)
        ],
    )


class Round(NamedTuple):
    """Microseconds of each frame, and how often the configuration changed."""

    decide_us: list[float]
    observe_us: list[float]
    switches: int


def one_round(name: str, profile: Profile, frames: int, *, seed: int) -> Round:
    """Drive a controller.

    The die's temperature and the power follow the decisions roughly, near their limits, so that
    all branches have their turn.
    """
    chance = random.Random(seed)
    limits = Limits(
        deadline_s=0.033,
        period_s=PERIOD_S,
        power_w=9.0,
        temp_c=60.0,
        energy_j=8.0 * frames * PERIOD_S,
        mission_s=frames * PERIOD_S,
    )
    controller = open_controller(name, profile, limits, _THERMAL)
    entries = {entry.name: entry for entry in profile.entries}
    telemetry, last, switches = None, "", 0
    power_w, die_c, slowdown = IDLE_W, 50.0, 1.0
    decide_us, observe_us = [], []
    for frame in range(frames):
        now_s = frame * PERIOD_S
        if frame % 300 == 0:
            slowdown = chance.uniform(1.0, 1.6)
        if frame % FRAMES_A_SAMPLE == 0:
            telemetry = _sample(now_s, power_w, die_c + chance.gauss(0, 0.1))
        start_ns = time.perf_counter_ns()
        decision = controller.decide(now_s, telemetry)
        decide_us.append((time.perf_counter_ns() - start_ns) / 1e3)
        entry = entries[decision.configuration]
        latency_s = 0.0
        if not decision.skip:
            latency_s = entry.latency_s * slowdown * math.exp(chance.gauss(0, 0.02))
            outcome = FrameOutcome(
                configuration=entry.name,
                latency_s=latency_s,
                met_deadline=latency_s <= 0.033,
                power_w=power_w,
            )
            start_ns = time.perf_counter_ns()
            controller.observe(outcome)
            observe_us.append((time.perf_counter_ns() - start_ns) / 1e3)
        switches += entry.name != last and frame > 0
        last = entry.name
        drawn_w = IDLE_W + ((entry.power_w or 0.0) - IDLE_W) * min(latency_s / PERIOD_S, 1.0)
        power_w += 0.1 * (drawn_w - power_w)
        die_c += 0.002 * (30.0 + 4.0 * power_w - die_c)
    return Round(decide_us, observe_us, switches)


_THERMAL = ThermalConstants(
    die_j_per_k=8.0,
    sink_j_per_k=50.0,
    die_to_sink_k_per_w=0.5,
    sink_to_ambient_k_per_w=3.5,
    idle_w=IDLE_W,
    provenance="modelled",
)


def _sample(time_s: float, power_w: float, temp_c: float) -> TelemetrySample:
    return TelemetrySample(
        time_s=time_s,
        source="made up",
        provenance="emulated",
        power_w=power_w,
        temp_c=temp_c,
        clock_ratio=1.0,
        throttled=False,
        over_current_events={"oc1": 0, "oc2": 0, "oc3": 0},
    )


def _quantile(times: list[float], share: float) -> float:
    """Of sorted values."""
    return times[min(int(share * len(times)), len(times) - 1)]
