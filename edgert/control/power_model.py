"""What the board draws on each configuration: the profile's figures, corrected by the readings.

    P_i = P_idle + b b_i e_i mu^gamma / tau,  e_i = (p_i - P_idle) t_i

with p_i and t_i the profile's power and time, mu the slowdown, tau the time from frame to frame,
b what all configurations have in common (temperature, contention, a profile from another board)
and b_i what is one configuration's own. gamma is how much dearer an inference gets when it takes
longer: 1 where whatever slows it down draws power as well, 0 where it only waits. ALERT has 1;
here it is learned, by least squares on logarithms that forget (a Kalman filter for b and gamma).

Readings lag: the sensor means, telemetry arrives late. So a reading is held against what the model
would have shown the same sensor at the time that the reading is of.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from edgert.control.options import Option
from edgert.control.tuning import Tuning

KEPT_S = 8.0  # of the past; a later sample finds nothing to be held against
SETTLED_LAGS = 3.0  # a reading is one configuration's own after so many time constants of it
LEAST_BIAS, MOST_BIAS = 0.05, 20.0
READING_RATIO = 0.05  # standard deviation of a reading against the model, relative
MOST_OFF = 0.5  # one wrong reading moves no more than one that is off by so much
EXPONENT_SPREAD, EXPONENT_DRIFT = 0.3, 0.001  # of gamma: at first, and with each reading
LEAST_DYNAMIC_RATIO = 0.05  # of idle power: below it a reading tells nothing of the engines


class _Moment(NamedTuple):
    """The model at one time of the recent past; `name` of what had it for itself for a while."""

    time_s: float
    quiet_w: float
    slowdown: float
    energy_j: float
    name: str


class PowerModel:
    """Expected power per configuration, and what was drawn lately.

    Attributes:
        bias: The common correction b.
        exponent: gamma, from 0 to 1.
        own: The corrections b_i by name; 1 where a configuration never ran.

    Args:
        idle_w: The board's power with nothing to do.
        power_known: Whether the profile has power figures; else the first reading sets the scale.
        tuning: The constants.
    """

    __slots__ = (
        "_covariance",
        "_energy_j",
        "_least",
        "_name",
        "_past",
        "_quiet_w",
        "_scaled",
        "_seen_w",
        "_since_s",
        "_time_s",
        "_tuning",
        "bias",
        "exponent",
        "idle_w",
        "own",
    )

    def __init__(self, *, idle_w: float, power_known: bool, tuning: Tuning) -> None:
        self.idle_w = idle_w
        self.bias = 1.0
        self.exponent = 1.0
        self.own: dict[str, float] = {}
        # Variances of log b and of gamma, and their covariance. That of log b never falls below
        # what goes with the tuning's gain; it begins there, since first readings are of before.
        self._least = tuning.power_gain * READING_RATIO**2
        self._covariance = (self._least, EXPONENT_SPREAD**2, 0.0)
        self._scaled = power_known
        self._tuning = tuning
        self._time_s = -math.inf
        self._since_s = -math.inf  # the configuration that runs does so since then
        self._name = ""
        # What a sensor would show of the engines by the bare profile: as long as they took, and
        # as long as the profile says.
        self._seen_w = self._quiet_w = 0.0
        self._energy_j = 0.0  # modelled, since the start
        self._past: deque[_Moment] = deque()

    def power_w(self, option: Option, slowdown: float, period_s: float) -> float:
        """Expected power with a frame each `period_s`, or back to back where it takes longer."""
        engine_s = option.latency_s * slowdown
        dearer: float = slowdown**self.exponent
        dynamic_w = option.energy_j * dearer / max(period_s, engine_s)
        return self.idle_w + self.bias * self.own.get(option.name, 1.0) * dynamic_w

    def advance(self, now_s: float, name: str, profiled_j: float, ratio: float = 1.0) -> None:
        """Let the time since the last call pass.

        Args:
            now_s: The present.
            name: What ran meanwhile.
            profiled_j: Energy above idle that it takes by the profile, 0 where nothing ran.
            ratio: How many times as long as in the profile it took.
        """
        past_s = now_s - self._time_s
        if past_s <= 0:
            return
        if math.isinf(past_s):
            self._time_s = self._since_s = now_s
            self._past.append(_Moment(now_s, 0.0, 1.0, 0.0, ""))
            return
        if name != self._name:
            self._name, self._since_s = name, self._time_s
        quiet_w = profiled_j / past_s
        weight = 1 - math.exp(-past_s / self._tuning.sensor_lag_s)
        self._quiet_w += weight * (quiet_w - self._quiet_w)
        self._seen_w += weight * (quiet_w * ratio - self._seen_w)
        dynamic_w = quiet_w * ratio**self.exponent
        drawn_w = self.idle_w + self.bias * self.own.get(name, 1.0) * dynamic_w
        self._energy_j += drawn_w * past_s
        self._time_s = now_s
        settled = now_s - self._since_s > SETTLED_LAGS * self._tuning.sensor_lag_s
        past = self._past
        slowdown = self._seen_w / self._quiet_w if self._quiet_w > 0 else 1.0
        alone = name if settled else ""
        past.append(_Moment(now_s, self._quiet_w, slowdown, self._energy_j, alone))
        while past[0][0] < now_s - KEPT_S:
            past.popleft()

    def observe(self, time_s: float, power_w: float) -> None:
        """Correct by a reading of the module's power; one from before what is kept is ignored."""
        moment = self._at(time_s)
        if moment is None:
            return
        name, modelled_w = moment.name, moment.quiet_w * moment.slowdown**self.exponent
        if modelled_w < LEAST_DYNAMIC_RATIO * self.idle_w:
            return
        ratio = max(power_w - self.idle_w, 0.0) / modelled_w
        if not self._scaled:
            self.bias, self._scaled = min(max(ratio, LEAST_BIAS), MOST_BIAS), True
            return
        own = self.own.get(name, 1.0)
        relative = min(max(ratio / (self.bias * own) - 1, -MOST_OFF), MOST_OFF)
        self._learn(relative, math.log(moment.slowdown))
        if name:
            own *= 1 + self._tuning.own_power_gain * relative
            self.own[name] = min(max(own, 0.5), 2.0)

    def _learn(self, relative: float, log_slowdown: float) -> None:
        """Kalman's update of log b and gamma; b has at least the tuning's gain."""
        of_bias, of_exponent, of_both = self._covariance
        of_exponent = min(of_exponent + EXPONENT_DRIFT**2, EXPONENT_SPREAD**2)
        bias_seen = of_bias + of_both * log_slowdown
        exponent_seen = of_both + of_exponent * log_slowdown
        total = bias_seen + exponent_seen * log_slowdown + READING_RATIO**2
        gain = max(bias_seen / total, self._tuning.power_gain)
        exponent_gain = exponent_seen / total
        self.bias = min(max(self.bias * (1 + gain * relative), LEAST_BIAS), MOST_BIAS)
        self.exponent = min(max(self.exponent + exponent_gain * relative, 0.0), 1.0)
        self._covariance = (
            max(of_bias - bias_seen**2 / total, self._least),
            of_exponent - exponent_seen**2 / total,
            of_both - bias_seen * exponent_seen / total,
        )

    def mean_w(self, from_s: float, to_s: float) -> float | None:
        """Mean modelled power between two times of the recent past; None where it is forgotten."""
        start, end = self._at(from_s), self._at(to_s)
        if start is None or end is None or end.time_s <= start.time_s:
            return None
        return (end.energy_j - start.energy_j) / (end.time_s - start.time_s)

    @property
    def energy_j(self) -> float:
        """Modelled energy since the start."""
        return self._energy_j

    def restore(self, bias: float, exponent: float, own: Mapping[str, float]) -> None:
        """Go on from earlier corrections."""
        self.exponent = min(max(exponent, 0.0), 1.0)
        self.bias = min(max(bias, LEAST_BIAS), MOST_BIAS)
        self.own = {name: min(max(ratio, 0.5), 2.0) for name, ratio in own.items()}
        self._scaled = self._scaled or bias != 1.0  # else no reading had come

    def know(self, *, idle_w: float, power_known: bool) -> None:
        """Take these in place of the constructor's."""
        self.idle_w = idle_w
        self._scaled = self._scaled or power_known

    def rescale(self, energies: Mapping[str, float], ran: str, slower: float) -> None:
        """Go on against other figures, so that what ran is expected to draw what it drew.

        What each configuration was seen to draw for itself is kept in watts too; of one that the
        new figures don't have it is forgotten. Readings that are on their way find their past.

        Args:
            energies: By name, an inference's energy by the old profile over that by the new one.
            ran: The configuration that ran last, one of them.
            slower: What the slowdown is multiplied with.
        """
        dearer = energies[ran] / slower**self.exponent
        bias = min(max(self.bias * dearer, LEAST_BIAS), MOST_BIAS)
        moved = self.bias * dearer / bias  # what the bounds cut off
        self.bias = bias
        self.own = {
            name: min(max(own * moved * energies[name] / energies[ran], 0.5), 2.0)
            for name, own in self.own.items()
            if name in energies
        }
        self._quiet_w /= energies[ran]
        self._seen_w *= slower / energies[ran]
        self._past = deque(
            moment._replace(
                quiet_w=moment.quiet_w / energies[ran], slowdown=moment.slowdown * slower
            )
            for moment in self._past
        )

    def _at(self, time_s: float) -> _Moment | None:
        """The newest moment not after `time_s`."""
        past = self._past
        if not past or time_s < past[0][0]:
            return None
        for moment in reversed(past):
            if moment[0] <= time_s:
                return moment
        return None
