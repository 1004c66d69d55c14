"""What is to be seen once on a real device, as functions: the tests there call them on TensorRT,
and a rehearsal on every machine calls them on fakes, so that they are known to work.

Each returns figures for the report; what must hold raises AssertionError.
"""

import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgert.artifacts import load_thermal, read_run
from edgert.backends.base import Backend
from edgert.cli.main import main
from edgert.pool import Pool, plan_built
from edgert.records import ThermalConstants


def percentiles_s(times_s) -> dict[str, float]:
    p50, p99 = np.percentile(times_s, [50, 99])
    return {"p50_s": float(p50), "p99_s": float(p99), "most_s": float(max(times_s))}


def expected_outputs(pool: Pool, frames) -> dict[tuple[str, int], np.ndarray]:
    """Each engine's output for each frame, one engine after the other."""
    found = {}
    for name in pool.names:
        pool.activate(name)
        for index, frame in enumerate(frames):
            found[name, index] = pool.run(frame).copy()
    return found


def frames_of(pool: Pool, count: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(7)
    return [random.standard_normal(pool.input.shape).astype(np.float32) for _ in range(count)]


def switch_between_frames(pool: Pool, *, switches: int) -> dict[str, Any]:
    """Another engine for every frame; each output is that engine's for that frame.

    The time of a switch is what `activate` takes, and what the first run after it takes longer
    than that engine's next run.
    """
    frames = frames_of(pool)
    expected = expected_outputs(pool, frames)
    outputs = [array.tobytes() for array in expected.values()]
    assert len(set(outputs)) == len(outputs), "outputs that are alike can't be told apart"
    random = np.random.default_rng(1)
    activate_s, first_s, again_s, wrong = [], [], [], 0
    for number in range(switches):
        others = [name for name in pool.names if name != pool.active]
        name, index = str(random.choice(others)), number % len(frames)
        start_s = time.perf_counter()
        became = pool.activate(name)
        switched_s = time.perf_counter()
        got = pool.run(frames[index])
        ran_s = time.perf_counter()
        wrong += became != name or not np.array_equal(got, expected[name, index])
        pool.run(frames[index])
        again_s.append(time.perf_counter() - ran_s)
        activate_s.append(switched_s - start_s)
        first_s.append(ran_s - switched_s)
    assert wrong == 0, f"{wrong} of {switches} outputs were not the asked engine's"
    dearer_s = np.asarray(first_s) - np.asarray(again_s)
    return {
        "switches": switches,
        "wrong": wrong,
        "activate": percentiles_s(activate_s),
        "first_run_after_a_switch_over_the_next": percentiles_s(dearer_s),
    }


def memory_against_plan(built, backend: Backend, free_bytes: Callable[[], int]) -> dict[str, Any]:
    """What the pool took of the device against what the plan told before anything was loaded."""
    plan = plan_built(built, backend)
    before = free_bytes()
    with Pool.open(built, backend, all_resident=True) as pool:
        taken = before - free_bytes()
        names = list(pool.names)
    returned = free_bytes()
    return {
        "engines": len(names),
        "planned_bytes": plan.total_bytes,
        "taken_bytes": taken,
        "not_given_back_bytes": before - returned,
    }


def graph_against_enqueue(
    pools: Mapping[str, Pool], *, rounds: int = 20, runs: int = 10
) -> dict[str, Any]:
    """Time of a run of each engine launched as a graph and enqueued anew, in turns.

    Args:
        pools: The same engines under "graph" and "enqueue".
    """
    frame = frames_of(pools["graph"], 1)[0]
    figures: dict[str, Any] = {}
    for name in pools["graph"].names:
        times_s: dict[str, list[float]] = {way: [] for way in pools}
        ratios = []
        for _ in range(rounds):
            medians = {}
            for way, pool in pools.items():
                pool.activate(name)
                pool.run(frame)
                taken = []
                for _ in range(runs):
                    start_s = time.perf_counter()
                    pool.run(frame)
                    taken.append(time.perf_counter() - start_s)
                times_s[way] += taken
                medians[way] = float(np.median(taken))
            ratios.append(medians["graph"] / medians["enqueue"])
        figures[name] = {
            **{way: percentiles_s(taken) for way, taken in times_s.items()},
            "ratio_median": float(np.median(ratios)),
            "ratio_spread": [min(ratios), max(ratios)],
        }
    return figures


# Wide: from a bare module to a developer kit with a fan.
THERMAL_BOUNDS = {
    "die_to_sink_k_per_w": (0.01, 5.0),
    "die_j_per_k": (0.2, 300.0),
    "sink_to_ambient_k_per_w": (0.1, 15.0),
    "sink_j_per_k": (4.0, 6000.0),
    "ambient_c": (-10.0, 60.0),
    "idle_w": (0.5, 60.0),
    "residual_c": (0.0, 1.5),
}


def calibrated(family: Path, file: Path, *words: str, provenance: str) -> dict[str, Any]:
    """`edgert calibrate` as it is typed, and what it wrote."""
    status = main(["calibrate", str(family), "-o", str(file), *words])
    assert status == 0, f"edgert calibrate ended with status {status}; stderr says why"
    constants = load_thermal(file)
    refuse_implausible(constants, provenance=provenance)
    return {name: getattr(constants, name) for name in constants.__struct_fields__}


def refuse_implausible(constants: ThermalConstants, *, provenance: str) -> None:
    """Constants that no board has; one that settles within seconds, or never."""
    for name, (low, high) in THERMAL_BOUNDS.items():
        value = getattr(constants, name)
        assert value is not None and low <= value <= high, f"{name} is {value}: {low} to {high}"  # noqa: PT018
    die_s = constants.die_j_per_k * constants.die_to_sink_k_per_w
    sink_s = constants.sink_j_per_k * constants.sink_to_ambient_k_per_w
    assert die_s < sink_s / 3, f"a die of {die_s:.1f} s before a sink of {sink_s:.1f} s"
    assert constants.samples > 100
    assert constants.provenance == provenance


LEAST_RISE_C = 4.0  # by less a board hardly shows whether a limit is kept
LIMIT_SHARE = 0.6  # of that rise, where the limit is put
SENSOR_C, MOST_OVER_S = 0.5, 1.0


def temperature_held(
    run: Callable[[str, float | None, Path], None],
    folder: Path,
    *,
    rest: Callable[[float], None],
) -> dict[str, Any]:
    """The dearest engine heats the board; then `predictive` must keep a limit in between.

    Args:
        run: Runs a controller under a temperature limit, or none, and writes the log; engines
            have one frame after the other.
        folder: For the logs.
        rest: Waits until the board has cooled down to a temperature.
    """
    logs = {name: folder / f"{name}.jsonl" for name in ("fixed-dearest", "predictive")}
    run("fixed-dearest", None, logs["fixed-dearest"])
    dearest = _temperatures(logs["fixed-dearest"])
    start_c, hottest_c = dearest[0][1], max(temp_c for _, temp_c in dearest)
    rise_c = hottest_c - start_c
    assert rise_c >= LEAST_RISE_C, f"the dearest engine warms the board by {rise_c:.1f} K only"
    limit_c = round(start_c + LIMIT_SHARE * rise_c, 1)
    rest(start_c + 0.1 * rise_c)
    run("predictive", limit_c, logs["predictive"])
    held = _temperatures(logs["predictive"])
    over_s = sum(
        end_s - begin_s
        for (begin_s, _), (end_s, temp_c) in pairwise(held)
        if temp_c > limit_c + SENSOR_C
    )
    assert over_s <= MOST_OVER_S, f"{over_s:.1f} s over {limit_c} °C"
    _, frames = read_run(logs["predictive"])
    return {
        "start_c": start_c,
        "dearest_hottest_c": hottest_c,
        "limit_c": limit_c,
        "hottest_c": max(temp_c for _, temp_c in held),
        "over_s": over_s,
        "late": sum(frame.met_deadline is False for frame in frames),
        "skipped": sum(frame.skip for frame in frames),
        "switches": sum(frame.switched for frame in frames),
        "frames": len(frames),
    }


def _temperatures(log: Path) -> list[tuple[float, float]]:
    """Time and temperature of each frame that has any."""
    _, frames = read_run(log)
    found = [(frame.time_s, frame.temp_c) for frame in frames if frame.temp_c is not None]
    assert len(found) > len(frames) / 2, "most frames have no temperature"
    return found


class WithoutGraphs:
    """A device whose captures come to nothing, so that every run is enqueued anew."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cuda, name)

    def stream(self) -> Any:
        return _StreamWithoutGraphs(self._cuda.stream())


class _StreamWithoutGraphs:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def begin_capture(self) -> None:
        """Nothing is captured: what is queued runs."""

    def end_capture(self) -> None:
        self._stream.synchronize()
