"""What every rival keeps to, whatever board, profile and clock do."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgert.control import open_controller
from edgert.records import FrameOutcome, Limits, Profile, ProfileEntry, TelemetrySample

RIVALS = ("alert", "alert-tuned", "pi", "lookup")
ANY = st.floats(allow_nan=True, allow_infinity=True)
LIMITS = st.builds(
    Limits,
    deadline_s=st.none() | st.floats(1e-4, 0.3),
    period_s=st.none() | st.floats(1e-3, 0.3),
    power_w=st.none() | st.floats(0.1, 20),
    temp_c=st.none() | st.floats(-20, 120),
    energy_j=st.none() | st.floats(1, 1e5),
    mission_s=st.none() | st.floats(1, 1e4),
)
PROFILES = st.lists(
    st.tuples(st.floats(1e-3, 0.2), st.none() | st.floats(0.5, 20), st.none() | st.floats(0, 1)),
    min_size=1,
    max_size=6,
).map(
    lambda rows: Profile(
        family="f",
        device="cpu",
        entries=[
            ProfileEntry(name=f"c{i}", latency_s=t, power_w=p, accuracy=q)
            for i, (t, p, q) in enumerate(rows)
        ],
    )
)
FRAMES = st.lists(
    st.tuples(
        st.floats(-5, 30),  # how far time moves: it may stand still or go back
        st.none() | st.tuples(st.floats(-5, 5), st.none() | ANY, st.none() | ANY),
        st.floats(0.1, 10) | ANY,
        st.none() | LIMITS,
    ),
    max_size=25,
)


def drive(name, profile, limits, frames):
    """The decisions of a run; frames are (time step, telemetry, slowdown, new limits)."""
    controller, now_s = open_controller(name, profile, limits), 0.0
    decisions = []
    for step_s, seen, slowdown, changed in frames:
        now_s += step_s
        if changed is not None:
            controller.limits = changed
        sample = None
        if seen is not None:
            age_s, temp_c, power_w = seen
            sample = TelemetrySample(
                time_s=now_s - age_s,
                source="test",
                provenance="emulated",
                temp_c=temp_c,
                power_w=power_w,
            )
        decision = controller.decide(now_s, sample)
        decisions.append(decision)
        if not decision.skip:
            latency_s = profile.entry(decision.configuration).latency_s * slowdown
            controller.observe(
                FrameOutcome(
                    configuration=decision.configuration,
                    latency_s=latency_s,
                    met_deadline=latency_s <= (controller.limits.deadline_s or math.inf),
                )
            )
    return decisions


@pytest.mark.parametrize("name", RIVALS)
@settings(max_examples=120, deadline=None)
@given(profile=PROFILES, limits=LIMITS, frames=FRAMES)
def test_any_run_gives_decisions_with_reasons_and_finite_numbers_twice_the_same(
    name, profile, limits, frames
):
    decisions = drive(name, profile, limits, frames)
    names = {entry.name for entry in profile.entries}
    for decision in decisions:
        assert decision.configuration in names
        assert decision.reason.startswith(("hold ", "from ", decision.configuration))
        values = {key: value for key, value in decision.numbers.items() if key != "temp_c"}
        assert all(math.isfinite(value) for value in values.values()), values
    assert drive(name, profile, limits, frames) == decisions


@pytest.mark.parametrize("name", RIVALS)
@settings(max_examples=30, deadline=None)
@given(
    profile=PROFILES,
    limits=st.builds(
        Limits, deadline_s=st.none() | st.floats(1e-4, 0.3), temp_c=st.floats(-20, 120)
    ),
)
def test_after_heat_every_rival_comes_back_to_where_a_fresh_one_is(name, profile, limits):
    if limits.deadline_s is not None:  # climbing wants some room, starting does not
        tight_s = [e.latency_s for e in profile.entries if e.latency_s <= limits.deadline_s]
        assume(all(latency_s * 1.06 <= limits.deadline_s for latency_s in tight_s))
    hot = [(0.5, (0.0, 130.0, 30.0), 1.0, None)] * 40
    cool = [(0.5, (0.0, -30.0, 0.0), 1.0, None)] * 240
    recovered = drive(name, profile, limits, hot + cool)[-1]
    fresh = drive(name, profile, limits, cool)[-1]
    assert recovered.configuration == fresh.configuration
    assert not recovered.skip
