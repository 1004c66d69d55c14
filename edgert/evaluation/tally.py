"""The books of one run: what is counted while a plant lives through a day."""

from edgert.evaluation.day import Day
from edgert.evaluation.sensing import TICK_S


class Tally:
    """Sums over frames, ticks and seconds, all of true values; lists have one value a second.

    dropped: Frames that a newer one replaced before they could start.
    late: Frames that ran and missed the deadline.
    unpowered: Frames that ran after the energy budget was spent; they score nothing.
    hot_s, hot_k_s: Time over the temperature limit, and the integral of the excess.
    windows, broken_windows: Whole seconds with a power budget, and those whose mean exceeds it.
    """

    def __init__(self, day: Day, names: list[str]) -> None:
        self.names = names
        self.frames = day.frames
        self.score = 0.0
        self.ran = self.late = self.dropped = self.skipped = self.switches = 0
        self.unpowered = 0
        self.energy_j = self.hot_s = self.hot_k_s = self.throttled_s = 0.0
        self.windows = self.broken_windows = 0
        self.runs = [0] * len(names)  # frames by configuration
        self.mean_w: list[float] = []
        self.die_c: list[float] = []  # the hottest of each second
        self.place: list[int] = []  # of the configuration that ran last
        self._day = day
        self._budget_j = day.energy_j
        self._active = -1
        self._second_j = 0.0
        self._hottest_c = -273.15
        self._temp_limit_c = day.limits[0].temp_c

    def count(self, place: int, accuracy: float, *, met: bool) -> None:
        """A frame ran."""
        self.ran += 1
        self.runs[place] += 1
        if place != self._active:
            self.switches += self._active >= 0
            self._active = place
        if not met:
            self.late += 1
        elif self._budget_j is not None and self.energy_j > self._budget_j:
            self.unpowered += 1
        else:
            self.score += accuracy

    def tick(self, power_w: float, die_c: float, *, throttled: bool) -> None:
        """A tick ended at this temperature, having drawn this power on average."""
        energy_j = power_w * TICK_S
        self.energy_j += energy_j
        self._second_j += energy_j
        self._hottest_c = max(self._hottest_c, die_c)
        limit_c = self._temp_limit_c
        if limit_c is not None and die_c > limit_c:
            self.hot_s += TICK_S
            self.hot_k_s += TICK_S * (die_c - limit_c)
        if throttled:
            self.throttled_s += TICK_S

    def second(self) -> None:
        """A whole second ended."""
        limits = self._day.limits
        budget_w = limits[len(self.mean_w)].power_w
        if budget_w is not None:
            self.windows += 1
            self.broken_windows += self._second_j > budget_w
        self.mean_w.append(self._second_j)
        self.die_c.append(self._hottest_c)
        self.place.append(self._active)
        self._second_j, self._hottest_c = 0.0, -273.15
        if len(self.mean_w) < len(limits):
            self._temp_limit_c = limits[len(self.mean_w)].temp_c
