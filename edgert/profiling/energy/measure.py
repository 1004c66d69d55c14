"""Measuring energy: idle, warm-up, windows that take turns, idle again.

Pure parts are next door; here is only the order of things, and what is done when something
happens. Clock, telemetry and engines are handed in, so the whole runs in virtual time too.
"""

import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from edgert.errors import TelemetryError
from edgert.profiling.energy.compare import order
from edgert.profiling.energy.conditions import Conditions, why_reject
from edgert.profiling.energy.figure import energy_figures
from edgert.profiling.energy.integrate import cut, why_unfit
from edgert.profiling.energy.journal import Window, WindowJournal
from edgert.profiling.energy.load import Load, Run, run_load, why_reject_load
from edgert.profiling.energy.meter import PowerMeter
from edgert.profiling.energy.plan import Plan
from edgert.profiling.energy.sensing import Sensing
from edgert.profiling.energy.steady import slope_c_per_s, why_unsteady
from edgert.records import EnergyFigure
from edgert.telemetry.series import PowerSamples

logger = logging.getLogger(__name__)

# Seconds done, seconds to go, what is under way.
Progress = Callable[[float, float, str], None]


def measure_energy(
    runs: Mapping[str, Run],
    meter: PowerMeter,
    sensing: Sensing,
    plan: Plan | None = None,
    *,
    journal: Path | None = None,
    identity: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> dict[str, EnergyFigure]:
    """Measure the energy of one inference of one engine, or of several against the first.

    Args:
        runs: What runs each engine once and returns when its result is there. The first is the
            baseline that the others are compared with; windows take turns A B B A.
        meter: Running, with `meter.clock` the clock that engines and pauses pass time on.
        sensing: Board and sensors.
        plan: How long, how often; the default is five windows of 10 s.
        journal: A file that every window is written to as it ends. A measurement that was killed
            and is started again with the same one goes on from there.
        identity: What else the windows depend on (hashes of engines), for the journal.
        progress: Called before each step.

    Returns:
        A figure for each engine.

    Raises:
        TelemetryError: One window was rejected `plan.attempts` times; the last reason.
        ArtifactError: The journal is damaged, in use, or another measurement's.
    """
    plan = plan or Plan()
    known = {
        "engines": ", ".join(runs),
        "board": sensing.board,
        "plan": plan.identity(),
        **(identity or {}),
    }
    with WindowJournal(journal, known) as kept:
        _Measurement(runs, meter, sensing, plan, journal=kept, progress=progress).measure()
        return energy_figures(list(runs), kept.windows, sensing, plan)


class _Measurement:
    """One session: from its idle before to its idle after."""

    def __init__(
        self,
        runs: Mapping[str, Run],
        meter: PowerMeter,
        sensing: Sensing,
        plan: Plan,
        *,
        journal: WindowJournal,
        progress: Progress | None,
    ) -> None:
        self._runs = runs
        self._meter = meter
        self._clock = meter.clock
        self._plan = plan
        self._journal = journal
        # What the sensor averages over must lie behind it when a window begins.
        self._lead_s = max(plan.lead_s, 2 * sensing.bound.update_s)
        self._session = journal.sessions
        self._say = progress or (lambda *_: None)
        self._begun_s = self._clock.now_s()
        self._random = random.Random(plan.seed)
        self._notes: list[str] = []
        done = {
            (w.round, w.engine) for w in journal.windows if w.kind == "load" and not w.rejected
        }
        self._turns = [turn for turn in order(list(runs), plan.windows) if turn not in done]
        self._complete = not self._turns and self._idle_is_last()

    def measure(self) -> None:
        """All that the journal lacks."""
        if self._complete:
            return
        self._idle("idle before")
        if self._turns:
            self._warm_up()
            while self._turns:
                self._window(*self._turns[0])
                self._turns.pop(0)
            self._idle("idle after")

    def _idle_is_last(self) -> bool:
        counted = [window for window in self._journal.windows if not window.rejected]
        return bool(counted) and counted[-1].kind == "idle"

    # ------------------------------------------------------------ steps

    def _idle(self, what: str) -> None:
        """A stretch in which no engine runs, once the sensor has forgotten the load."""

        def rest() -> Load:
            from_s = self._clock.now_s()
            self._clock.sleep(self._plan.idle_s)
            return Load(from_s, self._clock.now_s(), 0, 0, 0.0)

        for attempt in range(self._plan.attempts):
            self._tell(what)
            self._clock.sleep(self._lead_s)
            window = self._stretch("idle", "", len(self._journal.windows), rest)
            if not window.rejected:
                return
            self._rejected(window, attempt)

    def _warm_up(self) -> None:
        """Engines in turn until temperature and power of whole rotations are steady."""
        plan, clock = self._plan, self._clock
        begun_s = clock.now_s()
        # Two rotations are looked at, so that each half of them holds every engine alike.
        turn_s = plan.steady.over_s / 2 / len(self._runs)
        while True:
            for run in self._runs.values():
                self._tell("warming up")
                run_load(run, clock, turn_s, plan.paced_hz)
            samples = self._meter.samples
            reason = why_unsteady(*samples, clock.now_s(), plan.steady)
            took_s = clock.now_s() - begun_s
            if not reason and took_s >= plan.warm_up_s:
                return
            if took_s >= plan.warm_up_most_s:
                if reason:
                    note = f"not steady after {took_s:.0f} s of warm-up: {reason}"
                    self._notes.append(note)
                    logger.warning("energy: %s", note)
                return

    def _window(self, number: int, engine: str) -> None:
        """One window that counts, or the reason why there is none."""
        plan, run = self._plan, self._runs[engine]
        for attempt in range(plan.attempts):
            self._tell(f"{engine}, window {number + 1} of {plan.windows}")
            # Of random length, so that windows keep time with nothing.
            run_load(run, self._clock, self._lead_s * self._random.uniform(1, 2), plan.paced_hz)

            def load() -> Load:
                return run_load(run, self._clock, plan.window_s, plan.paced_hz)

            def tail() -> None:
                run_load(run, self._clock, 2 * self._meter.interval_s, plan.paced_hz)

            window = self._stretch("load", engine, number, load, tail)
            if not window.rejected:
                return
            self._rejected(window, attempt)

    def _stretch(
        self,
        kind: str,
        engine: str,
        number: int,
        pass_time: Callable[[], Load],
        tail: Callable[[], None] | None = None,
    ) -> Window:
        """Let a stretch pass, see what it was like, and keep it."""
        watch = self._meter.watch
        watch.begin()
        load = pass_time()
        conditions = watch.end()
        if tail is not None:
            tail()  # the sample after the window's end is of the same load
        samples = self._meter.samples
        time_s, power_w = cut(samples.time_s, samples.power_w, load.from_s, load.to_s)
        reason = why_reject_load(load) or why_unfit(
            time_s,
            power_w,
            load.from_s,
            load.to_s,
            most_gap_s=self._plan.most_gap_s(self._meter.interval_s),
        )
        if reason and conditions.gaps:
            reason += f" ({'; '.join(conditions.gaps)})"
        window = Window(
            kind="idle" if kind == "idle" else "load",
            engine=engine,
            session=self._session,
            round=number,
            from_s=load.from_s,
            to_s=load.to_s,
            inferences=load.inferences,
            late=load.late,
            # JSON has no NaN, and a window that has one is rejected.
            time_s=time_s[np.isfinite(power_w)].tolist(),
            power_w=power_w[np.isfinite(power_w)].tolist(),
            conditions=conditions,
            notes=self._notes,
            rejected=reason or self._why_other(conditions, kind, samples, load.to_s),
        )
        self._journal.append(window)
        return window

    def _why_other(self, seen: Conditions, kind: str, samples: PowerSamples, to_s: float) -> str:
        """What of the conditions is against a window; clocks are compared among loads only."""
        steady = self._plan.steady
        if kind == "load" and len(self._runs) == 1 and not self._notes:
            late = samples.time_s > to_s - steady.over_s
            slope = slope_c_per_s(samples.time_s[late], samples.temp_c[late])
            if abs(slope) > steady.slope_c_per_s:
                return f"temperature moves by {slope:+.3f} °C/s"
        counted = [w for w in self._journal.windows if not w.rejected]
        alike = next((w.conditions.clocks_hz for w in counted if w.kind == kind), {})
        before = None
        if counted:
            before = msgspec.structs.replace(counted[0].conditions, clocks_hz=alike)
        governed = self._plan.governed or kind == "idle"
        return why_reject(seen, before, governed=governed)

    # ------------------------------------------------------------ words

    def _rejected(self, window: Window, attempt: int) -> None:
        what = f"{window.engine} window {window.round + 1}" if window.engine else "idle"
        logger.warning("energy: %s is rejected: %s", what, window.rejected)
        if attempt + 1 == self._plan.attempts:
            raise TelemetryError(
                f"measure energy, {what}",
                expected="a window that counts",
                got=f"{self._plan.attempts} in a row that do not, the last: {window.rejected}",
                advice="See to the cause and start again; with a journal it goes on from here",
            )

    def _tell(self, what: str) -> None:
        plan = self._plan
        to_go_s = len(self._turns) * (plan.window_s + 1.5 * self._lead_s)
        to_go_s += plan.idle_s + self._lead_s
        if what in {"idle before", "warming up"}:
            to_go_s += plan.warm_up_s
        if what == "idle before":
            to_go_s += plan.idle_s + self._lead_s
        self._say(self._clock.now_s() - self._begun_s, to_go_s, what)
