"""What an emulated board draws for the work that was done on it.

    P = P_idle + (P_compute u_c (f/f_max)^k + P_memory u_m) (1 + leakage (T - T_ref))

The form follows the project's notes on Jetson boards; the exponent k (2.2) and the leakage
(0.006 per K) are placeholders until they are fitted to a real board.

Work is counted, not timed: an engine's compute is its MACs relative to those of a reference
engine, whose run back to back draws the board's full power. So the energy of a run does not
depend on how fast the machine underneath is, nor on a hiccup in one measured latency.
"""

from typing import Annotated, NamedTuple

import msgspec

from edgert.records import NotNegative, Positive, Record

LEAST_LEAKAGE_FACTOR = 0.1  # the linear form is not meant for deep cold


class PowerSpec(Record, frozen=True, kw_only=True):
    """Constants of the power model, in watts at full clock and `leakage_reference_c`.

    `idle_rails_w` is the idle draw of the rails below the module's input, part of `idle_w`.
    """

    idle_w: Positive
    compute_w: Positive
    memory_w: NotNegative
    clock_exponent: Annotated[float, msgspec.Meta(ge=1, le=4)] = 2.2
    leakage_per_k: Annotated[float, msgspec.Meta(ge=0, le=0.05)] = 0.006
    leakage_reference_c: float = 50.0
    idle_rails_w: dict[str, NotNegative] = msgspec.field(default_factory=dict)
    input_rail: str = "VDD_IN"
    compute_rail: str = "VDD_CPU_GPU_CV"
    memory_rail: str = "VDD_SOC"

    @property
    def busy_power_w(self) -> float:
        """What the reference engine draws back to back at the leakage reference temperature."""
        return self.idle_w + self.compute_w + self.memory_w


class EngineLoad(Record, frozen=True, kw_only=True):
    """What one run of an engine asks of a board: its time at full clock, MACs, bytes moved.

    Unknown MACs count as a fully busy board for `latency_s`; unknown bytes go with the MACs.
    """

    latency_s: Positive
    macs: int | None = None
    size_bytes: int | None = None


class Draw(NamedTuple):
    """Power above idle, in watts, by what causes it."""

    compute_w: float
    memory_w: float


class PowerModel:
    """The formula of this module with a reference engine filled in.

    Args:
        spec: The constants.
        reference: The dearest engine; back to back it draws `spec.busy_power_w`. None: every
            engine counts as fully busy while it runs.
    """

    def __init__(self, spec: PowerSpec, reference: EngineLoad | None = None) -> None:
        self.spec = spec
        self.reference = reference

    def work_s(self, load: EngineLoad) -> tuple[float, float]:
        """Seconds of full compute and full memory use, at full clock, in one run of `load`."""
        reference = self.reference
        if reference is None or not reference.macs or load.macs is None:
            compute_s = load.latency_s
        else:
            compute_s = load.macs / reference.macs * reference.latency_s
        if reference is None or not reference.size_bytes or load.size_bytes is None:
            return compute_s, compute_s
        return compute_s, load.size_bytes / reference.size_bytes * reference.latency_s

    def draw(
        self, compute_rate: float, memory_rate: float, clock_ratio: float, temp_c: float
    ) -> Draw:
        """Power above idle while work goes through at these rates.

        Args:
            compute_rate: Work done per second, 1 = the full-clock capacity.
            memory_rate: The same for memory, whose clock is not lowered.
            clock_ratio: Compute clock over its maximum, above 0.
            temp_c: Die temperature, for the leakage.
        """
        spec = self.spec
        leak = 1 + spec.leakage_per_k * (temp_c - spec.leakage_reference_c)
        leak = max(leak, LEAST_LEAKAGE_FACTOR)
        utilisation = compute_rate / clock_ratio
        compute_w = spec.compute_w * utilisation * clock_ratio**spec.clock_exponent
        return Draw(compute_w * leak, spec.memory_w * memory_rate * leak)

    def predict(self, load: EngineLoad, *, temp_c: float) -> tuple[float, float]:
        """Power (W) and energy per run (J) of an engine run back to back at full clock.

        The energy is the whole board's over the run, idle share included. It is what the
        emulated board then shows, at the same temperature.
        """
        compute_s, memory_s = self.work_s(load)
        draw = self.draw(compute_s / load.latency_s, memory_s / load.latency_s, 1.0, temp_c)
        power_w = self.spec.idle_w + draw.compute_w + draw.memory_w
        return power_w, power_w * load.latency_s
