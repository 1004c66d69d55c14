"""Several streams through one set of engines: turns, isolation, waiting, the end."""

import itertools
import logging
import threading

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.errors import InferenceError, ServiceBusyError, VideoError
from edgert.records import Limits, TelemetrySample, Wanted
from edgert.runtime import stream_loop
from edgert.runtime.stream import Stream
from tests.runtime.fakes import FakeSink, Telemetry
from tests.runtime.stream_fakes import (
    CLOCK,
    FailingSink,
    FakeEngines,
    FakeLive,
    FakeStreamSource,
    KeepingPolicy,
    Rig,
    family,
    serving_of,
    until,
)


def refused(subject="run an engine"):
    return InferenceError(subject, expected="an output", got="nothing", advice="Wait")


# ------------------------------------------------------------ turns


def test_streams_take_turns_and_every_frame_is_told():
    rig = Rig(FakeStreamSource(3), FakeStreamSource(3), FakeStreamSource(3)).run_until(9)
    assert rig.order() == ["s0", "s1", "s2"] * 3
    assert [each.line.frame for each in rig.told] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {each.line.stream for each in rig.told} == {"s0", "s1", "s2"}
    assert [source.closed for source in rig.sources] == [1, 1, 1]
    figures = rig.loop.figures()
    assert (figures.frames, figures.ran, figures.active) == (9, {"full": 9}, "full")
    assert [stream.served for stream in figures.streams] == [3, 3, 3]
    assert len(rig.engines.threads) == 1


def waits_for_others(order, frames):
    """The most frames of others between two of one stream that has more."""
    most = 0
    left = dict(frames)
    since = dict.fromkeys(frames, 0)
    for name in order:
        most = max(most, since[name])
        left[name] -= 1
        for other in since:
            since[other] = since[other] + 1 if other != name and left[other] else 0
    return most


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_no_stream_waits_for_more_than_one_frame_of_each_other(counts):
    rig = Rig(*(FakeStreamSource(count) for count in counts)).run_until(sum(counts))
    order = rig.order()
    frames = {f"s{place}": count for place, count in enumerate(counts)}
    assert {name: order.count(name) for name in frames} == frames
    assert waits_for_others(order, frames) <= len(counts) - 1


def test_the_measure_of_fairness_sees_an_unfair_order():
    assert waits_for_others(["s0", "s0", "s1"], {"s0": 2, "s1": 1}) == 2  # more than N - 1 = 1


def test_the_loop_sleeps_until_there_is_news_and_wakes_for_it():
    source = FakeStreamSource()
    rig = Rig(source)
    polls = []
    poll = source.poll
    source.poll = lambda: polls.append(1) or poll()
    with rig.running():
        until(lambda: rig.loop.figures().alive_s and polls)
        before = len(polls)
        threading.Event().wait(0.5)
        assert len(polls) - before <= 2  # not polled while nothing comes
        start_s = CLOCK.now_s()
        source.push()
        until(lambda: rig.told)
        assert CLOCK.now_s() - start_s < 0.3  # well before the next heartbeat


def test_an_idle_loop_reads_telemetry_about_once_a_second():
    read_s = []

    class Sensors(Telemetry):
        def read(self):
            read_s.append(CLOCK.now_s())
            return super().read()

    reading = TelemetrySample(time_s=0.0, source="listed", provenance="emulated", power_w=5.0)
    rig = Rig(FakeStreamSource(), serving_parts={"telemetry": Sensors(reading)})
    with rig.running():
        until(lambda: len(read_s) >= 3)
        assert rig.loop.figures().telemetry.power_w == 5.0
    gaps_s = [after - before for before, after in itertools.pairwise(read_s)]
    assert all(0.9 < gap_s < 1.5 for gap_s in gaps_s[1:-1]), gaps_s


def test_waiting_is_told_apart_from_latency():
    source = FakeStreamSource()
    source.push(arrived_s=CLOCK.now_s() - 0.5)
    rig = Rig(source, limits=Limits(deadline_s=0.3)).run_until(1)
    [told] = rig.told
    assert 0.5 <= told.wait_s < 5
    assert told.line.latency_s < 0.1
    assert told.line.met_deadline is True
    [stream] = rig.loop.figures().streams
    assert stream.wait_median_s == stream.wait_p95_s == told.wait_s
    assert stream.misses == 0


def test_frames_of_a_file_that_were_decoded_ahead_did_not_wait_for_their_turn():
    film = FakeStreamSource(live=False)
    for _ in range(3):
        film.push(arrived_s=CLOCK.now_s() - 5.0)
    rig = Rig(film, limits=Limits(period_s=0.02)).run_until(3)
    assert [each.wait_s < 1.0 for each in rig.told[1:]] == [True, True]


def test_a_file_rests_for_the_period_and_a_camera_until_half_a_frame_before_it():
    still = FakeStreamSource(3, live=False)
    rig = Rig(still, limits=Limits(period_s=0.05)).run_until(3)
    starts_s = [each.line.time_s for each in rig.told]
    assert starts_s[1] >= 0.049
    assert starts_s[2] >= 0.099
    camera = Rig(FakeStreamSource(3, fps=20.0), limits=Limits(period_s=0.1)).run_until(3)
    starts_s = [each.line.time_s for each in camera.told]
    assert 0.074 <= starts_s[1] < 0.1 + 1.0
    assert starts_s[2] >= 0.174
    eager = Rig(FakeStreamSource(3, fps=20.0)).run_until(3)
    assert eager.told[-1].line.time_s < 0.1 + 1.0


def test_a_frame_that_is_left_out_gives_a_file_rest_and_keeps_the_last_result():
    rig = Rig(
        FakeStreamSource(3, live=False, fps=20.0), policy=KeepingPolicy("full", ("c30", True))
    )
    rig.run_until(3)
    assert [each.line.skip for each in rig.told] == [False, True, True]
    assert rig.told[2].line.time_s - rig.told[1].line.time_s >= 0.049
    assert rig.engines.runs == ["full"]
    assert rig.loop.figures().skipped == 2


def test_the_first_frame_of_each_stream_runs():
    policy = KeepingPolicy(("full", True))
    rig = Rig(FakeStreamSource(2), FakeStreamSource(2), policy=policy).run_until(4)
    assert [each.line.skip for each in rig.told] == [False, False, True, True]


# ------------------------------------------------------------ limits, pause, pin


def test_limits_are_shared_among_the_streams_that_run():
    asked = Limits(deadline_s=0.05, period_s=0.08, power_w=9.0)
    sources = [FakeStreamSource(1), FakeStreamSource(1), FakeStreamSource(state="offline")]
    rig = Rig(*sources, limits=asked)
    with rig.running():
        until(lambda: len(rig.told) == 2)
        assert rig.policy.held[-1] == Limits(deadline_s=0.04, period_s=0.04, power_w=9.0)
        assert rig.loop.figures().limits == rig.policy.limits
        assert rig.loop.figures().wanted.limits == asked
        sources[2].set_state("running")
        until(lambda: rig.loop.figures().running == 3)
        sources[2].push()
        until(lambda: len(rig.told) == 3)
        assert rig.policy.held[-1].period_s == pytest.approx(0.08 / 3)
        assert rig.told[-1].line.limits == rig.policy.held[-1]


def test_a_frame_is_late_by_the_deadline_that_was_asked_for():
    engines = FakeEngines()
    engines.busy_s = 0.03
    limits = Limits(deadline_s=10.0, period_s=0.04)  # a turn of 0.02 s is missed
    rig = Rig(FakeStreamSource(1), FakeStreamSource(1), engines=engines, limits=limits)
    rig.run_until(2)
    assert [each.line.met_deadline for each in rig.told] == [True, True]
    assert [outcome.met_deadline for outcome in rig.policy.outcomes] == [False, False]
    assert rig.loop.figures().misses == 0
    # And with a deadline that the frame itself misses:
    engines = FakeEngines()
    engines.busy_s = 0.03
    rig = Rig(FakeStreamSource(1), engines=engines, limits=Limits(deadline_s=0.02)).run_until(1)
    assert rig.loop.figures().misses == rig.loop.figures().streams[0].misses == 1


def test_other_limits_hold_from_the_next_frame_on():
    source = FakeStreamSource(1)
    rig = Rig(source)
    with rig.running() as loop:
        until(lambda: len(rig.told) == 1)
        loop.change(Wanted(limits=Limits(power_w=7.0)))
        assert loop.figures().wanted.limits.power_w == 7.0
        source.push()
        until(lambda: len(rig.told) == 2)
    assert [each.power_w for each in rig.policy.held] == [None, 7.0]
    assert rig.told[1].line.limits == Limits(power_w=7.0)


def test_frames_are_taken_and_dropped_while_paused_and_files_wait():
    camera, film = FakeStreamSource(), FakeStreamSource(2, live=False)
    rig = Rig(camera, film, wanted=Wanted(limits=Limits(), paused=True))
    with rig.running() as loop:
        for _ in range(3):
            camera.push()
        until(lambda: loop.figures().streams[0].source.dropped.get("paused") == 3)
        assert not rig.told
        assert loop.figures().streams[0].source.dropped == {"newer frame": 1, "paused": 3}
        assert loop.submit(np.zeros((5, 5, 3), np.uint8)).result(10).configuration == "full"
        loop.change(Wanted(limits=Limits()))
        until(lambda: len(rig.told) == 2)
    assert rig.order() == ["s1", "s1"]


def test_a_pin_goes_to_the_controller_and_into_the_line():
    source = FakeStreamSource(1)
    rig = Rig(source)
    with rig.running() as loop:
        until(lambda: len(rig.told) == 1)
        loop.change(Wanted(limits=Limits(), pinned="c50"))
        source.push()
        until(lambda: len(rig.told) == 2)
        loop.change(Wanted(limits=Limits()))
        source.push()
        until(lambda: len(rig.told) == 3)
    assert rig.policy.pins == ["c50", None]
    pins = [each.line.pinned for each in rig.told]
    assert pins == [msgspec.UNSET, "c50", None]
    assert rig.engines.runs == ["full", "c50", "full"]


def test_a_pin_on_nothing_is_dropped_with_words(caplog):
    source = FakeStreamSource(1)
    rig = Rig(source, wanted=Wanted(limits=Limits(), pinned="c99")).run_until(1)
    figures = rig.loop.figures()
    assert figures.wanted.pinned is None
    assert "pin c99: expected a configuration of these engines" in figures.note
    assert figures.note in caplog.text


# ------------------------------------------------------------ what fails stays where it is


def test_a_source_that_fails_is_told_and_stops_nobody(caplog):
    broken, sound = FakeStreamSource(1), FakeStreamSource(3)
    broken.error = VideoError("read video rtsp://me:secret@x/", expected="frames", got="none",
                              advice="Look")  # fmt: skip
    rig = Rig(broken, sound).run_until(4)
    failed, fine = rig.loop.figures().streams
    assert (failed.source.state, failed.served) == ("failed", 1)
    assert "expected frames, got none" in failed.source.reason
    assert "secret" not in failed.source.reason + caplog.text
    assert (fine.source.state, fine.served) == ("running", 3)


def test_a_bug_in_a_source_stops_nobody():
    broken, sound = FakeStreamSource(), FakeStreamSource(2)
    broken.error = KeyError("oops")
    rig = Rig(broken, sound).run_until(2)
    assert rig.loop.figures().streams[0].source.reason == "KeyError: 'oops'"


def test_a_sink_that_fails_is_told_left_alone_and_tried_again(caplog, monkeypatch):
    monkeypatch.setattr("edgert.runtime.retries.FIRST_RETRY_S", 0.2)
    full = FailingSink(OSError(28, "No space left on device"), times=1)
    source, other = FakeStreamSource(1), FakeSink()
    rig = Rig(streams=[Stream("a", source, sinks=[full, other])])
    with rig.running() as loop:
        until(lambda: len(rig.told) == 1)
        [stream] = loop.figures().streams
        assert "No space left" in stream.sink_problem
        source.push()
        until(lambda: len(rig.told) == 2)
        assert not full.images  # left alone
        threading.Event().wait(0.25)
        source.push()
        until(lambda: len(rig.told) == 3)
        assert loop.figures().streams[0].sink_problem == ""
    assert (len(full.images), len(other.images)) == (1, 3)
    assert full.closed == other.closed == 1
    assert caplog.text.count("No space left") == 1


def test_an_overlay_that_fails_leaves_the_picture_as_it_is():
    class Broken:
        def draw(self, image, logits, strip):
            raise ValueError("2 labels, but scores are others")

    serving = serving_of(family=family())
    serving.painter = lambda width, height: Broken()
    sink = FakeSink()
    rig = Rig(serving=serving, streams=[Stream("a", FakeStreamSource(2), sinks=[sink])])
    rig.run_until(2)
    assert [image[0, 0, 0] for image in sink.images] == [0, 1]
    assert "2 labels" in rig.loop.figures().streams[0].sink_problem


def test_a_frame_that_no_input_can_be_made_of_is_lost_alone():
    def preprocess(image):
        if image[0, 0, 0] == 1:
            raise ValueError("no such size")
        return np.zeros((1, 3, 4, 4), np.float32)

    engines = FakeEngines()
    rig = Rig(
        FakeStreamSource(3),
        serving=serving_of(engines, preprocess=preprocess),
        engines=engines,
    ).run_until(2)
    assert [each.line.frame for each in rig.told] == [0, 2]
    assert rig.loop.figures().lost_frames == 1
    assert rig.loop.figures().streams[0].sink_problem == ""  # the frame after it was well


def test_engines_that_fail_now_and_then_cost_a_frame_and_always_the_loop():
    engines = FakeEngines()
    engines.error, engines.errors_left = refused(), 2
    rig = Rig(FakeStreamSource(4), engines=engines).run_until(2)
    assert rig.loop.figures().lost_frames == 2
    engines = FakeEngines()
    engines.error, engines.errors_left = refused(), 10**9
    source = FakeStreamSource(stream_loop.MOST_FAILURES)
    rig = Rig(source, engines=engines)
    with pytest.raises(InferenceError, match="expected an output"):
        rig.run_until(1)
    assert source.closed == 1  # an orderly end
    with pytest.raises(ServiceBusyError):
        rig.loop.submit(np.zeros((4, 4, 3), np.uint8))


def test_a_listener_that_fails_is_logged_and_stops_nobody(caplog):
    seen = []

    def listener(told):
        seen.append(told)
        raise KeyError("metrics")

    rig = Rig(FakeStreamSource(3), listener=listener)
    with rig.running():
        until(lambda: len(seen) == 3)
    assert "the listener failed on a frame of s0" in caplog.text
    assert rig.error is None


def test_streams_that_ended_stay_listed_and_the_loop_goes_on():
    source = FakeStreamSource(1)
    rig = Rig(source)
    with rig.running() as loop:
        until(lambda: rig.told)
        source.set_state("ended")
        until(lambda: loop.figures().running == 0)
        alive_s = loop.figures().alive_s
        until(lambda: loop.figures().alive_s > alive_s)  # its heart beats
        assert [each.source.state for each in loop.figures().streams] == ["ended"]
        assert loop.submit(np.zeros((9, 9, 3), np.uint8)).result(10).width == 9


# ------------------------------------------------------------ pictures for people


def test_pictures_are_drawn_only_for_those_who_look():
    live = FakeLive(watched=False)
    source = FakeStreamSource(1)
    rig = Rig(streams=[Stream("a", source, live_picture=live)])
    with rig.running():
        until(lambda: len(rig.told) == 1)
        live.watched = True
        source.push()
        until(lambda: len(rig.told) == 2)
    assert [image[0, 0, 0] for image in live.images] == [1]
    assert live.closed == 1


def test_results_go_to_result_sinks_and_a_failing_one_is_told():
    class Results(FakeSink):
        def write(self, frame, line, logits):
            if frame.index == 1:
                raise OSError("gone")
            self.images.append((frame.index, line.stream, logits is not None))

    results = Results()
    rig = Rig(streams=[Stream("a", FakeStreamSource(2), result_sinks=[results])]).run_until(2)
    assert results.images == [(0, "a", True)]
    assert "gone" in rig.loop.figures().streams[0].sink_problem
    assert results.closed == 1


# ------------------------------------------------------------ the end


def test_a_stop_lets_the_frame_in_progress_finish_and_refuses_what_waits():
    engines = FakeEngines()
    engines.gate.clear()
    sink, source = FakeSink(), FakeStreamSource(3)
    rig = Rig(streams=[Stream("a", source, sinks=[sink])], engines=engines)
    with rig.running() as loop:
        until(lambda: engines.threads)  # the first frame is in the engine
        future = loop.submit(np.zeros((4, 4, 3), np.uint8))
        swap = loop.swap(serving_of())
        loop.request_stop()
        engines.gate.set()
        with pytest.raises(ServiceBusyError, match="it is being ended"):
            future.result(10)
        with pytest.raises(ServiceBusyError, match="it is being ended"):
            swap.result(10)
    assert len(rig.told) == len(sink.images) == 1
    assert (sink.closed, source.closed) == (1, 1)
    with pytest.raises(ServiceBusyError, match="it is being ended"):
        loop.submit(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ServiceBusyError, match="it is being ended"):
        loop.swap(serving_of()).result(1)


def test_a_sink_that_can_not_be_finished_does_not_keep_the_others_open(caplog):
    caplog.set_level(logging.WARNING)

    class Stuck(FakeSink):
        def close(self):
            raise VideoError("finish", expected="room", got="none", advice="Free some")

    last = FakeSink()
    streams = [Stream("a", FakeStreamSource(1), sinks=[Stuck(), last])]
    Rig(streams=streams).run_until(1)
    assert last.closed == 1
    assert "finish: expected room" in caplog.text


def test_a_loop_runs_once():
    rig = Rig(FakeStreamSource(1)).run_until(1)
    with pytest.raises(ValueError, match="runs once"):
        rig.loop.run()


def test_counts_stay_bounded_however_many_frames_come():
    clock = VirtualClock()
    source = FakeStreamSource(2_000)
    rig = Rig(source, clock=clock, serving_parts={"clock": clock}).run_until(2_000)
    [stream] = rig.streams
    assert len(stream._account.latencies_s) == len(stream._account.waits_s) == 300
    assert len(rig.serving.tally._latencies_s) == 300
    assert rig.loop.figures().frames == 2_000
    assert clock.now_s() > 0  # virtual time passes with the frames


def test_it_is_busy_while_a_frame_is_served_and_not_after():
    seen = []
    rig = Rig(FakeStreamSource(3), listener=lambda told: seen.append(rig.loop.busy))
    assert not rig.loop.busy
    with rig.running() as loop:
        until(lambda: len(seen) == 3)
        until(lambda: not loop.busy)
    assert seen == [True] * 3
    assert not rig.loop.busy
