"""Zeus and edgert side by side: one emulated board as a tree of files, in real time.

Zeus runs unchanged in a mount namespace in which the tree is its machine. edgert's sysfs reader
and sampler read the same files in a process of their own. Both are held against the board's true
energy in Zeus' own windows. Everything but the physics is real: processes, files, timers.
"""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import numpy as np

from edgert.boards import board_file
from edgert.clock import MonotonicClock
from edgert.emulator import namespace
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.emulator.layout import load_layout
from edgert.emulator.tree import BoardTree
from edgert.emulator.tree_files import memory_folder
from edgert.errors import SourceUnavailableError
from edgert.profiling.energy.estimate import Stretch, mean_of
from edgert.profiling.energy.integrate import cut, why_unfit
from edgert.profiling.energy.scatter import LEVEL
from edgert.profiling.energy.sensor_bound import SensorBound, ina3221_bound, rounding_w
from edgert.profiling.energy.student import half_width

# busy and period in seconds: 10 W on top of 5 W, half of the time, and a camera's frames.
LOADS = {"square wave, 0.7 s": (0.35, 0.7), "30 fps, 40 % busy": (0.4 / 30, 1 / 30)}
REFRESH_HZ = 150.0  # an INA3221 has a new value 152 times a second
INTERVAL_S = 0.02
_STARTS_S = 3.0  # until the child processes are up
# edgert's own child: reads the tree, and prints its samples at the end.
_SAMPLE = """
import json, sys, time
from pathlib import Path
from edgert.telemetry import open_source
from edgert.telemetry.sampler import Sampler

root, seconds, interval_s, seed = sys.argv[1:]
source = open_source("sysfs", root=Path(root))
sampler = Sampler(source, float(interval_s), seed=int(seed)).start()
time.sleep(float(seconds))
sampler.stop()
samples = sampler.samples
print(json.dumps({"time_s": samples.time_s.tolist(), "power_w": samples.power_w.tolist()}))
"""


def compare_with_zeus(python: Path, *, minutes: float) -> dict[str, Any]:
    """Run both on every load.

    Raises:
        SourceUnavailableError: No namespace can be made here, or that Python has no Zeus.
    """
    _check(python)
    seconds = minutes * 60 / len(LOADS)
    results = [_compare(python, load, seconds, seed) for seed, load in enumerate(LOADS)]
    return {
        "version": results[0]["zeus"],
        "refresh_hz": REFRESH_HZ,
        "interval_s": INTERVAL_S,
        "zeus_fields": results[0]["fields"],
        "rows": [row for result in results for row in result["rows"]],
    }


def text_from_zeus(result: dict[str, Any]) -> str:
    """The result as a table."""
    lines = [
        f"Zeus {result['version']} and edgert on the same emulated Orin Nano, in real time; files "
        f"new {result['refresh_hz']:.0f} times a second; edgert every "
        f"{result['interval_s'] * 1e3:.0f} ms, dithered",
        f"Zeus' fields for VDD_IN, VDD_CPU_GPU_CV, VDD_SOC: {', '.join(result['zeus_fields'])}",
        "error of a window's energy: mean (lowest to highest); holds: intervals with the truth",
        "",
        f"{'load':<19}{'window':>7}{'n':>5}   {'Zeus':<27}{'edgert':<26}"
        f"{'±, median':>10}{'holds':>10}",
    ]
    for row in result["rows"]:
        interval = f"{'none':>10}"
        if row["intervals"]:
            held = f"{row['held']}/{row['intervals']}"
            interval = f"{row['half_width_median_ratio']:>10.2%}{held:>10}"
        lines.append(
            f"{row['load']:<19}{row['length_s']:>5g} s{row['windows']:>5}   "
            f"{_errors(row['zeus']):<27}{_errors(row['edgert']):<26}{interval}"
        )
    return "\n".join(lines)


def _errors(errors: Sequence[float]) -> str:
    return f"{fmean(errors):+.2%} ({min(errors):+.1%} to {max(errors):+.1%})"


def _check(python: Path) -> None:
    if reason := namespace.why_not():
        raise SourceUnavailableError(
            "run Zeus on an emulated board",
            expected="a mount namespace",
            got=reason,
            advice="Run it as root, or on a machine that allows user namespaces",
        )
    probe = [str(python), "-c", "import zeus.device.soc.jetson"]
    there = shutil.which(str(python)) is not None
    if not there or subprocess.run(probe, check=False, capture_output=True).returncode:
        raise SourceUnavailableError(
            f"run Zeus with {python}",
            expected="a Python that has it",
            got="one without" if there else "none",
            advice="Make one: python -m venv zeus; zeus/bin/pip install zeus==0.16.0",
        )


def _compare(python: Path, load: str, seconds: float, seed: int) -> dict[str, Any]:
    clock = MonotonicClock()
    folder = memory_folder()
    busy_s, period_s = LOADS[load]
    board = EmulatedBoard(_spec(), clock, history_s=seconds + 60)
    try:
        with BoardTree(
            folder, load_layout("orin-nano"), board, phase_s=0.0021 * (seed + 1)
        ) as tree:
            _name_the_processor(folder)
            begun_s = clock.now_s()
            for number in range(math.ceil((seconds + 40) / period_s)):
                tree.book_run("full", busy_s, start_s=begun_s + number * period_s)
            with tree.run(REFRESH_HZ), ThreadPoolExecutor(2) as pool:
                zeus = pool.submit(_zeus_windows, python, folder, seconds, seed)
                ours = pool.submit(_our_samples, folder, seconds, seed)
                windows, samples = _both(zeus, ours)
            rows = _rows(load, windows, samples, board)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    fields = [
        f"{name}={'yes' if value is not None else 'no'}"
        for name, value in windows[1]["energy"].items()
    ]
    return {"zeus": windows[0]["zeus"], "fields": fields, "rows": rows}


def _both(
    zeus: "Future[list[dict[str, Any]]]", ours: "Future[dict[str, list[float]]]"
) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    return zeus.result(), ours.result()


def _spec() -> Any:
    """5 W idle and 10 W on top, without leakage: power moves between two levels only."""
    path = board_file("emulated-orin-nano-slow")
    if path is None:
        raise SourceUnavailableError(
            "find emulated-orin-nano-slow", expected="its file", got="none", advice="Use a clone"
        )
    spec = read_board_spec(path)
    power = msgspec.structs.replace(
        spec.power, idle_w=5.0, compute_w=8.0, memory_w=2.0, leakage_per_k=0.0
    )
    return msgspec.structs.replace(spec, power=power)


def _name_the_processor(folder: Path) -> None:
    """`uname -p` as on a Jetson: Zeus asks for it through Python's platform module."""
    stub = folder / "usr/sbin/uname"
    stub.write_text("#!/bin/sh\necho aarch64\n", encoding="ascii")
    stub.chmod(0o755)


def _zeus_windows(python: Path, folder: Path, seconds: float, seed: int) -> list[dict[str, Any]]:
    child = Path(__file__).with_name("energy_zeus_child.py").resolve()
    command = [str(python.absolute()), str(child), str(seconds), str(seed)]
    inside = namespace.command_inside(folder, command)
    done = subprocess.run(
        inside, capture_output=True, text=True, check=False, timeout=seconds + 120
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or len(lines) < 2:
        raise SourceUnavailableError(
            "run Zeus on the emulated board",
            expected="windows",
            got=(done.stderr.strip().splitlines() or ["nothing"])[-1],
            advice="See whether that Zeus knows JetPack's hwmon files; 0.16.0 does",
        )
    return lines


def _our_samples(folder: Path, seconds: float, seed: int) -> dict[str, list[float]]:
    """Samples of edgert's reader, in a process of its own as Zeus' are."""
    more_s = seconds + _STARTS_S + 25  # Zeus takes some seconds to start, and ends its last round
    arguments = [str(folder), str(more_s), str(INTERVAL_S), str(seed)]
    done = subprocess.run(
        [sys.executable, "-c", _SAMPLE, *arguments], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


# ---------------------------------------------------------------- against the truth


def _rows(
    load: str,
    windows: list[dict[str, Any]],
    samples: dict[str, list[float]],
    board: EmulatedBoard,
) -> list[dict[str, Any]]:
    time_s, power_w = np.array(samples["time_s"]), np.array(samples["power_w"])
    chip = ina3221_bound([(0.005, 5.0)])
    bound = msgspec.structs.replace(chip, ratios=[], offsets_w=[])  # the emulated chip is exact
    rows = []
    for length_s in sorted({window["length_s"] for window in windows[1:]}):
        row: dict[str, Any] = {"load": load, "length_s": length_s, "zeus": [], "edgert": []}
        halves, held = [], 0
        for window in windows[1:]:
            if window["length_s"] != length_s or window["to_s"] > time_s[-1]:
                continue
            from_s, to_s = window["from_s"], window["to_s"]
            true_j = board.energy_between(from_s, to_s)
            row["zeus"].append(window["energy"]["total_energy_mj"] / 1e3 / true_j - 1)
            ours_j, half_j = _our_energy(
                Stretch(*cut(time_s, power_w, from_s, to_s), from_s, to_s), bound
            )
            row["edgert"].append(ours_j / true_j - 1)
            if half_j is not None:
                halves.append(half_j / true_j)
                held += abs(ours_j - true_j) <= half_j
        row |= {
            "windows": len(row["zeus"]),
            "intervals": len(halves),
            "held": held,
            "half_width_median_ratio": float(np.median(halves)) if halves else None,
        }
        rows.append(row)
    return rows


def _our_energy(stretch: Stretch, bound: SensorBound) -> tuple[float, float | None]:
    """Energy of one window, and half its interval where there are samples enough for one."""
    mean = mean_of(stretch, bound)
    if why_unfit(stretch.time_s, stretch.power_w, stretch.from_s, stretch.to_s):
        return mean.energy_j, None
    widths_w = rounding_w(mean.levels, {}, bound.step_w)
    half_j = half_width(
        LEVEL,
        t_scale=mean.scatter.standard_error,
        df=mean.scatter.df,
        uniform=[width * mean.duration_s for width in widths_w],
    )
    return mean.energy_j, half_j
