"""What every controller offers the frame loop, and the order of configurations they share."""

from typing import Protocol

from edgert.records import Decision, FrameOutcome, Profile, ProfileEntry, TelemetrySample


class Policy(Protocol):
    """Decides before every frame, and is told what came of it.

    It has no clock: times are handed in, on the clock that telemetry samples carry.
    """

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


def rungs_from_profile(profile: Profile) -> tuple[ProfileEntry, ...]:
    """The profile's entries, dearest first: by latency, then power, then as they stand."""
    return tuple(
        sorted(profile.entries, key=lambda entry: (-entry.latency_s, -(entry.power_w or 0.0)))
    )
