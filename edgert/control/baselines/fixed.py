"""Controllers that never switch: what a run does without control, at either end of the family."""

from edgert.control.baselines.figures import rungs_from_profile
from edgert.records import (
    Decision,
    FrameOutcome,
    Limits,
    Profile,
    TelemetrySample,
    ThermalConstants,
)


class FixedDearest:
    """Always the dearest configuration, whatever the limits say."""

    _place, _words = 0, "dearest"

    def __init__(
        self, profile: Profile, limits: Limits, thermal: ThermalConstants | None = None
    ) -> None:
        name = rungs_from_profile(profile)[self._place].name
        self.limits = limits
        self._decision = Decision(
            configuration=name, reason=f"fixed: {name}, the {self._words}, whatever the limits say"
        )

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """The same decision every time."""
        return self._decision

    def observe(self, outcome: FrameOutcome) -> None:
        """Nothing to learn."""


class FixedCheapest(FixedDearest):
    """Always the cheapest configuration, whatever the limits say."""

    _place, _words = -1, "cheapest"
