"""Where the temperature goes if all stays so: what the controller says, held against the truth."""

import pytest

from edgert.control import CONTROLLERS, open_controller
from edgert.control.base import ForecastingPolicy, PinnablePolicy
from edgert.control.controller import Controller
from tests.control.toy_board import BUDGET, EIGHT, NAMES, TRUE, driven


def pinned(name, **parts):
    controller = Controller(EIGHT, BUDGET, parts.pop("thermal", TRUE))
    controller.pin(name)
    return controller


@pytest.mark.parametrize("horizon_s", [2.0, 30.0, 60.0])
@pytest.mark.parametrize("name", [NAMES[0], NAMES[-1]])
def test_a_constant_load_ends_where_it_was_forecast(name, horizon_s):
    controller, toy, _ = driven(BUDGET, 60.0, controller=pinned(name))
    before_c, told_c = toy.die_c, controller.forecast_c(horizon_s)
    toy.run(controller, horizon_s)
    assert told_c == pytest.approx(toy.die_c, abs=0.8)
    if name == NAMES[-1] and horizon_s >= 30:  # standing still is no forecast
        assert abs(before_c - toy.die_c) > 1.0


def test_a_forecast_changes_nothing_in_what_is_decided():
    quiet, _, frames = driven(BUDGET, 20.0)
    asked = Controller(EIGHT, BUDGET, TRUE)
    seen = []
    decide = asked.decide

    def deciding(now_s, telemetry):
        seen.append(asked.forecast_c(30.0))
        return decide(now_s, telemetry)

    asked.decide = deciding
    _, _, others = driven(BUDGET, 20.0, controller=asked)
    assert [frame.decision for frame in frames] == [frame.decision for frame in others]
    assert quiet.state() == asked.state()
    assert seen[0] is None  # before the first reading nobody knows
    assert seen[-1] is not None


def test_a_forecast_is_warmer_the_more_is_drawn():
    forecasts_c = []
    for name in (NAMES[-1], NAMES[0]):
        controller, _, _ = driven(BUDGET, 20.0, controller=pinned(name))
        forecasts_c.append(controller.forecast_c(60.0))
    assert forecasts_c[0] > forecasts_c[1] + 1


@pytest.mark.parametrize("name", CONTROLLERS)
def test_only_the_predictive_controller_forecasts_and_all_are_pinned(name):
    controller = open_controller(name, EIGHT, BUDGET, TRUE)
    assert isinstance(controller, ForecastingPolicy) == (name == "predictive")
    assert isinstance(controller, PinnablePolicy)
