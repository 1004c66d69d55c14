"""Reasons that the controllers really give, as classes for a label."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.baselines.ladder import HysteresisLadder
from edgert.control.controller import Controller
from edgert.daemon.switch_reasons import CLASSES, switch_reason_class
from edgert.records import FrameOutcome, Limits, TelemetrySample
from tests.control.toy_board import EIGHT


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("full would take 61.2 of 50.0 ms: down to c630, the most accurate that fits", "deadline"),
        ("full would draw 13.90 W of 11.64 W (the budget of 12.00 W): down to c630", "power"),
        ("full would draw 13.90 W of 9.00 W (the limit of 70.0 °C): down to c630", "temperature"),
        ("full would draw 13.90 W of 9.00 W (the limit of 70.0 °C, no temperature for 9 s): "
         "down to c388", "temperature"),
        ("full would draw 13.90 W of 9.00 W (the energy of 900 J for 60 s): down", "energy"),
        ("full would draw 13.90 W of 9.00 W (over-current events (2 oc3): 90% of the power): "
         "down to c630", "over-current"),
        ("there is room: from c630 up to full", "room"),
        ("there is room: from c630 up to full; asked for c1212, not loaded", "room"),
        ("there is room, 31.0 ms expected: from c630 up to full", "room"),
        ("c388 is pinned by the operator, late: 61.0 of 50.0 ms", "pin"),
        ("c388 is pinned by the operator, over the budget of 9.00 W: 9.6 of 9.0 W", "pin"),
        ("no temperature was read yet: c388, the cheapest", "telemetry"),
        ("no power was read, and the profile has none: c388, the cheapest", "telemetry"),
        ("no telemetry for 3.0 s with a power or temperature limit to hold: from full down to c1",
         "telemetry"),
        ("3 of the last 20 frames over 50.0 ms: from full down to c1212", "deadline"),
        ("the board lowered its clock to 81%: from full down to c1212", "temperature"),
        ("temperature 71.0 °C over the limit 70.0 °C: from full down to c1212", "temperature"),
        ("power 13.20 W over the budget 12.00 W: from full down to c1212", "power"),
        ("full would take 61.2 of 50.0 ms: down to c1, the fastest; nothing keeps the deadline; "
         "telemetry is 3.1 s old", "deadline"),
        ("start with c630, the most accurate that fits", "other"),
        ("power: from full down to no telemetry", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_a_reason_has_the_class_of_what_was_decisive(reason: str, wanted: str) -> None:
    assert switch_reason_class(reason) == wanted


@given(st.text(max_size=200))
def test_any_text_has_one_of_few_classes(text: str) -> None:
    assert switch_reason_class(text) in CLASSES


def _switches(controller, samples, latency_s: float = 0.02) -> list[str]:
    """The reasons at which it switched, over a run."""
    reasons, before = [], None
    for number, given_sample in enumerate(samples):
        now_s = number * 0.1
        sample = given_sample and msgspec.structs.replace(given_sample, time_s=now_s)
        decision = controller.decide(now_s, sample)
        if before is not None and decision.configuration != before:
            reasons.append(decision.reason)
        before = decision.configuration
        controller.observe(
            FrameOutcome(
                configuration=decision.configuration,
                latency_s=latency_s,
                met_deadline=latency_s < (controller.limits.deadline_s or 1e9),
            )
        )
    return reasons


def _sample(**fields) -> TelemetrySample:
    return TelemetrySample(time_s=0.0, source="test", provenance="emulated", **fields)


@pytest.mark.parametrize("make", [Controller, HysteresisLadder])
def test_switches_of_real_controllers_have_the_class_of_the_limit_that_was_broken(make) -> None:
    dearest = max(EIGHT.entries, key=lambda entry: entry.latency_s)
    late = make(EIGHT, Limits(deadline_s=dearest.latency_s * 1.5))
    reasons = _switches(late, [None] * 300, latency_s=dearest.latency_s * 4)
    assert reasons
    assert {switch_reason_class(reason) for reason in reasons} == {"deadline"}
    hot = make(EIGHT, Limits(temp_c=70.0))
    cool, warm = _sample(temp_c=40.0, power_w=8.0), _sample(temp_c=79.0, power_w=8.0)
    reasons = _switches(hot, [cool] * 50 + [warm] * 200)
    assert "temperature" in {switch_reason_class(reason) for reason in reasons}
    assert {switch_reason_class(r) for r in reasons} <= {"temperature", "room", "telemetry"}
