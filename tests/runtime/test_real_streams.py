"""The loop with real sources, sinks and overlays; engines are stand-ins."""

import time

import av
import numpy as np

from edgert.records import Limits, Wanted
from edgert.runtime.stream import Stream
from edgert.video.mjpeg import LivePicture
from edgert.video.results import ResultSink
from edgert.video.source import open_source
from tests.runtime.fakes import PROFILE
from tests.runtime.stream_fakes import CLOCK, FakeEngines, Rig, family, serving_of, until


def frames_of(path):
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def test_two_patterns_go_through_one_set_of_engines_into_a_file_each(tmp_path):
    streams = []
    for name, size in (("door", "width=64&height=48"), ("yard", "width=96&height=64")):
        source = open_source(f"test://?{size}&fps=30&frames=12", clock=CLOCK, patient=True)
        sinks = [str(tmp_path / f"{name}.mp4")]
        results = [
            ResultSink(tmp_path / f"{name}.jsonl", labels=["sky", "road"], task="segmentation")
        ]
        streams.append(Stream(name, source, sinks=sinks, result_sinks=results))
    rig = Rig(streams=streams, serving=serving_of(FakeEngines(), family=family()))
    with rig.running() as loop:
        until(lambda: [each.source.state for each in loop.figures().streams] == ["ended"] * 2)
        until(lambda: len(rig.told) == 24)
        figures = loop.figures()
    assert rig.error is None
    assert [each.served for each in figures.streams] == [12, 12]
    assert [each.sink_problem for each in figures.streams] == ["", ""]
    for name, width in (("door", 64), ("yard", 96)):
        pictures = frames_of(tmp_path / f"{name}.mp4")
        assert len(pictures) == 12
        assert pictures[0].shape[1] == width
        assert pictures[0].shape[0] > 48  # with the strip
        assert len((tmp_path / f"{name}.jsonl").read_bytes().splitlines()) >= 12


def test_a_live_picture_is_drawn_for_who_looks():
    source = open_source("test://?width=64&height=48&fps=30", policy="latest", clock=CLOCK)
    live = LivePicture()
    rig = Rig(
        streams=[Stream("door", source, live_picture=live)],
        serving=serving_of(FakeEngines(), family=family()),
    )
    with rig.running():
        until(lambda: len(rig.told) > 2)
        number, jpeg = live.newest(timeout_s=10)
    assert number == 1
    assert jpeg[:2] == b"\xff\xd8"
    assert live.closed


def test_a_source_that_is_not_there_yet_stops_nobody():
    absent = open_source("rtsp://me:secret@127.0.0.1:9/", clock=CLOCK, patient=True)
    there = open_source("test://?width=64&height=48&fps=30&frames=5", clock=CLOCK)
    rig = Rig(streams=[Stream("absent", absent), Stream("there", there)])
    with rig.running() as loop:
        until(lambda: len(rig.told) == 5)
        until(lambda: loop.figures().streams[0].source.state == "offline")
        reason = loop.figures().streams[0].source.reason
    assert reason
    assert "secret" not in reason
    assert rig.order() == ["there"] * 5


def test_four_streams_on_an_emulated_board_keep_their_turns():
    """Real time, small: each brings 20 frames a second, an engine takes 2 ms."""
    from edgert.control import open_controller
    from edgert.emulator.board import EmulatedBoard, loads_from_profile
    from tests.runtime.fakes import SPEC

    limits = Limits(period_s=0.05, deadline_s=0.05, power_w=14.0, temp_c=80.0)
    engines = FakeEngines()
    engines.busy_s = 0.002
    profile = PROFILE.__class__(
        family="f",
        device="cpu",
        entries=[
            entry.__class__(
                name=entry.name,
                latency_s=entry.latency_s / 30,
                power_w=entry.power_w,
                macs=entry.macs,
            )
            for entry in PROFILE.entries
        ],
    )
    serving = serving_of(
        engines,
        open_controller("predictive", profile, limits),
        board=EmulatedBoard(SPEC, CLOCK, loads=loads_from_profile(profile)),
        limits=limits,
    )
    sources = [
        open_source("test://?width=64&height=48&fps=20", policy="latest", clock=CLOCK)
        for _ in range(4)
    ]
    streams = [Stream(f"s{place}", source) for place, source in enumerate(sources)]
    rig = Rig(streams=streams, serving=serving, wanted=Wanted(limits=limits))
    with rig.running() as loop:
        until(lambda: len(rig.told) >= 120)
        figures = loop.figures()
        before_s = time.perf_counter()
        for _ in range(50):
            loop.figures()
        assert (time.perf_counter() - before_s) / 50 < 0.01
    assert rig.error is None
    served = [each.served for each in figures.streams]
    assert max(served) - min(served) <= 0.3 * max(served)
    assert figures.limits.period_s == 0.0125
    assert figures.energy_j > 0
    assert figures.telemetry.provenance == "emulated"
    assert figures.forecast_c is not None
    assert all(each.wait_p95_s < 0.5 for each in figures.streams)
    assert {each.line.stream for each in rig.told} == {"s0", "s1", "s2", "s3"}


def test_a_picture_of_another_size_is_scaled_by_the_preprocessor():
    from edgert.preprocess import Preprocessor

    kind = family()
    rig = Rig(serving=serving_of(FakeEngines(), preprocess=Preprocessor(kind.input), family=kind))
    with rig.running() as loop:
        for size in ((4, 4), (100, 37), (33, 200)):
            result = loop.submit(np.zeros((*size, 3), np.uint8)).result(10)
            assert (result.height, result.width) == size
            assert set(result.labels) <= {"sky", "road"}
