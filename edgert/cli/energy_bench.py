"""Where a verb measures energy: the board that it runs on, or an emulated one in virtual time.

On a real board engines run and a thread reads its sensors. On an emulated one nothing runs: each
inference is booked for the time that it took when its latency was measured, and the whole
procedure passes in virtual time.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgert.clock import Clock, MonotonicClock, VirtualClock
from edgert.emulator.board import EmulatedBoard
from edgert.emulator.power import EngineLoad
from edgert.emulator.spec import BoardSpec
from edgert.errors import EdgertError, SensorReadError
from edgert.opening.boards import find_board_spec
from edgert.profiling.energy.load import Run
from edgert.profiling.energy.meter import PowerMeter
from edgert.profiling.energy.sensing import Sensing, sensing_of
from edgert.profiling.energy.sensor_bound import SensorBound, ina3221_bound
from edgert.profiling.sustained import Step, ThrottleWatch
from edgert.telemetry import open_source
from edgert.telemetry.base import TelemetrySource

# How often each source is read. jetson-stats and NVML have new values ten times a second.
INTERVALS_S = {"sysfs": 0.02, "rapl": 0.02, "jtop": 0.1, "nvml": 0.1}
_INTERVAL_S = 0.02
_FIRST_POWER_S = 15.0  # jetson-stats starts in this time
_TRIES_S = 1.0  # a torn read passes, a missing permission doesn't
_LOOK_S = 0.1
_LEADS = 5.0  # time constants of a sensor's own mean, until it shows nothing of what was before
_BURST_S = 0.005  # inferences on an emulated board are booked together up to this long


@dataclass(frozen=True)
class Bench:
    """A meter over a board's sensors, and what runs engines there.

    run_of: one inference of an engine. step_of: as many as are booked at once, for long plays.
    lead_s: how long a load runs before a window of it, so that the sensor shows nothing else.
    """

    meter: PowerMeter
    throttle: ThrottleWatch
    sensing: Sensing
    run_of: Callable[[str], Run]
    step_of: Callable[[str], Step]
    lead_s: float = 1.0


# From latency and MACs by engine to a bench.
OpenBench = Callable[[Mapping[str, EngineLoad]], Bench]


@contextmanager
def real_bench(
    source_name: str,
    root: Path,
    run_of: Callable[[str], Run],
    *,
    clock: Clock | None = None,
    purpose: str = "measure energy",
    flag: str = "--source",
) -> Iterator[OpenBench]:
    """The board's own sensors; the meter starts as the bench is opened, and ends with the block.

    Args:
        source_name: A key of `telemetry.SOURCES`; "": found.
        root: Where /sys and /proc lie.
        run_of: For an engine's name, what runs it once and waits for its result.
        clock: The machine's.
        purpose: What power is wanted for, as errors tell it.
        flag: Of the verb, that names another source.

    Raises:
        SourceUnavailableError: No such source; says what was looked for.
        SensorReadError: It has no power to tell, and why.
    """
    clock = clock or MonotonicClock()
    source = open_source(source_name, root=root, clock=clock)
    try:
        refuse_without_power(source, clock, purpose=purpose, flag=flag)
        with ExitStack() as undo:
            yield lambda _loads: undo.enter_context(_running(source, clock, root, run_of))
    finally:
        source.close()


@contextmanager
def emulated_bench(board_name: str) -> Iterator[OpenBench]:
    """An emulated board in virtual time, which begins cold.

    Raises:
        UsageError: There is no such board.
    """
    spec = find_board_spec(board_name)
    yield lambda loads: _emulated(spec, loads)


def refuse_without_power(
    source: TelemetrySource,
    clock: Clock,
    *,
    purpose: str = "measure energy",
    flag: str = "--source",
) -> None:
    """Wait for a first sample with power.

    Raises:
        SensorReadError: There is none; the reason is the source's own.
    """
    begun_s = clock.now_s()
    while True:
        seen = False
        try:
            sample = source.read()
            if sample is not None and sample.power_w is not None:
                return
            seen = sample is not None
            gaps = sample.gaps if sample is not None else {}
            rails = (why for name, why in gaps.items() if name.startswith("rail "))
            # A rail's own reason says more than that the sum lacks it.
            reason = next(rails, "") or gaps.get("power") or "no power in its samples"
        except EdgertError as error:
            reason = error.got
        if clock.now_s() - begun_s > (_TRIES_S if seen else _FIRST_POWER_S):
            raise SensorReadError(
                f"{purpose} with {source.name}",
                expected="the board's power",
                got=reason,
                advice=f"See to it, or name another source with {flag}; edgert doctor says more",
            )
        clock.sleep(_LOOK_S)


@contextmanager
def _running(
    source: TelemetrySource, clock: Clock, root: Path, run_of: Callable[[str], Run]
) -> Iterator[Bench]:
    sensing = sensing_of(source, clock, root=root)
    throttle = ThrottleWatch(source)
    interval_s = INTERVALS_S.get(source.name, _INTERVAL_S)
    with PowerMeter(throttle, clock, interval_s=interval_s) as meter:
        yield Bench(
            meter=meter,
            throttle=throttle,
            sensing=sensing,
            run_of=run_of,
            step_of=lambda name: step_from_run(run_of(name)),
            lead_s=max(1.0, 2 * sensing.bound.update_s),
        )


def step_from_run(run: Run) -> Step:
    """One inference as a step of a long play."""

    def step() -> int:
        run()
        return 1

    return step


def _emulated(spec: BoardSpec, loads: Mapping[str, EngineLoad]) -> Bench:
    clock = VirtualClock()
    board = EmulatedBoard(spec, clock, loads=loads, history_s=10.0)
    throttle = ThrottleWatch(board)
    meter = PowerMeter(throttle, clock, interval_s=_INTERVAL_S, virtual=True)

    def play(name: str, count: int) -> int:
        load = loads[name]
        busy_s = count * load.latency_s * board.slowdown
        macs = None if load.macs is None else count * load.macs
        begin_s = board.book_run(name, clock.now_s(), busy_s, macs=macs)
        meter.clock.sleep(begin_s + busy_s - clock.now_s())
        return count

    def run_of(name: str) -> Run:
        return lambda: play(name, 1)

    def step_of(name: str) -> Step:
        count = math.ceil(_BURST_S / loads[name].latency_s)
        return lambda: play(name, count)

    return Bench(
        meter=meter,
        throttle=throttle,
        sensing=_emulated_sensing(spec),
        run_of=run_of,
        step_of=step_of,
        lead_s=max(1.0, _LEADS * spec.sensor.averaging_s),
    )


def _emulated_sensing(spec: BoardSpec) -> Sensing:
    """The board file's own sensor: a chip with its data sheet's bounds, or bare steps."""
    chip = spec.sensor.ina3221
    if chip is not None:
        bound = ina3221_bound([(chip.shunt_ohm, chip.supply_v)], update_s=chip.update_period_s)
    else:
        step_w = spec.sensor.power_step_w
        words = (
            f"steps of {step_w:g} W, by the board file" if step_w else "exact, by the board file"
        )
        bound = SensorBound(step_w=step_w, source=words)
    return Sensing(board=spec.name, rails=[spec.power.input_rail], bound=bound)
