"""Any controller, so that it can be told what to run."""

import msgspec

from edgert.control.base import Policy
from edgert.records import Decision, FrameOutcome, Limits, Profile, TelemetrySample

_OF_THE_CHOICE = ("expected_latency_s", "expected_power_w")  # numbers about what it chose itself


class Pinnable:
    """Implements control.base.PinnablePolicy for a controller that has no pin of its own.

    While pinned the controller is asked as before, so that it goes on where it stands when it is
    let go, and is told what came of the frames: of a configuration that it did not choose, as
    where an engine was not loaded. No frame is left out.

    Args:
        policy: The controller.
        profile: That it was made from.
    """

    def __init__(self, policy: Policy, profile: Profile) -> None:
        self._policy = policy
        self._names = [entry.name for entry in profile.entries]
        self._pinned: str | None = None

    @property
    def limits(self) -> Limits:
        """The controller's; may be replaced between two frames."""
        return self._policy.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._policy.limits = limits

    def pin(self, configuration: str | None) -> None:
        """Run this configuration whatever the limits say; None: let the controller choose again.

        Raises:
            KeyError: The profile has none of that name.
        """
        if configuration is not None and configuration not in self._names:
            raise KeyError(f"{configuration!r} is not among {self._names}")
        self._pinned = configuration

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """See Policy.decide."""
        decision = self._policy.decide(now_s, telemetry)
        if self._pinned is None:
            return decision
        numbers = {name: n for name, n in decision.numbers.items() if name not in _OF_THE_CHOICE}
        return msgspec.structs.replace(
            decision,
            configuration=self._pinned,
            reason=f"{self._pinned} is pinned by the operator",
            skip=False,
            numbers=numbers,
        )

    def observe(self, outcome: FrameOutcome) -> None:
        """See Policy.observe."""
        self._policy.observe(outcome)
