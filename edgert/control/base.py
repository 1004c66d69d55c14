"""What every controller offers the frame loop."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from edgert.records import (
    ControllerState,
    Decision,
    FrameOutcome,
    Limits,
    Profile,
    TelemetrySample,
)


class Policy(Protocol):
    """Decides before every frame, and is told what came of it.

    It has no clock: times are handed in, on the clock that telemetry samples carry. `limits` may
    be replaced between two frames.
    """

    limits: Limits

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """The configuration for the frame that starts at `now_s`.

        Args:
            now_s: The time, never earlier than at the call before.
            telemetry: The newest sample; None when there is none.
        """
        ...

    def observe(self, outcome: FrameOutcome) -> None:
        """Learn from a frame that ran; skipped frames are not reported."""
        ...


@runtime_checkable
class LearningPolicy(Policy, Protocol):
    """A controller whose estimates are worth keeping from one start to the next."""

    def state(self) -> ControllerState:
        """What was learned."""
        ...

    def restore(self, state: ControllerState) -> None:
        """Go on from it; before the first decision only.

        Raises:
            ArtifactError: It was learned on another family, board or profile.
        """
        ...

    def take_profile(self, profile: Profile) -> None:
        """Go on with other figures of the same engines, between any two frames.

        Raises:
            NoFeasibleConfigurationError: The profile cannot be chosen from; nothing has changed.
        """
        ...


@runtime_checkable
class BelievingPolicy(Policy, Protocol):
    """A controller that can choose by other accuracies than the profile's."""

    def believe(self, accuracies: Mapping[str, float]) -> None:
        """Take these from the next decision on; {} brings the profile's back."""
        ...


@runtime_checkable
class PinnablePolicy(Policy, Protocol):
    """A controller that can be told what to run."""

    def pin(self, configuration: str | None) -> None:
        """Run this one whatever the limits say; None: choose again.

        Raises:
            KeyError: There is none of that name.
        """
        ...


@runtime_checkable
class ForecastingPolicy(Policy, Protocol):
    """A controller that knows where the temperature goes."""

    def forecast_c(self, horizon_s: float) -> float | None:
        """The die's temperature after a time at today's power; None: no reading so far."""
        ...
