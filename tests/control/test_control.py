"""The table of controllers, and the ones that never switch."""

import pytest

from edgert.control import CONTROLLERS, open_controller
from edgert.control.baselines.figures import rungs_from_profile
from edgert.errors import SettingsError
from edgert.records import FrameOutcome, Limits, Profile, ProfileEntry

PROFILE = Profile(
    family="f",
    device="cpu",
    entries=[
        ProfileEntry(name="mid", latency_s=0.02, power_w=9),
        ProfileEntry(name="full", latency_s=0.03, power_w=12),
        ProfileEntry(name="low-power", latency_s=0.02, power_w=5),
        ProfileEntry(name="small", latency_s=0.01),
    ],
)


def test_rungs_are_sorted_by_latency_then_power():
    assert [e.name for e in rungs_from_profile(PROFILE)] == ["full", "mid", "low-power", "small"]


@pytest.mark.parametrize("name", CONTROLLERS)
def test_every_controller_decides_and_observes(name):
    controller = open_controller(name, PROFILE, Limits())
    decision = controller.decide(0.0, None)
    assert decision.configuration in {"full", "small"}
    assert decision.reason
    controller.observe(
        FrameOutcome(configuration=decision.configuration, latency_s=0.03, met_deadline=True)
    )


@pytest.mark.parametrize(
    ("name", "runs"), [("fixed-dearest", "full"), ("fixed-cheapest", "small")]
)
def test_a_fixed_controller_never_switches(name, runs):
    controller = open_controller(name, PROFILE, Limits(deadline_s=0.001))
    for time_s in range(5):
        controller.observe(FrameOutcome(configuration=runs, latency_s=1, met_deadline=False))
        assert controller.decide(float(time_s), None).configuration == runs


def test_an_unknown_controller_is_refused_with_the_names_there_are():
    with pytest.raises(
        SettingsError, match="one of predictive, ladder, fixed-dearest, fixed-cheapest"
    ):
        open_controller("mpc", PROFILE, Limits())
