"""The power of an emulated board over time, to the millisecond, with its true energy.

A trace is made at once from a list of engine runs. It is a square wave: the board draws more
while an engine runs and idles between, and leakage and throttling follow from the heat of the
same physics that `EmulatedBoard` lives through. It is the truth that an energy estimate can be
held against, and the sensor's view of that truth, aliasing included.

    from edgert.emulator.trace import PowerTrace, Runs
    runs = Runs.paced(start_s=5.0, period_s=1 / 30, busy_s=0.0133, count=1800)
    runs = Runs.back_to_back(start_s=5.0, busy_s=0.0133, count=4000)     # or Runs.join(a, b, …)
    trace = PowerTrace.from_runs(spec, runs, end_s=70.0, settled_w=8.0)  # idle around the runs
    trace.energy_j(5.0, 65.0)               # the truth: J between two times (scalars or arrays)
    trace.power_at(times_s)                 # the truth: W at each time
    trace.sensor_at(times_s, chip)          # W as the INA3221 says them at these read times
    trace.registers_at(times_s, chip)       # the same as the driver's whole mV and mA
    trace.temp_at(times_s)                  # °C of the die
    trace.mean_w(starts_s, ends_s)          # W between pairs of times

`rail=` picks a rail (a `RailShare`; default: the whole board), `channel=` the chip's channel 0
to 2. Times are seconds on the trace's own clock; before its start and after its end the board
idles. 60 s at 30 fps with 3000 sensor readings take some 3 ms.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgert.emulator import ina3221
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.power import PowerModel
from edgert.emulator.rails import RailShare, whole_board
from edgert.emulator.runs import Runs
from edgert.emulator.spec import BoardSpec
from edgert.emulator.thermal import TwoNodeThermal
from edgert.emulator.throttle import Throttle

__all__ = ["PowerTrace", "Runs"]

Array = npt.NDArray[np.float64]


class PowerTrace:
    """Power and energy between any two times; see the module for how to use it.

    Held as energies above idle, by cause, summed up to each time at which the power changes. So
    a mean over any stretch is two look-ups, however many runs lie in it.
    """

    def __init__(
        self,
        whole: RailShare,
        edges_s: Array,
        compute_j: Array,
        memory_j: Array,
        temps: tuple[Array, Array],
    ) -> None:
        self.whole = whole
        self.start_s, self.end_s = float(edges_s[0]), float(edges_s[-1])
        self._edges_s = edges_s
        self._compute_j = compute_j
        self._memory_j = memory_j
        self._temps = temps

    @classmethod
    def from_runs(
        cls,
        spec: BoardSpec,
        runs: Runs,
        *,
        end_s: float,
        start_s: float = 0.0,
        settled_w: float | None = None,
        fan_running: bool = True,
    ) -> "PowerTrace":
        """Live through `runs` between two times.

        Args:
            spec: The board; its `throttle.poll_s` is the step in which leakage follows the heat.
            runs: What ran. The part of a run that lies outside the two times is left out. A
                throttled board draws less in the time given, as one that gets less work done.
            end_s: Where the trace ends.
            start_s: Where it starts.
            settled_w: Constant power at which the board has settled before the start; by
                default it starts where the spec says.
            fan_running: Whether the fan turns.
        """
        if end_s <= start_s:
            raise ValueError(f"a trace needs time: {start_s} to {end_s} s")
        polls_s = np.append(np.arange(start_s, end_s, spec.throttle.poll_s), end_s)
        edges_s, compute, memory = _square_waves(runs, polls_s)
        lengths_s = np.diff(edges_s)
        chunks = np.searchsorted(polls_s, edges_s[:-1], side="right") - 1
        thermal = TwoNodeThermal(spec.thermal, idle_power_w=spec.power.idle_w)
        thermal.fan_running = fan_running
        if settled_w is not None:
            thermal.die_c, thermal.sink_c = thermal.steady_state(settled_w)
        count = len(polls_s) - 1
        busy_s = [
            np.bincount(chunks, ratio * lengths_s, count).astype(np.float64)
            for ratio in (compute, memory)
        ]
        factors_w, die_c = _live(spec, thermal, polls_s, busy_s)
        compute_j = np.append(0.0, np.cumsum(compute * lengths_s * factors_w[0][chunks]))
        memory_j = np.append(0.0, np.cumsum(memory * lengths_s * factors_w[1][chunks]))
        return cls(whole_board(spec.power), edges_s, compute_j, memory_j, (polls_s, die_c))

    def energy_j(
        self, from_s: npt.ArrayLike, to_s: npt.ArrayLike, rail: RailShare | None = None
    ) -> Array:
        """True energy (J) between two times, or between arrays of them."""
        rail = rail or self.whole
        start, end = np.asarray(from_s, np.float64), np.asarray(to_s, np.float64)
        compute = self._interpolated(end, self._compute_j)
        compute = compute - self._interpolated(start, self._compute_j)
        memory = self._interpolated(end, self._memory_j)
        memory = memory - self._interpolated(start, self._memory_j)
        idle: Array = rail.idle_w * (end - start)
        return idle + rail.compute_ratio * compute + rail.memory_ratio * memory

    def mean_w(
        self, from_s: npt.ArrayLike, to_s: npt.ArrayLike, rail: RailShare | None = None
    ) -> Array:
        """True mean power (W) between two times, or between arrays of them."""
        length: Array = np.asarray(to_s, np.float64) - np.asarray(from_s, np.float64)
        return self.energy_j(from_s, to_s, rail) / length

    def power_at(self, times_s: npt.ArrayLike, rail: RailShare | None = None) -> Array:
        """True power (W) at each time; at an edge, what follows it."""
        rail = rail or self.whole
        times = np.asarray(times_s, np.float64)
        last = len(self._edges_s) - 2
        inside = (times >= self.start_s) & (times < self.end_s)
        segment = np.clip(np.searchsorted(self._edges_s, times, side="right") - 1, 0, last)
        length_s = np.diff(self._edges_s)[segment]
        compute = np.diff(self._compute_j)[segment] / length_s * inside
        memory = np.diff(self._memory_j)[segment] / length_s * inside
        power: Array = rail.idle_w + rail.compute_ratio * compute + rail.memory_ratio * memory
        return power

    def temp_at(self, times_s: npt.ArrayLike) -> Array:
        """Die temperature (°C) at each time, straight between the steps of the physics."""
        polls_s, die_c = self._temps
        return np.interp(np.asarray(times_s, np.float64), polls_s, die_c)

    def sensor_at(
        self,
        times_s: npt.ArrayLike,
        chip: Ina3221Spec,
        *,
        channel: int = 0,
        rail: RailShare | None = None,
        seed: int = 0,
    ) -> Array:
        """Power (W) that a reader of the chip's registers gets at each time: V times I."""
        steps = self._current_steps(times_s, chip, channel, rail, seed)
        watts: Array = steps * (chip.current_step_a * ina3221.bus_v(chip))
        return watts

    def registers_at(
        self,
        times_s: npt.ArrayLike,
        chip: Ina3221Spec,
        *,
        channel: int = 0,
        rail: RailShare | None = None,
        seed: int = 0,
    ) -> tuple[Array, Array]:
        """The same as the Linux driver gives it: whole mV and whole mA, two arrays."""
        steps = self._current_steps(times_s, chip, channel, rail, seed)
        curr_ma: Array = np.round(steps * (chip.current_step_a * 1e3))
        return np.full(steps.shape, round(ina3221.bus_v(chip) * 1e3), np.float64), curr_ma

    def _current_steps(
        self,
        times_s: npt.ArrayLike,
        chip: Ina3221Spec,
        channel: int,
        rail: RailShare | None,
        seed: int,
    ) -> Array:
        times = np.asarray(times_s, np.float64)
        batches, place = np.unique(
            ina3221.batches_at(chip, channel, times.ravel()), return_inverse=True
        )
        looks_s = ina3221.looks_of(chip, channel, batches)
        seen_w = self.mean_w(looks_s, looks_s + chip.conversion_s, rail).mean(axis=1)
        noise_v: Array | float = 0.0
        if chip.shunt_noise_v:
            noise_v = np.random.default_rng(seed).normal(0.0, chip.shunt_noise_v, seen_w.shape)
        steps: Array = ina3221.current_steps(chip, seen_w, noise_v)
        return steps[place].reshape(times.shape)

    def _interpolated(self, times_s: Array, energies_j: Array) -> Array:
        return np.interp(times_s, self._edges_s, energies_j)


def _square_waves(runs: Runs, polls_s: Array) -> tuple[Array, Array, Array]:
    """All times at which something changes (E,), and both ratios between them (E - 1,)."""
    start = np.clip(runs.start_s, polls_s[0], polls_s[-1])
    end = np.clip(runs.end_s, polls_s[0], polls_s[-1])
    edges_s, place = np.unique(np.concatenate([polls_s, start, end]), return_inverse=True)
    begins, ends = np.split(place[len(polls_s) :], 2)
    waves = []
    for ratio in (runs.compute_ratio, runs.memory_ratio):
        change = np.bincount(begins, ratio, len(edges_s)) - np.bincount(ends, ratio, len(edges_s))
        # What rounding leaves of a sum of many changes is no power.
        waves.append(np.where((wave := np.cumsum(change)[:-1]) > 1e-9, wave, 0.0))
    return edges_s, waves[0], waves[1]


def _live(
    spec: BoardSpec, thermal: TwoNodeThermal, polls_s: Array, busy_s: Sequence[Array]
) -> tuple[tuple[Array, Array], Array]:
    """Watts per ratio of compute and of memory in each step, and the die at each of its ends."""
    model, throttle = PowerModel(spec.power), Throttle(spec.throttle)
    compute_w, memory_w, die_c = [], [], [thermal.die_c]
    lengths_s = np.diff(polls_s).tolist()
    for length_s, compute_s, memory_s in zip(
        lengths_s, busy_s[0].tolist(), busy_s[1].tolist(), strict=True
    ):
        ratio = throttle.clock_ratio
        full = model.draw(ratio, ratio, ratio, thermal.die_c)
        energy_j = full.compute_w * compute_s + full.memory_w * memory_s
        thermal.step(length_s, spec.power.idle_w + energy_j / length_s)
        throttle.poll(thermal.die_c)
        compute_w.append(full.compute_w)
        memory_w.append(full.memory_w)
        die_c.append(thermal.die_c)
    return (np.array(compute_w), np.array(memory_w)), np.array(die_c)
