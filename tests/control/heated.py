"""A true pair of bodies that is heated, and a model that sees its noisy, rounded readings."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from edgert.control.thermal_model import ThermalModel
from edgert.records import ThermalConstants
from edgert.two_nodes import TwoNodes
from tests.control.toy_board import TRUE

HORIZONS_S = (2.0, 8.0)
FIGURES = ("die_j_per_k", "sink_j_per_k", "die_to_sink_k_per_w", "sink_to_ambient_k_per_w")


def wrong(*factors: float) -> ThermalConstants:
    """The true constants, each times its factor."""
    changed = {
        name: getattr(TRUE, name) * factor for name, factor in zip(FIGURES, factors, strict=True)
    }
    return msgspec.structs.replace(TRUE, **changed)


def nodes_of(constants: ThermalConstants) -> TwoNodes:
    return TwoNodes(*(getattr(constants, name) for name in FIGURES))


@dataclass
class Heated:
    """Truth, sensor and model in step.

    noise_c, step_c: Of the sensor. `errors_c[h]`: forecast minus truth, as `forecasts` found it.
    """

    model: ThermalModel
    noise_c: float = 0.1
    step_c: float = 0.25
    seed: int = 1
    ambient_c: float = 25.0
    time_s: float = 0.0
    errors_c: dict[float, list[float]] = field(default_factory=lambda: {h: [] for h in HORIZONS_S})

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.nodes = nodes_of(TRUE)
        self.die_c, self.sink_c = self.nodes.steady_state(3.0, self.ambient_c)

    def reading_c(self) -> float:
        noisy = self.die_c + self.chance.gauss(0.0, self.noise_c)
        return round(noisy / self.step_c) * self.step_c if self.step_c else noisy

    def after(self, duration_s: float, power_w: float) -> tuple[float, float]:
        return self.nodes.after(
            duration_s, self.die_c, self.sink_c, power_w=power_w, ambient_c=self.ambient_c
        )

    def live(
        self,
        duration_s: float,
        power_w: Callable[[float], float],
        *,
        step_s: float = 0.5,
        warming_c_per_s: float = 0.0,
        forecasts: bool = False,
    ) -> None:
        """Heat for a while; `power_w` is a function of time. Forecasts are held against truth."""
        for _ in range(round(duration_s / step_s)):
            watts = power_w(self.time_s)
            self.die_c, self.sink_c = self.after(step_s, watts)
            self.ambient_c += warming_c_per_s * step_s
            self.time_s += step_s
            self.model.observe(self.time_s, self.reading_c(), watts)
            if forecasts:
                self.forecast(watts)

    def forecast(self, power_w: float) -> None:
        die_c, sink_c = self.model.now(self.time_s, power_w)
        for horizon_s, errors in self.errors_c.items():
            told_c = self.model.forecast_c(horizon_s, die_c, sink_c, power_w)
            errors.append(told_c - self.after(horizon_s, power_w)[0])


def rms(values: list[float]) -> float:
    return (sum(value * value for value in values) / len(values)) ** 0.5


def steps(seed: int = 3, *, every_s: float = 20.0, least_w: float = 4.0, most_w: float = 14.0):
    """Power that jumps to another value every so often."""

    def power_w(time_s: float) -> float:
        chance = random.Random(f"{seed}/{int(time_s / every_s)}")
        return chance.uniform(least_w, most_w)

    return power_w
