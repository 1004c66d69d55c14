"""Where the die's temperature goes: two nodes, an unknown ambient, constants that are refined.

An extended Kalman filter over six numbers: die, sink and ambient temperature, and the logarithms
of how far R_ds, R_sa and C_sink are off the constants given. The die is what sensors see; its own
heat capacity stays as given. Written out by hand, since six by six is small and numpy is not at
hand here. The ambient is not measured: it follows from what the sink does.

The power cap is the exact answer of linear model predictive control for one constant input: the
die's temperature after h seconds is f(h) + g(h) P, so P may be as large as the least of
(limit - guard - f(h)) / g(h).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from edgert.control.covariance import carry, diagonal, learn
from edgert.records import ThermalConstants
from edgert.two_nodes import Decay, TwoNodes

# Of a small module with its heat sink and fan, where no step test was made: wide of the mark on
# purpose on the side of caution, a light sink that heats soon.
UNKNOWN_BOARD = ThermalConstants(
    die_j_per_k=4.0,
    sink_j_per_k=40.0,
    die_to_sink_k_per_w=1.0,
    sink_to_ambient_k_per_w=2.0,
    provenance="modelled",
    method="no step test was made: edgert calibrate",
)

READING_C = 0.35  # standard deviation of a reading: noise and steps of sensors
# Standard deviations of what drifts, per square root of a second.
DIE_DRIFT_C, SINK_DRIFT_C, AMBIENT_DRIFT_C, CONSTANT_DRIFT = 0.05, 0.03, 0.05, 0.001
START_SPREAD_C = 8.0  # of sink and air, when only the die was read
# Of the constants' logarithms, to begin with. At a steady power a wrong R_sa looks like warmer
# air, and the ambient takes it.
GIVEN_SPREAD, UNKNOWN_SPREAD, R_SINK_SPREAD = 0.25, 0.7, 0.05
# Constants are refined within a factor of 1.65 of a step test's and 3.3 of a guess, and go back
# to where they began unless readings hold them: a filter that is wrong must not run away.
MOST_LOG_GIVEN, MOST_LOG_UNKNOWN = 0.5, 1.2
FORGET_S = 600.0
SURPRISE_S = 3.0  # time constant of the mean by which readings are off the forecast
HICCUP_C = 5.0  # one reading counts for no more in that mean
LOST_C = 1.0  # off by more on average, the model is wrong about where it is
LONGEST_STEP_S = 5.0
LONGEST_GAP_S = 600.0  # of a longer one the beginning is forgotten: the work has a bound
REFRESH_S = 10.0  # how often the refined constants are taken over into what looks ahead
SHARES = (0.4, 0.7, 1.0)  # of a horizon: where along it the forecast looks

DIE, SINK, AMBIENT, R_DIE, R_SINK, C_SINK = range(6)


_NO_STEP = (0.0, Decay(1.0, 0.0, 0.0, 1.0))


class _Ahead(NamedTuple):
    """How the die's temperature in some time depends on today's, and on power."""

    of_die: float
    of_sink: float
    rise_k_per_w: float


class ThermalModel:
    """Die, sink and ambient temperature as they follow from power and from readings.

    Args:
        constants: From a step test; None: those of an unknown board.
        horizons_s: Those that `cap_w` will be asked for.

    Attributes:
        surprise_c: By how much readings lay above the forecast of late, a mean; 0 or less: below.
    """

    __slots__ = (
        "_ahead",
        "_covariance",
        "_given",
        "_horizons_s",
        "_most_log",
        "_nodes",
        "_refreshed_s",
        "_state",
        "_step",
        "calibrated",
        "surprise_c",
        "time_s",
    )

    def __init__(
        self, constants: ThermalConstants | None, *, horizons_s: Sequence[float] = ()
    ) -> None:
        self.calibrated = constants is not None
        self._given = constants or UNKNOWN_BOARD
        self._most_log = MOST_LOG_GIVEN if self.calibrated else MOST_LOG_UNKNOWN
        self.surprise_c = 0.0
        self._horizons_s = tuple(horizons_s)
        self._state = [math.nan, math.nan, math.nan, 0.0, 0.0, 0.0]
        spread = GIVEN_SPREAD if self.calibrated else UNKNOWN_SPREAD
        self._covariance = diagonal(
            (0.5, START_SPREAD_C, START_SPREAD_C, spread, R_SINK_SPREAD, spread)
        )
        self.time_s = -math.inf
        self._refresh(-math.inf)

    # ------------------------------------------------------------ what is known

    @property
    def ready(self) -> bool:
        """Whether there was a reading yet."""
        return math.isfinite(self.time_s)

    @property
    def die_c(self) -> float:
        """The die's temperature at `time_s`."""
        return self._state[DIE]

    @property
    def ambient_c(self) -> float:
        """The air around the board, as far as heat tells."""
        return self._state[AMBIENT]

    @property
    def corrections(self) -> tuple[float, float, float]:
        """Factors on R_ds, R_sa and C_sink against the constants given."""
        _, _, _, r_die, r_sink, c_sink = self._state
        return math.exp(r_die), math.exp(r_sink), math.exp(c_sink)

    @property
    def constants(self) -> tuple[float, float, float, float]:
        """C_die, C_sink (J/K), R_ds and R_sa (K/W) as they are believed to be now."""
        given = self._given
        r_die, r_sink, c_sink = self.corrections
        return (
            given.die_j_per_k,
            given.sink_j_per_k * c_sink,
            given.die_to_sink_k_per_w * r_die,
            given.sink_to_ambient_k_per_w * r_sink,
        )

    # ------------------------------------------------------------ learning

    def observe(self, time_s: float, temp_c: float, power_w: float) -> None:
        """Live up to `time_s` at a mean power, and take in a reading of the die's temperature.

        The first reading is taken for a board that has settled: the sink and the air follow from
        it, with a wide error.
        """
        if not self.ready:
            self._start(time_s, temp_c, power_w)
            return
        lasted_s = time_s - self.time_s
        self.advance(time_s, power_w)
        weight = 1 - math.exp(-max(lasted_s, 0.0) / SURPRISE_S)
        above_c = min(max(temp_c - self._state[DIE], -HICCUP_C), HICCUP_C)
        self.surprise_c += weight * (above_c - self.surprise_c)
        if abs(self.surprise_c) > LOST_C:
            # Its errors are no noise: readings count for more than what it believes.
            for place in (DIE, SINK):
                self._covariance[place][place] += self.surprise_c**2
        self._update(temp_c)
        # What was learned holds from the next step on: else readings go on pushing constants that
        # have moved already.
        self._nodes, self._step = TwoNodes(*self.constants), _NO_STEP
        if time_s - self._refreshed_s >= REFRESH_S:
            self._refresh(time_s)

    def advance(self, time_s: float, power_w: float) -> None:
        """Live up to `time_s` at a mean power, without a reading."""
        if not self.ready or time_s <= self.time_s:
            return
        if time_s - self.time_s > LONGEST_GAP_S:
            self._sleep(time_s - self.time_s - LONGEST_GAP_S, power_w)
            self.time_s = time_s - LONGEST_GAP_S
        steps = math.ceil((time_s - self.time_s) / LONGEST_STEP_S)
        for _ in range(steps):
            self._predict((time_s - self.time_s) / steps, power_w)
        self.time_s = time_s

    def restore(self, corrections: Sequence[float]) -> None:
        """Go on from refined constants; temperatures are read anew."""
        for place, factor in zip((R_DIE, R_SINK, C_SINK), corrections, strict=True):
            self._state[place] = min(max(math.log(factor), -self._most_log), self._most_log)
            self._covariance[place][place] *= 0.25  # less to learn than at the first start
        self._refresh(self.time_s)

    # ------------------------------------------------------------ looking ahead

    def now(self, time_s: float, power_w: float) -> tuple[float, float]:
        """Die and sink temperature at `time_s`, with `power_w` since the last reading."""
        die_c, sink_c, ambient_c = self._state[:3]
        lasted_s = time_s - self.time_s
        if lasted_s <= 0:
            return die_c, sink_c
        return self._nodes.after(lasted_s, die_c, sink_c, power_w=power_w, ambient_c=ambient_c)

    def cap_w(self, horizon_s: float, die_c: float, sink_c: float, limit_c: float) -> float:
        """The largest constant power that keeps the die at or below `limit_c` for `horizon_s`.

        Negative where even no power would not.

        Args:
            horizon_s: One of the horizons handed to the constructor.
            die_c: The die now.
            sink_c: The sink now.
            limit_c: What must hold, guard taken off.
        """
        ambient_c = self._state[AMBIENT]
        die, sink, room = die_c - ambient_c, sink_c - ambient_c, limit_c - ambient_c
        return min(
            [
                (room - of_die * die - of_sink * sink) / rise_k_per_w
                for of_die, of_sink, rise_k_per_w in self._ahead[horizon_s]
            ]
        )

    def forecast_c(self, horizon_s: float, die_c: float, sink_c: float, power_w: float) -> float:
        """The die's temperature after any time under a constant power."""
        known = self._ahead.get(horizon_s)
        ahead = _ahead(self._nodes, horizon_s) if known is None else known[-1]
        ambient_c = self._state[AMBIENT]
        left = ahead.of_die * (die_c - ambient_c) + ahead.of_sink * (sink_c - ambient_c)
        return ambient_c + left + ahead.rise_k_per_w * power_w

    def sustained_w(self, limit_c: float, *, warmer_c: float = 0.0) -> float:
        """The power that `limit_c` can be held with for ever, in air that much warmer."""
        _, _, r_die, r_sink = self.constants
        return (limit_c - self._state[AMBIENT] - warmer_c) / (r_die + r_sink)

    # ------------------------------------------------------------ the filter

    def _start(self, time_s: float, temp_c: float, power_w: float) -> None:
        _, _, r_die, r_sink = self.constants
        sink_c = temp_c - r_die * power_w
        self._state[:3] = [temp_c, sink_c, sink_c - r_sink * power_w]
        self.time_s = time_s
        self._refresh(time_s)

    def _refresh(self, time_s: float) -> None:
        """Take the refined constants over into what is computed with them."""
        self._refreshed_s = time_s
        self._nodes = nodes = TwoNodes(*self.constants)
        self._step = _NO_STEP
        self._ahead = {
            horizon_s: tuple(_ahead(nodes, share * horizon_s) for share in SHARES)
            for horizon_s in self._horizons_s
        }

    def _sleep(self, duration_s: float, power_w: float) -> None:
        """Live through a long time in one step; the air may be any by then."""
        die_c, sink_c, ambient_c = self._state[:3]
        self._state[DIE], self._state[SINK] = self._nodes.after(
            duration_s, die_c, sink_c, power_w=power_w, ambient_c=ambient_c
        )
        for place in (DIE, SINK, AMBIENT):
            self._covariance[place][place] = max(self._covariance[place][place], START_SPREAD_C**2)

    def _predict(self, duration_s: float, power_w: float) -> None:
        if abs(self._step[0] - duration_s) > 1e-9:
            self._step = (duration_s, self._nodes.decay(duration_s))
        left = self._step[1]
        state, covariance = self._state, self._covariance
        die_c, sink_c, ambient_c = state[:3]
        end_die_c, end_sink_c = self._nodes.steady_state(power_w, ambient_c)
        state[DIE] = end_die_c + left[0] * (die_c - end_die_c) + left[1] * (sink_c - end_sink_c)
        state[SINK] = end_sink_c + left[2] * (die_c - end_die_c) + left[3] * (sink_c - end_sink_c)
        die_row, sink_row = self._slopes(duration_s, left, die_c, sink_c, power_w)
        carry(covariance, die_row, sink_row)
        covariance[DIE][DIE] += DIE_DRIFT_C**2 * duration_s
        covariance[SINK][SINK] += SINK_DRIFT_C**2 * duration_s
        covariance[AMBIENT][AMBIENT] += AMBIENT_DRIFT_C**2 * duration_s
        drift, kept = CONSTANT_DRIFT**2 * duration_s, 1 - duration_s / FORGET_S
        for place in (R_DIE, R_SINK, C_SINK):
            state[place] *= kept
            # What is known cannot get worse than it was when nothing was known.
            if covariance[place][place] < GIVEN_SPREAD**2:
                covariance[place][place] += drift

    def _slopes(
        self, duration_s: float, left: Decay, die_c: float, sink_c: float, power_w: float
    ) -> tuple[list[float], list[float]]:
        """How die and sink after a step depend on the six numbers before it.

        Exact in the temperatures; in the constants to first order of the step, with half of what
        decays meanwhile.
        """
        c_die, c_sink, r_die, r_sink = self.constants
        through_w = (die_c - sink_c) / r_die  # from the die into the sink
        lost_w = (sink_c - self._state[AMBIENT]) / r_sink
        die_s = duration_s * (1 + left[0]) / 2 / c_die
        sink_s = duration_s * (1 + left[3]) / 2 / c_sink
        die_row = [left[0], left[1], 1 - left[0] - left[1], die_s * through_w, 0.0, 0.0]
        sink_row = [
            left[2],
            left[3],
            1 - left[2] - left[3],
            -sink_s * through_w,
            sink_s * lost_w,
            -sink_s * (through_w - lost_w),
        ]
        return die_row, sink_row

    def _update(self, temp_c: float) -> None:
        """Kalman's update for one scalar reading of the die."""
        state, covariance = self._state, self._covariance
        seen = covariance[DIE][:]
        total = seen[DIE] + READING_C**2
        # A lone reading far off (a sensor's hiccup) pulls as one three deviations off would.
        most = max(3 * math.sqrt(total), 2 * abs(self.surprise_c))
        error = min(max(temp_c - state[DIE], -most), most)
        for row, value in enumerate(seen):
            state[row] += value / total * error
        learn(covariance, total)
        most = self._most_log
        for place in (R_DIE, R_SINK, C_SINK):
            state[place] = min(max(state[place], -most), most)


def _ahead(nodes: TwoNodes, duration_s: float) -> _Ahead:
    left = nodes.decay(duration_s)
    die_k_per_w, sink_k_per_w = nodes.steady_state(1.0, 0.0)
    rise = die_k_per_w - left.die_of_die * die_k_per_w - left.die_of_sink * sink_k_per_w
    return _Ahead(left.die_of_die, left.die_of_sink, rise)
