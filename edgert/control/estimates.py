"""What is known of the board now, and what follows from it: costs of each configuration, and caps.

Puts the estimators together: readings and outcomes in, expectations out. Decides nothing.
"""

import math
from collections.abc import Iterable

from edgert.control.caps import (
    NO_CAP,
    Cap,
    budget_cap,
    energy_cap,
    heat_cap,
    over_current_cap,
    tightest,
)
from edgert.control.energy_plan import EnergyPlan
from edgert.control.options import Option, Options
from edgert.control.over_current import OverCurrent
from edgert.control.policy import Expected
from edgert.control.power_model import PowerModel
from edgert.control.readings import Readings, SteadyTime
from edgert.control.slowdown import Slowdown
from edgert.control.thermal_model import ThermalModel
from edgert.control.tuning import Tuning
from edgert.records import FrameOutcome, Limits, TelemetrySample, ThermalConstants

SMOOTHING = 0.2  # weight of the newest frame for preprocessing and the time between frames
LONGEST_PERIOD_S = 1.0  # a longer time between two frames was a pause
DRAWN_OVER_S = 2.0  # what is drawn now is a mean over so long
MOST_RATIO = 100.0  # of an engine's time to its profiled time; more is no engine at work


class Estimates:
    """Slowdown, power, heat, energy and telemetry of one board under one controller.

    Args:
        options: The configurations.
        thermal: How the board heats, where that is known.
        tuning: The constants.
    """

    def __init__(self, options: Options, thermal: ThermalConstants | None, tuning: Tuning) -> None:
        self.slowdown = Slowdown(tuning, noise=options.noise)
        self.power = PowerModel(
            idle_w=options.idle_w, power_known=options.power_known, tuning=tuning
        )
        self.heat = ThermalModel(thermal, horizons_s=(tuning.hold_s, tuning.enter_s))
        self.energy = EnergyPlan(tuning)
        self.over_current = OverCurrent(tuning)
        self.time, self.readings = SteadyTime(), Readings(tuning)
        self.now_s = -math.inf
        self._options, self._tuning = options, tuning
        self._last_ran: dict[str, float] = {}  # when each configuration last ran
        self._period_s = 0.0  # learned; 0: not yet
        self._preprocess_s = 0.0
        # Since the last decision: energy above idle by the profile, and time over the profile's.
        self._ran_j, self._ran_ratio = 0.0, 1.0
        self._metered: tuple[float, float] | None = None  # last power reading: time, watts
        self._due: tuple[float, float] | None = None  # a temperature to learn from: time, °C
        self._events_w = 0.0  # what was drawn when over-current events began

    # ------------------------------------------------------------ what comes in

    def advance(self, now_s: float, current: Option | None, limits: Limits) -> None:
        """Book the time since the last call on what ran meanwhile."""
        self._learn_heat(current, limits)
        self.now_s, before_s = self.time.at(now_s), self.now_s
        past_s = self.now_s - before_s
        if 0 < past_s < LONGEST_PERIOD_S:
            weight = SMOOTHING if self._period_s else 1.0
            self._period_s += weight * (past_s - self._period_s)
        before_j = self.power.energy_j
        name = "" if current is None else current.name
        self.power.advance(self.now_s, name, self._ran_j, self._ran_ratio)
        self._ran_j = 0.0
        if limits.energy_j is not None and 0 < past_s < math.inf:
            spent_j = self.power.energy_j - before_j
            self.energy.advance(past_s, spent_j, limits.energy_j, limits.mission_s)
        self.over_current.advance(self.now_s)

    def take_in(
        self, telemetry: TelemetrySample | None, current: Option | None, limits: Limits
    ) -> None:
        """Learn from a sample, where it is new and can be believed."""
        reading = self.readings.take(self.now_s, telemetry, self.time)
        if reading is None:
            return
        sample = reading.sample
        if reading.power_w is not None:
            self._meter(reading.time_s, reading.power_w, limits)
            if not sample.throttled:  # a lowered clock draws less than the profile's
                self.power.observe(reading.time_s, reading.power_w)
        quiet = not self.over_current.words
        self.over_current.observe(self.now_s, sample.over_current_events)
        if quiet and self.over_current.words:
            self._events_w = self._drawn_w(self.now_s - 1.0, current, limits)
        due_s = self.heat.time_s + self._tuning.heat_step_s
        if reading.temp_c is not None and reading.time_s >= due_s:
            if self.heat.ready:
                self._due = (reading.time_s, reading.temp_c)  # it can wait until the frame is done
            else:
                # What is seen of heat comes from before the first frame: only a sensor knows it.
                drawn_w = reading.power_w or self.power.idle_w
                self.heat.observe(reading.time_s, reading.temp_c, drawn_w)

    def observe(self, outcome: FrameOutcome, limits: Limits, *, first: bool) -> None:
        """Learn from a frame; an outcome that is no number teaches nothing.

        Args:
            outcome: Of the last decision.
            limits: That held for it.
            first: It was the first frame after a switch.
        """
        option = self._options.all_rows.get(outcome.configuration)
        self._learn_heat(option, limits)
        engine_s = outcome.latency_s - outcome.preprocess_s
        if option is None or not (math.isfinite(engine_s) and engine_s > 0):
            return
        self._preprocess_s += SMOOTHING * (outcome.preprocess_s - self._preprocess_s)
        ratio = min(engine_s / option.latency_s, MOST_RATIO)
        self._ran_j, self._ran_ratio = option.energy_j, ratio
        if first:
            self.slowdown.observe_first(ratio, cold=self._is_cold(option))
        else:
            self.slowdown.observe(ratio)
        if limits.deadline_s is not None:
            miss_ratio = limits.miss_ratio * self._tuning.miss_share
            self.slowdown.observe_deadline(met=outcome.met_deadline, miss_ratio=miss_ratio)
        self._last_ran[option.name] = self.now_s
        power_w = self.readings.take_frame_power(self.now_s, outcome.power_w)
        if power_w is not None:
            self._meter(self.now_s, power_w, limits)
            self.power.observe(self.now_s, power_w)

    def take_options(self, options: Options) -> None:
        """Go on with other figures of the same engines; see Controller.take_profile."""
        before, self._options = self._options.all_rows, options
        self.power.know(idle_w=options.idle_w, power_known=options.power_known)
        shared = {name: (old, options.all_rows[name]) for name, old in before.items()
                  if name in options.all_rows}  # fmt: skip
        ran = max(self._last_ran.keys() & shared, key=self._last_ran.__getitem__, default="")
        if not ran:  # nothing was seen that the new figures could be held against
            self.slowdown.rescale(1.0, noise=options.noise)
            return
        old, new = shared[ran]
        slower = old.latency_s / new.latency_s
        self.slowdown.rescale(slower, noise=options.noise)
        energies = {name: old.energy_j / new.energy_j for name, (old, new) in shared.items()
                    if old.energy_j > 0 and new.energy_j > 0}  # fmt: skip
        if ran in energies and math.isfinite(self.readings.power_s):
            self.power.rescale(energies, ran, slower)
            self._ran_j /= energies[ran]
            self._ran_ratio *= slower

    # ------------------------------------------------------------ what follows

    def expected(
        self, options: Iterable[Option], limits: Limits, current: Option | None
    ) -> list[Expected]:
        """What configurations would cost now; all but the current pay for their first frame."""
        ratio, margin = self.slowdown.ratio, 1 + self.slowdown.margin_ratio
        warm = self.slowdown.first_ratio(cold=False)
        cold = self.slowdown.first_ratio(cold=True)
        frame_s, power_w = self._frame_s(limits), self.power.power_w
        rows = []
        for option in options:
            seconds = option.latency_s * ratio * margin
            if option is not current:
                seconds *= cold if self._is_cold(option) else warm
            watts = power_w(option, ratio, frame_s)
            rows.append(Expected(option, seconds + self._preprocess_s, watts))
        return rows

    def cap(self, limits: Limits, current: Option | None) -> Cap:
        """How much power may be drawn, by budget, events, energy and heat."""
        tuning = self._tuning
        caps = [budget_cap(limits, self.over_current, tuning)]
        if limits.power_w is None:
            caps.append(over_current_cap(self._events_w, self.over_current))
        if limits.energy_j is not None:
            caps.append(energy_cap(limits, self.energy, tuning))
        if limits.temp_c is not None and self.heat.ready:
            drawn_w = self._drawn_w(self.heat.time_s, current, limits)
            # Before the past is forgotten; but readings that are late, not old, still find a past
            # to be taken into.
            if self.now_s - self.heat.time_s > 2 * tuning.stale_s:
                self.heat.advance(self.now_s - tuning.stale_s, drawn_w)
            caps.append(
                heat_cap(
                    limits,
                    self.heat,
                    tuning,
                    now_s=self.now_s,
                    drawn_w=drawn_w,
                    read_s=self.readings.temp_s,
                )
            )
        known = [cap for cap in caps if cap is not None]
        return tightest(known) if known else NO_CAP

    def blind(self, limits: Limits) -> str:
        """Why only the cheapest is safe, where a limit cannot be watched at all; else empty."""
        if limits.temp_c is not None and not self.heat.ready:
            return "no temperature was read yet"
        if limits.power_w is None or self._options.power_known:
            return ""
        if self.now_s - self.readings.power_s > self._tuning.blind_s:
            return "no power was read, and the profile has none"
        return ""

    def forecast_c(self, horizon_s: float, limits: Limits, current: Option | None) -> float | None:
        """The die's temperature in some time, if the power stays as it is; None: no reading."""
        if not self.heat.ready:
            return None
        drawn_w = self._drawn_w(self.now_s - DRAWN_OVER_S, current, limits)
        die_c, sink_c = self.heat.now(self.now_s, drawn_w)
        return self.heat.forecast_c(horizon_s, die_c, sink_c, drawn_w)

    def complaint(self, limits: Limits) -> str:
        """What is wrong with clock and telemetry, in words, where limits need them; else empty."""
        words = self.readings.words or self._missing(limits) if _watched(limits) else ""
        if limits.energy_j is not None and limits.mission_s is None:
            unpaced = "the energy is not paced: mission_s says how long it must last"
            words = f"{unpaced}; {words}".rstrip("; ")
        if self.time.stepped_back_s:
            words = f"the clock went back {self.time.stepped_back_s:.1f} s; {words}".rstrip("; ")
        return words

    # ------------------------------------------------------------ pieces

    def _missing(self, limits: Limits) -> str:
        """What fresh telemetry lacks of what limits need."""
        readings, old_s = self.readings, self._tuning.stale_s
        if limits.temp_c is not None and self.heat.ready and self.now_s - readings.temp_s > old_s:
            return f"no temperature for {self.now_s - readings.temp_s:.1f} s"
        if (limits.power_w or limits.energy_j) is None or self.now_s - readings.power_s <= old_s:
            return ""
        if math.isinf(readings.power_s):
            return "no power was read yet"
        return f"no power for {self.now_s - readings.power_s:.1f} s"

    def _learn_heat(self, current: Option | None, limits: Limits) -> None:
        """Take in the temperature that is due: after a frame, where nobody waits for it."""
        if self._due is None:
            return
        time_s, temp_c = self._due
        self._due = None
        drawn_w = self.power.mean_w(self.heat.time_s, time_s)
        if drawn_w is None:
            drawn_w = self._drawn_w(self.heat.time_s, current, limits)
        self.heat.observe(time_s, temp_c, drawn_w)

    def _meter(self, time_s: float, power_w: float, limits: Limits) -> None:
        """Hold the energy spent against the readings, so that the model's errors do not add up."""
        if self._metered is not None and limits.energy_j is not None:
            last_s, last_w = self._metered
            # Over a longer gap two readings say less than the model does.
            near = time_s - last_s <= LONGEST_PERIOD_S + self._tuning.sensor_lag_s
            modelled_w = self.power.mean_w(last_s, time_s) if near else None
            if modelled_w is not None:
                self.energy.correct(((power_w + last_w) / 2 - modelled_w) * (time_s - last_s))
        self._metered = (time_s, power_w)

    def _drawn_w(self, since_s: float, current: Option | None, limits: Limits) -> float:
        """Mean power from a time to now; what runs, where that lies too far back."""
        mean_w = self.power.mean_w(since_s, self.now_s)
        if mean_w is not None:
            return mean_w
        if current is None:
            return self.power.idle_w
        return self.power.power_w(current, self.slowdown.ratio, self._frame_s(limits))

    def _frame_s(self, limits: Limits) -> float:
        """Time from frame to frame."""
        return limits.period_s or self._period_s or 1e-9

    def _is_cold(self, option: Option) -> bool:
        ran_s = self._last_ran.get(option.name, -math.inf)
        return self.now_s - ran_s > self._tuning.cold_s


def _watched(limits: Limits) -> bool:
    return any(each is not None for each in (limits.power_w, limits.temp_c, limits.energy_j))
