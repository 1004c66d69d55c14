"""An emulated board behind the telemetry protocol: engines heat it, heat slows engines down.

Ties power, heat and throttle to a clock. Holds no thread: the board lives on when it is read.

    board.run_engine("full", 0.012)            # some time until the next read
    board.book_run("full", start_s, 0.012)     # exactly then
    board.energy_between(t0_s, t1_s)           # J, the truth, for as long as the history goes back
    board.energy_j, board.busy_s               # since the board began, as of the last read
    board.history.registers_at(time_s, chip)   # mV and mA; see PowerHistory for the rest
"""

from collections.abc import Mapping

from edgert.clock import Clock
from edgert.emulator.bookings import Bookings
from edgert.emulator.history import PowerHistory
from edgert.emulator.power import EngineLoad, PowerModel
from edgert.emulator.rails import rails_from_power, whole_board
from edgert.emulator.sensors import Sensors
from edgert.emulator.spec import BoardSpec, read_board_spec
from edgert.emulator.thermal import TwoNodeThermal
from edgert.emulator.throttle import Throttle
from edgert.records import Profile, TelemetrySample

__all__ = ["BoardSpec", "EmulatedBoard", "loads_from_profile", "read_board_spec"]


def loads_from_profile(profile: Profile) -> dict[str, EngineLoad]:
    """The load of every configuration of a profile, by name."""
    return {
        entry.name: EngineLoad(latency_s=entry.latency_s, macs=entry.macs)
        for entry in profile.entries
    }


class EmulatedBoard:
    """A telemetry source whose power, temperature and clock follow from what ran on it.

    Engines are booked with `run_engine`, whose work is spread over the time that passes until
    the next `read`, or with `book_run`, to the microsecond. The clock ratio, and with it
    `slowdown`, changes in `read` only, so it is the same from before a run until after it. How
    often the board is read changes nothing in what exact runs draw. Use from one thread.

    Args:
        spec: The board's constants.
        clock: Any clock, real or virtual; the board starts at its present time.
        loads: Time and MACs of each engine by name, as `loads_from_profile` gives them.
        reference: The engine that draws the full power back to back; by default the one of
            `loads` that takes longest.
        seed: Of the sensor noise.
        history_s: How far back `energy_between` and the sensor's registers can be asked for.
    """

    def __init__(
        self,
        spec: BoardSpec,
        clock: Clock,
        *,
        loads: Mapping[str, EngineLoad] | None = None,
        reference: EngineLoad | None = None,
        seed: int = 0,
        history_s: float = 60.0,
    ) -> None:
        self.name = spec.name
        self.spec = spec
        self.energy_j = 0.0
        self.busy_s = 0.0
        self._clock = clock
        self._loads = dict(loads or {})
        if reference is None and self._loads:
            reference = max(self._loads.values(), key=lambda load: load.latency_s)
        self.power = PowerModel(spec.power, reference)
        self.thermal = TwoNodeThermal(spec.thermal, idle_power_w=spec.power.idle_w)
        self.throttle = Throttle(spec.throttle)
        self._time_s = clock.now_s()
        self._next_poll_s = self._time_s + spec.throttle.poll_s
        self._leakage_c = self.thermal.die_c
        self._mode_ratio = 1.0
        self._clock_limits: dict[str, float] = {}
        self._bookings = Bookings(self._time_s)
        self.history = PowerHistory(
            whole_board(spec.power), start_s=self._time_s, keep_s=history_s
        )
        self._sensors = Sensors(
            spec.sensor, rails_from_power(spec.power), start_s=self._time_s, seed=seed
        )

    @property
    def slowdown(self) -> float:
        """How much longer an engine takes than at the board file's full clock.

        Below 1 in a power mode whose clock is higher than that.
        """
        return 1 / self.clock_ratio

    @property
    def clock_ratio(self) -> float:
        """Compute clock over the board file's full clock: power mode, heat and events."""
        return self._mode_ratio * self._limit_ratio

    @property
    def throttle_reason(self) -> str:
        """Why the clock is lowered, in words; empty when it is not."""
        events = [name for name, ratio in self._clock_limits.items() if ratio < 1]
        return "; ".join([*filter(None, [self.throttle.reason]), *events])

    @property
    def mode_clock_ratio(self) -> float:
        """The power mode's clock cap over the board file's; may be set, acts from then on."""
        return self._mode_ratio

    @mode_clock_ratio.setter
    def mode_clock_ratio(self, ratio: float) -> None:
        if not ratio > 0:
            raise ValueError(f"a clock ratio lies above 0, not at {ratio}")
        self.advance()
        self._mode_ratio = ratio

    def limit_clock(self, reason: str, ratio: float) -> None:
        """Hold the clock at or below a share of the mode's cap, for a reason; 1 lets it go."""
        if not 0 < ratio <= 1:
            raise ValueError(f"a clock limit lies above 0 and at or below 1, not at {ratio}")
        self.advance()
        self._clock_limits[reason] = ratio
        if ratio == 1:
            del self._clock_limits[reason]

    @property
    def ambient_c(self) -> float:
        """Air temperature around the board; may be set at any time, acts from then on."""
        return self.thermal.ambient_c

    @ambient_c.setter
    def ambient_c(self, temp_c: float) -> None:
        self.advance()
        self.thermal.ambient_c = temp_c

    @property
    def fan_running(self) -> bool:
        """Whether the fan turns; may be set at any time, acts from then on."""
        return self.thermal.fan_running

    @fan_running.setter
    def fan_running(self, running: bool) -> None:
        self.advance()
        self.thermal.fan_running = running

    def add_loads(self, loads: Mapping[str, EngineLoad]) -> None:
        """Know these engines too; one of the same name is another from now on."""
        self._loads = {**self._loads, **loads}

    def run_engine(
        self,
        name: str,
        busy_s: float,
        *,
        macs: int | None = None,
        size_bytes: int | None = None,
    ) -> None:
        """Book one run of an engine.

        Args:
            name: Its configuration; MACs and bytes come from the board's loads by default.
            busy_s: How long it took on this board, `slowdown` included.
            macs: Its multiply-accumulates, where the board has no load of that name.
            size_bytes: The bytes it moves.
        """
        compute_s, memory_s = self._work_s(name, busy_s, macs, size_bytes)
        self._bookings.add_loose(busy_s, compute_s, memory_s)

    def book_run(
        self,
        name: str,
        start_s: float,
        busy_s: float,
        *,
        macs: int | None = None,
        size_bytes: int | None = None,
    ) -> float:
        """Book one run of an engine at its exact time.

        A run that begins before the one booked before it has ended, or in time that the board
        has lived through, is moved on to where it fits.

        Args:
            name: As for `run_engine`.
            start_s: When it begins, on the board's clock.
            busy_s: How long it takes on this board, `slowdown` included.
            macs: As for `run_engine`.
            size_bytes: As for `run_engine`.

        Returns:
            When it begins.
        """
        work_s = self._work_s(name, busy_s, macs, size_bytes)
        return self._bookings.add_run(start_s, busy_s, *work_s, lived_s=self._time_s)

    def predict_engine(self, load: EngineLoad, *, temp_c: float) -> tuple[float, float]:
        """Power (W) and energy per run (J) of `load` back to back; see PowerModel.predict."""
        return self.power.predict(load, temp_c=temp_c)

    def advance(self) -> float:
        """Live up to now; returns the time. `read` does it too."""
        now_s = self._clock.now_s()
        if now_s <= self._time_s:
            return self._time_s
        loose = self._bookings.spread_loose(now_s - self._time_s)
        while self._time_s < now_s:
            exact = self._bookings.at(self._time_s)
            end_s = min(now_s, self._next_poll_s, exact.until_s)
            self.busy_s += min(1.0, loose.busy + exact.busy) * (end_s - self._time_s)
            self._step(end_s, loose.compute + exact.compute, loose.memory + exact.memory)
            if end_s >= self._next_poll_s:
                self.throttle.poll(self.thermal.die_c)
                self._leakage_c = self.thermal.die_c
                self._next_poll_s += self.spec.throttle.poll_s
        return now_s

    def energy_between(self, from_s: float, to_s: float) -> float:
        """True energy (J) of the whole board between two times, not later than now.

        Raises:
            ValueError: A time that lies ahead, or further back than `history_s`.
        """
        self.advance()
        return self.history.energy_j(from_s, to_s)

    def read(self) -> TelemetrySample:
        """Live through the time since the last read and report what the sensors see."""
        self.advance()
        spec = self.spec
        rails_w = self._sensors.rails_w(self.history)
        zones_c = self.zones_c()
        return TelemetrySample(
            time_s=self._time_s,
            source=self.name,
            provenance="emulated",
            power_w=rails_w[spec.power.input_rail],
            temp_c=max(zones_c.values()),
            rails_w=rails_w,
            zones_c=zones_c,
            clock_ratio=self._limit_ratio,
            throttled=self._limit_ratio < 1,
            throttle_reason=self.throttle_reason,
        )

    def zones_c(self) -> dict[str, float]:
        """Temperature of every zone as its sensor sees it, as of the last time lived through."""
        sink_c, rise_k = self.thermal.sink_c, self.thermal.die_c - self.thermal.sink_c
        return {
            zone: self._sensors.zone_c(sink_c + place * rise_k)
            for zone, place in self.spec.zones.items()
        }

    def close(self) -> None:
        """Nothing to release."""

    @property
    def _limit_ratio(self) -> float:
        """Compute clock over its cap in this power mode."""
        return min([self.throttle.clock_ratio, *self._clock_limits.values()])

    def _work_s(
        self, name: str, busy_s: float, macs: int | None, size_bytes: int | None
    ) -> tuple[float, float]:
        known = self._loads.get(name)
        if known is not None:
            macs = known.macs if macs is None else macs
            size_bytes = known.size_bytes if size_bytes is None else size_bytes
        full_clock_s = max(busy_s / self.slowdown, 1e-9)
        load = EngineLoad(latency_s=full_clock_s, macs=macs, size_bytes=size_bytes)
        return self.power.work_s(load)

    def _step(self, end_s: float, compute_rate: float, memory_rate: float) -> None:
        # Leakage is taken at the governor's last poll: a fraction of a second late, and the same
        # however often the board is read.
        duration_s = end_s - self._time_s
        draw = self.power.draw(compute_rate, memory_rate, self.clock_ratio, self._leakage_c)
        power_w = self.spec.power.idle_w + draw.compute_w + draw.memory_w
        self.thermal.step(duration_s, power_w)
        self.energy_j += power_w * duration_s
        self._sensors.add(draw, duration_s)
        self.history.add(end_s, draw.compute_w, draw.memory_w)
        self._time_s = end_s
