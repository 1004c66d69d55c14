"""How much power may be drawn: the least of what budget, heat and the mission's energy leave.

Each of them gives two figures: what a configuration that runs may go on drawing, and what one may
draw that is to be entered. The second looks further ahead, so that a configuration is not entered
only to be left again.
"""

import math
from functools import lru_cache
from typing import NamedTuple

from edgert.control.energy_plan import EnergyPlan
from edgert.control.over_current import OverCurrent
from edgert.control.thermal_model import ThermalModel
from edgert.control.tuning import Tuning
from edgert.records import Limits

WARMER_C = 5.0  # air that a blind controller reckons with


class Cap(NamedTuple):
    """Watts to hold and to enter, and what they come from, in words."""

    hold_w: float
    enter_w: float
    words: str


NO_CAP = Cap(math.inf, math.inf, "")


def tightest(caps: list[Cap]) -> Cap:
    """The least figures, named after what binds an entry."""
    if not caps:
        return NO_CAP
    binding = min(caps, key=lambda cap: cap.enter_w)
    return Cap(min(cap.hold_w for cap in caps), binding.enter_w, binding.words)


def budget_cap(limits: Limits, over_current: OverCurrent, tuning: Tuning) -> Cap | None:
    """What the operator allows, less what over-current events cost."""
    if limits.power_w is None:
        return None
    hold_w = limits.power_w * over_current.ratio * (1 - tuning.power_room_ratio)
    words = over_current.words or _budget_words(limits.power_w)
    return Cap(hold_w, hold_w * (1 - tuning.enter_room_ratio), words)


def over_current_cap(drawn_w: float, over_current: OverCurrent) -> Cap | None:
    """Without a budget, events take their share off what was drawn when they came."""
    if not over_current.words:
        return None
    cap_w = drawn_w * over_current.ratio
    return Cap(cap_w, cap_w, over_current.words)


def heat_cap(
    limits: Limits,
    model: ThermalModel,
    tuning: Tuning,
    *,
    now_s: float,
    drawn_w: float,
    read_s: float,
) -> Cap | None:
    """What the die's limit leaves, by the thermal model.

    Args:
        limits: With or without a temperature.
        model: Ready: it has seen a reading.
        tuning: The constants.
        now_s: The present.
        drawn_w: Mean power since the model's last update.
        read_s: When a temperature was last read.
    """
    if limits.temp_c is None:
        return None
    blind_s = max(now_s - read_s - tuning.heat_step_s, 0.0)
    limit_c = limits.temp_c - tuning.guard_c - tuning.blind_c_per_s * min(blind_s, 60.0)
    limit_c -= max(model.surprise_c, 0.0)  # a model that is too cool is not believed
    if not model.calibrated:
        limit_c -= tuning.guard_c  # the constants are a guess
    words = _heat_words(limits.temp_c)
    if blind_s > tuning.blind_s:
        safe_w = max(model.sustained_w(limit_c, warmer_c=WARMER_C), 0.0)
        return Cap(safe_w, safe_w, f"{words}, no temperature for {blind_s:.0f} s")
    die_c, sink_c = model.now(now_s, drawn_w)
    hold_w = max(model.cap_w(tuning.hold_s, die_c, sink_c, limit_c), 0.0)
    enter_w = max(model.cap_w(tuning.enter_s, die_c, sink_c, limit_c), 0.0)
    return Cap(hold_w, min(enter_w, hold_w), words)


def energy_cap(limits: Limits, plan: EnergyPlan, tuning: Tuning) -> Cap | None:
    """What the mission's energy leaves; without a mission's length there is nothing to pace."""
    if limits.energy_j is None:
        return None
    if limits.mission_s is None:
        if plan.spent_j < limits.energy_j:
            return None
        return Cap(0.0, 0.0, f"the energy of {limits.energy_j:.0f} J, which is spent")
    if plan.elapsed_s >= limits.mission_s:
        return None
    energy_j, mission_s = limits.energy_j, limits.mission_s
    hold_w = plan.cap_w(tuning.energy_hold_s, energy_j=energy_j, mission_s=mission_s)
    enter_w = plan.cap_w(tuning.energy_enter_s, energy_j=energy_j, mission_s=mission_s)
    words = _energy_words(limits.energy_j, limits.mission_s)
    # In debt the shorter horizon is the stricter one.
    return Cap(max(hold_w, enter_w), min(hold_w, enter_w), words)


# Said before every frame, and the same until a limit changes.
@lru_cache(maxsize=8)
def _budget_words(power_w: float) -> str:
    return f"the budget of {power_w:.2f} W"


@lru_cache(maxsize=8)
def _heat_words(temp_c: float) -> str:
    return f"the limit of {temp_c:.1f} °C"


@lru_cache(maxsize=8)
def _energy_words(energy_j: float, mission_s: float) -> str:
    return f"the energy of {energy_j:.0f} J for {mission_s:.0f} s"
