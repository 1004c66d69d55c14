"""The frame loop, frame by frame."""

import msgspec
import numpy as np
import pytest

from edgert.artifacts import read_run
from edgert.errors import SensorReadError
from edgert.records import Limits, TelemetrySample
from tests.runtime.fakes import FakeOverlay, FakeSource, Rig, ScriptedPolicy, Telemetry


def sample(time_s=0.0, **values):
    return TelemetrySample(time_s=time_s, source="listed", provenance="measured", **values)


def test_every_frame_is_read_run_written_and_logged(tmp_path):
    rig = Rig(frames=5, log=tmp_path / "run" / "decisions.jsonl")
    summary = rig.run()
    assert summary.frames == len(rig.sink.images) == len(rig.pool.runs) == 5
    assert [image[0, 0, 0] for image in rig.sink.images] == list(range(5))
    assert summary.shares == {"full": 1.0}
    assert (summary.dropped, summary.switches, summary.skipped, summary.misses) == (2, 0, 0, 0)
    assert summary.latency_median_s == pytest.approx(0.060)
    header, lines = read_run(tmp_path / "run" / "decisions.jsonl")
    assert header == rig.header
    assert lines == rig.lines
    assert [line.frame for line in lines] == list(range(5))


def test_the_virtual_clock_keeps_the_period_or_the_latency():
    rig = Rig(ScriptedPolicy("full", "c30"), limits=Limits(period_s=0.05), frames=4)
    summary = rig.run()
    assert [line.time_s for line in rig.lines] == pytest.approx([0, 0.06, 0.11, 0.16])
    assert summary.duration_s == pytest.approx(0.21)


def test_without_a_period_virtual_frames_follow_each_other():
    rig = Rig(ScriptedPolicy("full", ("full", True), "c30"), limits=Limits(), frames=4)
    rig.run()
    # The second frame is skipped and lasts 1 / fps.
    assert [line.time_s for line in rig.lines] == pytest.approx([0, 0.06, 0.16, 0.184])


def test_latency_may_be_scaled_and_counts_preprocessing():
    rig = Rig(latency_scale=0.5, preprocess_s=0.01, limits=Limits(deadline_s=0.034))
    summary = rig.run()
    assert summary.latency_median_s == pytest.approx(0.035)
    assert summary.preprocess_median_s == pytest.approx(0.005)
    assert summary.misses == 10
    assert rig.policy.outcomes[0].preprocess_s == pytest.approx(0.005)
    assert rig.lines[0].numbers == pytest.approx({"a": 1, "preprocess_s": 0.005})
    assert rig.lines[0].met_deadline is False


def test_switches_happen_between_frames_and_are_counted():
    rig = Rig(ScriptedPolicy("c70", "c70", "c30", "full", "full"), frames=5)
    summary = rig.run()
    assert rig.pool.runs == ["c70", "c70", "c30", "full", "full"]
    assert [line.switched for line in rig.lines] == [False, False, True, True, False]
    assert summary.switches == 2
    assert summary.switch_median_s == pytest.approx(0.0002)
    assert summary.shares == pytest.approx({"c70": 0.4, "c30": 0.2, "full": 0.4})
    assert rig.lines[2].numbers["switch_s"] == pytest.approx(0.0002)


def test_the_policy_sees_telemetry_and_every_outcome():
    readings = [sample(0.1 * n, power_w=5.0 + n, temp_c=50.0) for n in range(4)]
    rig = Rig(frames=3, telemetry=Telemetry(*readings), limits=Limits(deadline_s=0.05))
    rig.run()
    assert rig.policy.samples == readings[:3]
    assert [outcome.power_w for outcome in rig.policy.outcomes] == [5, 6, 7]
    assert [outcome.met_deadline for outcome in rig.policy.outcomes] == [False] * 3
    assert rig.lines[2].power_w == 7


def test_a_sensor_that_does_not_answer_is_a_gap_and_no_end():
    failure = SensorReadError("read VDD_IN", expected="milliwatts", got="nothing", advice="Wait")
    telemetry = Telemetry(sample(0, power_w=4.0), failure, None, sample(3, power_w=6.0))
    rig = Rig(frames=3, telemetry=telemetry)
    summary = rig.run()
    assert rig.policy.samples[1:] == [None, None]
    assert summary.telemetry_gaps == 2
    assert summary.energy_j == pytest.approx(15.0)
    assert summary.energy_from == "measured"


def test_time_over_the_limits_is_added_up():
    readings = [
        sample(0, power_w=5.0, temp_c=60.0),
        sample(1, power_w=9.0, temp_c=71.0, throttled=True),
        sample(3, power_w=5.0, temp_c=72.0),
        sample(3.5, power_w=5.0, temp_c=69.0),
    ]
    rig = Rig(frames=3, telemetry=Telemetry(*readings), limits=Limits(temp_c=70, power_w=8))
    summary = rig.run()
    assert (summary.over_temp_s, summary.over_power_s, summary.throttled_s) == (3, 1, 1)
    assert summary.temp_max_c == 72


def test_a_run_without_telemetry_has_no_energy():
    summary = Rig().run()
    assert (summary.energy_j, summary.energy_from, summary.temp_max_c) == (None, None, None)
    assert summary.telemetry_gaps == 0


def test_a_skipped_frame_shows_the_last_result_and_is_logged():
    overlay = FakeOverlay()
    rig = Rig(ScriptedPolicy("full", ("c30", True), "full"), frames=3, overlay=overlay)
    summary = rig.run()
    assert [image[0, 0, 0] for image in rig.sink.images] == [1, 1, 2]
    assert [image[1, 1, 1] for image in rig.sink.images] == [0, 1, 2]  # but its own picture
    assert rig.pool.runs == ["full", "full"]
    skipped = rig.lines[1]
    assert (skipped.skip, skipped.latency_s, skipped.met_deadline) == (True, None, None)
    assert not rig.lines[2].switched
    assert summary.skipped == 1
    assert len(rig.policy.outcomes) == 2
    assert overlay.strips[1].latency_s == pytest.approx(0.060)


def test_each_result_is_handed_out_with_its_frame_and_its_line():
    told = []
    rig = Rig(
        ScriptedPolicy("full", ("c30", True), "c70"), frames=3,
        on_result=lambda frame, line, logits: told.append((frame, line, logits)),
    )  # fmt: skip
    rig.run()
    assert [frame.index for frame, _, _ in told] == [0, 1, 2]
    assert [frame.image[0, 0, 0] for frame, _, _ in told] == [0, 1, 2]
    assert [line for _, line, _ in told] == rig.lines
    assert [None if logits is None else logits[0, 0, 0, 0] for *_, logits in told] == [1, None, 2]


def test_a_skipped_frame_without_overlay_goes_to_the_sink_as_it_is():
    rig = Rig(ScriptedPolicy("full", ("full", True)), frames=2)
    rig.run()
    assert [image[0, 0, 0] for image in rig.sink.images] == [0, 1]


def test_the_first_frame_is_never_skipped():
    rig = Rig(ScriptedPolicy(("full", True)), frames=2)
    rig.run()
    assert [line.skip for line in rig.lines] == [False, True]


def test_the_strip_says_what_is_held():
    limits = Limits(deadline_s=0.07, temp_c=70, power_w=15, period_s=0.07)
    overlay = FakeOverlay()
    Rig(frames=1, overlay=overlay, limits=limits, board=True).run()
    strip = overlay.strips[0]
    assert (strip.configuration, strip.provenance) == ("full", "emulated")
    assert (strip.temp_limit_c, strip.power_limit_w, strip.deadline_s) == (70, 15, 0.07)
    assert strip.temp_c == pytest.approx(45, abs=0.5)
    assert strip.latency_s == pytest.approx(0.06)


def test_sink_and_log_are_optional():
    rig = Rig(frames=2)
    rig.loop._sink = None
    assert rig.run().frames == 2


def test_a_stop_request_ends_after_the_frame_in_progress(tmp_path):
    rig = Rig(frames=100, log=tmp_path / "log")

    def stop_at_the_third(line):
        if line.frame == 2:
            rig.loop.request_stop()

    rig.loop._on_frame = stop_at_the_third
    summary = rig.run()
    assert (summary.frames, summary.stopped) == (3, True)
    assert len(rig.sink.images) == 3
    assert (rig.sink.closed, rig.source.closed) == (1, 1)
    assert len(read_run(tmp_path / "log")[1]) == 3


def test_an_empty_source_is_an_empty_run():
    summary = Rig(frames=0).run()
    assert (summary.frames, summary.duration_s, summary.latency_median_s) == (0, 0, None)


def test_damage_of_the_source_is_reported():
    rig = Rig(source=FakeSource(2, damage="3 frames could not be decoded"))
    assert rig.run().damage == "3 frames could not be decoded"


def test_a_loop_runs_once():
    rig = Rig(frames=1)
    rig.run()
    with pytest.raises(ValueError, match="runs once"):
        rig.run()


def test_the_summary_is_json():
    text = msgspec.json.encode(Rig(frames=2, board=True).run())
    assert msgspec.json.decode(text)["energy_from"] == "emulated"


def test_the_emulated_board_slows_frames_down_and_books_engine_time_only():
    rig = Rig(frames=3, board=True, preprocess_s=0.01, limits=Limits())
    rig.board.throttle.clock_ratio = 0.5
    booked = []
    rig.board.run_engine = lambda name, busy_s: booked.append((name, busy_s))
    rig.run()
    assert [line.latency_s for line in rig.lines] == pytest.approx([0.14] * 3, abs=0.05)
    name, busy_s = booked[0]
    assert (name, busy_s) == ("full", pytest.approx(0.12))
    assert isinstance(rig.sink.images[0], np.ndarray)
