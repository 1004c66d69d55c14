"""A profile of three engines, as logs are replayed with."""

from edgert.records import Profile, ProfileEntry

PROFILE = Profile(
    family="f",
    device="cpu",
    entries=[
        ProfileEntry(name="full", latency_s=0.060, power_w=13.8, accuracy=0.7),
        ProfileEntry(name="c50", latency_s=0.035, power_w=12.3, accuracy=0.6),
        ProfileEntry(name="c30", latency_s=0.024, power_w=11.2, accuracy=0.5),
    ],
)
