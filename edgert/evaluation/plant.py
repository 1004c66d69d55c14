"""A board that lives through a day in virtual time, frame by frame, as a controller drives it.

    plant = Plant(day, profile)
    while plant.next_frame():
        decision = policy.decide(plant.now_s, plant.telemetry)
        if decision.skip:
            plant.skip()
        else:
            policy.observe(plant.run(decision.configuration))

`plant.limits` holds from `plant.now_s` on. Owns what happens; `tally` keeps the books.
"""

import math

from edgert.emulator.throttle import Throttle
from edgert.evaluation.day import Day
from edgert.evaluation.heat import heat_map
from edgert.evaluation.sensing import JTOP, TICK_S, Sensing, Sensors
from edgert.evaluation.tally import Tally
from edgert.records import FrameOutcome, Limits, Profile, TelemetrySample

_TICKS_PER_S = round(1 / TICK_S)
COLD_AFTER_S, COLD_RATIO = 10.0, 1.1
_EPSILON = 1e-9


class Plant:
    """One run of one day.

    A frame takes profiled latency x slowdown / clock ratio, 10 % more when its configuration has
    not run for 10 s. Its latency counts from its start, not from its arrival. A frame that
    outlasts the period delays the next one; of those that arrive meanwhile the newest is kept,
    the others are dropped. Power is true idle plus, while a frame runs, the configuration's true
    power above idle x clock^k x leakage; the clock is the one at the frame's start. Heat moves in
    ticks of 0.05 s with the mean power of each, exactly.

    Args:
        day: What the world does.
        profile: What the controller is told of each configuration; powers are a few percent off.
        sensing: How the controller gets to see the board.
    """

    def __init__(self, day: Day, profile: Profile, sensing: Sensing = JTOP) -> None:
        self.day = day
        self.now_s = 0.0
        self.limits: Limits = day.limits[0]
        self.frame = -1  # the frame to be decided on
        board = day.board
        self._idle_w = board.idle_w
        self._entries = {
            entry.name: (
                place,
                entry.latency_s,
                board.power_w(entry) - board.idle_w,
                entry.accuracy or 0.0,
            )
            for place, entry in enumerate(profile.entries)
        }
        physics = board.physics(day.ambient_c[0])
        self.die_c, self.sink_c = physics.die_c, physics.sink_c
        self._maps = {
            running: heat_map(board, TICK_S, fan_running=running) for running in (True, False)
        }
        self.throttle = Throttle(board.throttle)
        self._poll_ticks = max(1, round(board.throttle.poll_s / TICK_S))
        self._sensors = Sensors(day, sensing, power_w=board.idle_w)
        self.tally = Tally(day, [entry.name for entry in profile.entries])
        self._last_s = [0.0] * len(profile.entries)  # when each configuration last ran
        self._free_s = 0.0
        self._tick = 0
        self._tick_end_s = TICK_S
        self._above_idle_j = 0.0  # in this tick, without leakage
        self._begin_second(0)

    def next_frame(self) -> bool:
        """Live on until a frame can start; False when the day is over."""
        frame, period_s, free_s = self.frame + 1, self.day.period_s, self._free_s
        start_s = frame * period_s
        if free_s > start_s:
            newest = min(int(free_s / period_s + _EPSILON), self.day.frames - 1)
            if newest > frame:
                self.tally.dropped += newest - frame
                frame = newest
            start_s = free_s
        self.frame = frame
        if frame >= self.day.frames or start_s >= self.day.duration_s:
            self.tally.dropped += max(self.day.frames - frame, 0)
            self._finish()
            return False
        while start_s >= self._tick_end_s:
            self._close_tick()
        self.now_s = start_s
        return True

    @property
    def telemetry(self) -> TelemetrySample | None:
        """The newest sample that has been delivered by now."""
        return self._sensors.at(self.now_s)

    def skip(self) -> None:
        """Let the frame go by."""
        self.tally.skipped += 1

    def run(self, name: str) -> FrameOutcome:
        """Run the frame on a configuration; KeyError when the profile has none of that name."""
        place, latency_s, above_idle_w, accuracy = self._entries[name]
        start_s, clock = self.now_s, self.throttle.clock_ratio
        latency_s *= self.day.slowdown[self.frame] / clock
        if start_s - self._last_s[place] > COLD_AFTER_S:
            latency_s *= COLD_RATIO
        if clock < 1:
            above_idle_w *= clock**self.day.board.clock_exponent
        end_s = self._free_s = self._last_s[place] = start_s + latency_s
        deadline_s = self.limits.deadline_s
        met = deadline_s is None or latency_s <= deadline_s
        self.tally.count(place, accuracy, met=met)
        while end_s >= self._tick_end_s:
            self._above_idle_j += above_idle_w * (self._tick_end_s - start_s)
            start_s = self._tick_end_s
            self._close_tick()
        self._above_idle_j += above_idle_w * (end_s - start_s)
        newest = self._sensors.newest
        return FrameOutcome(
            configuration=name,
            latency_s=latency_s,
            met_deadline=met,
            power_w=None if newest is None else newest.power_w,
        )

    def _close_tick(self) -> None:
        if self._tick >= self.day.duration_s * _TICKS_PER_S:
            self._tick_end_s = math.inf  # a frame that outlasts the day
            return
        board, die_c = self.day.board, self.die_c
        power_w = self._idle_w + self._above_idle_j / TICK_S * board.leakage(die_c)
        self._above_idle_j = 0.0
        heat, sink_c, air_c = self._heat, self.sink_c, self._air_c
        self.die_c = (
            heat.die_die * die_c
            + heat.die_sink * sink_c
            + heat.die_power * power_w
            + heat.die_air * air_c
        )
        self.sink_c = (
            heat.sink_die * die_c
            + heat.sink_sink * sink_c
            + heat.sink_power * power_w
            + heat.sink_air * air_c
        )
        self._tick += 1
        if self._tick % self._poll_ticks == 0:
            self.throttle.poll(self.die_c)
        clock = self.throttle.clock_ratio
        self.tally.tick(power_w, self.die_c, throttled=clock < 1)
        self._sensors.tick(self._tick_end_s, power_w, self.die_c, clock)
        if self._tick % _TICKS_PER_S == 0:
            self.tally.second()
            self._begin_second(self._tick // _TICKS_PER_S)
        self._tick_end_s = (self._tick + 1) * TICK_S

    def _begin_second(self, second: int) -> None:
        day = self.day
        if second < day.duration_s:
            self.limits = day.limits[second]
            self._air_c = day.ambient_c[second]
            self._heat = self._maps[day.fan_running[second]]

    def _finish(self) -> None:
        while self._tick < self.day.duration_s * _TICKS_PER_S:
            self._close_tick()
