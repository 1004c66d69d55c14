"""Runs by hand that can be set side by side."""

from edgert.records import FrameLog, Limits, Profile, ProfileEntry, RunHeader

PROFILE = Profile(
    family="scene",
    device="a board",
    entries=[
        ProfileEntry(name="full", latency_s=0.08, accuracy=0.8, accuracy_from="miou of X"),
        ProfileEntry(name="small", latency_s=0.04, accuracy=0.6, accuracy_from="miou of X"),
    ],
)
LIMITS = Limits(deadline_s=0.1, power_w=11.0, temp_c=70.0)


def header(controller="predictive", **values):
    plain = {
        "family": "scene", "source": "/clips/bikes.mp4", "device": "a board", "board": "emulated",
        "controller": controller, "provenance": "emulated", "configurations": ["full", "small"],
        "limits": LIMITS, "profile": PROFILE,
    }  # fmt: skip
    return RunHeader(**{**plain, **values})


def frame(number, **values):
    plain = {
        "configuration": "full", "reason": "told", "latency_s": 0.05, "met_deadline": True,
        "power_w": 10.0, "temp_c": 60.0, "time_s": float(number),
    }  # fmt: skip
    return FrameLog(frame=number, **{**plain, **values})


def run(controller="predictive", count=20, **values):
    """Second half on `small`, the tenth frame late, the twelfth skipped, a budget step at 5 s."""
    frames = []
    for number in range(count):
        changes = {"configuration": "small" if number >= count // 2 else "full"}
        if number == count // 2:
            changes["switched"] = True
        if number == 9:
            changes.update(met_deadline=False, latency_s=0.2)
        if number == 11:
            changes.update(skip=True, latency_s=None, met_deadline=None)
        if number == 5:
            changes["limits"] = Limits(deadline_s=0.1, power_w=9.0, temp_c=70.0)
        frames.append(frame(number, **changes))
    return header(controller, **values), frames
