"""One frame's way, apart from any loop."""

import gc
import weakref

import numpy as np
import pytest

from edgert.control import Controller, open_controller
from edgert.errors import SettingsError
from edgert.records import Limits, TelemetrySample
from tests.runtime.fakes import PROFILE, ScriptedPolicy, Telemetry
from tests.runtime.stream_fakes import FakeEngines, KeepingPolicy, family, serving_of

IMAGE = np.zeros((4, 4, 3), np.uint8)
LIMITS = Limits(deadline_s=0.5, power_w=12.0)


def serve(serving, index=0, now_s=1.0, **parts):
    given = {"limits": serving.limits, "may_skip": True} | parts
    return serving.serve(IMAGE, index=index, now_s=now_s, begin_s=0.5, **given)


def reading(time_s, power_w=6.0, temp_c=40.0):
    return TelemetrySample(
        time_s=time_s, source="x", provenance="emulated", power_w=power_w, temp_c=temp_c
    )


def test_a_frame_has_its_line_and_what_the_engine_saw():
    serving = serving_of(telemetry=Telemetry(reading(1.0)))
    served = serve(serving, index=7, stream="door", deadline_s=10.0)
    line = served.line
    assert (line.frame, line.time_s, line.now_s, line.stream) == (7, 0.5, 1.0, "door")
    assert (line.configuration, line.power_w, line.met_deadline) == ("full", 6.0, True)
    assert served.tensor.shape == (1, 3, 4, 4)
    assert served.logits.shape == (1, 2, 3, 4)
    assert (serving.last, serving.sample) == (line, reading(1.0))
    skipped = serve(serving_of(policy=KeepingPolicy(("full", True))))
    assert (skipped.line.skip, skipped.tensor, skipped.logits) == (True, None, None)


def test_a_controller_that_can_not_be_pinned_says_so():
    serving = serving_of(policy=ScriptedPolicy("full"))
    serving.pin(None)  # nothing to let go of
    with pytest.raises(SettingsError, match="pin full: expected a controller that can be told"):
        serving.pin("full")
    assert serving.pinned is None


def test_a_pin_on_what_there_is_not_names_what_there_is():
    serving = serving_of()
    with pytest.raises(SettingsError, match="'full', 'c70', 'c50', 'c30'"):
        serving.pin("c99")


def test_the_header_of_a_log_that_goes_on_has_what_was_learned():
    controller = open_controller("predictive", PROFILE, LIMITS)
    serving = serving_of(policy=controller, limits=LIMITS, telemetry=Telemetry(reading(1.0)))
    serving.pin("c50")
    for index in range(20):
        serve(serving, index=index, now_s=1.0 + 0.1 * index)
    header = serving.header_now()
    assert header.state == controller.state()
    assert header.state.pinned == "c50"
    assert (header.limits, header.profile) == (LIMITS, PROFILE)
    with pytest.raises(ValueError, match="without a header"):
        serving_of(header=None).header_now()


def test_what_was_believed_is_told_again_behind_a_new_header():
    policy = open_controller("predictive", PROFILE, LIMITS)
    serving = serving_of(policy=policy, limits=LIMITS)
    believed = {"full": 0.8, "c70": 0.7, "c50": 0.6, "c30": 0.5}
    serving.believe(believed)
    assert serve(serving).line.believed == believed
    serving.believe(dict(believed))
    assert serve(serving, now_s=1.1).line.believed is None
    serving.header_now()
    assert serve(serving, now_s=1.2).line.believed == believed


def test_only_controllers_that_know_heat_forecast():
    assert serving_of().forecast_c(30.0) is None
    controller = Controller(PROFILE, LIMITS)
    serving = serving_of(policy=controller, limits=LIMITS, telemetry=Telemetry(reading(1.0)))
    assert serving.forecast_c(30.0) is None
    serve(serving)
    assert isinstance(serving.forecast_c(30.0), float)


def test_work_that_no_frame_is_about_is_booked_on_the_board():
    class Board:
        name, slowdown, energy_j = "b", 2.0, 0.0

        def __init__(self):
            self.booked = []

        def run_engine(self, name, busy_s):
            self.booked.append((name, busy_s))

        def read(self):
            return None

        def close(self):
            pass

    board = Board()
    serving = serving_of(board=board)
    assert serving.book("full", 0.001) == 0.002
    assert board.booked == [("full", 0.002)]
    assert serving_of().book("full", 0.001) == 0.001


def test_it_draws_only_with_a_family():
    painter = serving_of(FakeEngines(), family=family()).painter(64, 48)
    logits = np.zeros((1, 2, 3, 4), np.float32)
    from edgert.video.overlay import StripText

    picture = painter.draw(np.zeros((48, 64, 3), np.uint8), logits, StripText("full"))
    assert picture.shape[1] == 64
    with pytest.raises(ValueError, match="with a family"):
        serving_of().painter(64, 48)


def test_one_that_is_out_of_use_is_let_go_of_at_once():
    """Its buffers and the threads that resize pictures go with it, not hours later."""
    gc.disable()
    try:
        serving = serving_of(telemetry=Telemetry(reading(1.0)))
        serve(serving)
        gone = weakref.ref(serving)
        del serving
        assert gone() is None
    finally:
        gc.enable()
