"""Other engines at a frame boundary: no frame lost, limits and counts carried over."""

import threading
from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.records import Limits, TelemetrySample, Wanted
from edgert.runtime.stream import Stream
from tests.runtime.fakes import FakeSink, Telemetry
from tests.runtime.stream_fakes import (
    NAMES,
    FakeEngines,
    FakeStreamSource,
    KeepingPolicy,
    Rig,
    family,
    serving_of,
    until,
)


class SmallPolicy(KeepingPolicy):
    """Of engines that have no c50."""

    def pin(self, configuration):
        if configuration == "c50":
            raise KeyError("'c50' is not among ['full', 'c30']")
        super().pin(configuration)


@settings(max_examples=25, deadline=None)
@given(
    frames=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    swaps=st.lists(st.integers(0, 15), max_size=4),
)
def test_a_swap_loses_no_frame_and_runs_none_twice(frames, swaps):
    sources = [FakeStreamSource(count) for count in frames]
    pools = [FakeEngines() for _ in range(len(swaps) + 1)]
    servings = [serving_of(pool) for pool in pools]
    futures = []
    told = []

    def listener(frame):
        told.append(frame)
        for place, after in enumerate(swaps):
            if len(told) == after:
                futures.append(rig.loop.swap(servings[place + 1]))

    rig = Rig(*sources, serving=servings[0], listener=listener)
    with rig.running():
        until(lambda: len(told) == sum(frames))
        for future in futures:
            future.result(10)
    assert rig.error is None
    seen = sorted((each.stream, each.line.frame) for each in told)
    assert seen == sorted(
        (f"s{place}", index) for place, count in enumerate(frames) for index in range(count)
    )
    assert sum(len(pool.runs) for pool in pools) == sum(frames)
    assert rig.loop.figures().frames == sum(frames)


def test_the_old_serving_comes_back_when_no_frame_is_in_it():
    before, after = FakeEngines(), FakeEngines(["full", "c30"])
    before.gate.clear()
    source = FakeStreamSource(2)
    serving = serving_of(before)
    rig = Rig(source, serving=serving)
    with rig.running() as loop:
        until(lambda: before.threads)  # a frame is in the old engine
        future = loop.swap(serving_of(after))
        threading.Event().wait(0.05)
        assert not future.done()
        before.gate.set()
        assert future.result(10) is serving
        until(lambda: len(rig.told) == 2)
    assert (before.runs, after.runs) == (["full"], ["full"])
    assert rig.loop.figures().names == ("full", "c30")


def test_limits_pin_and_counts_go_on_with_the_new_engines():
    readings = [TelemetrySample(time_s=t, source="x", provenance="emulated", power_w=5.0)
                for t in (0.0, 1.0)]  # fmt: skip
    source = FakeStreamSource(1)
    wanted = Wanted(limits=Limits(power_w=8.0, period_s=0.02), pinned="c50")
    rig = Rig(source, wanted=wanted, serving_parts={"telemetry": Telemetry(*readings)})
    policy = KeepingPolicy("full")
    with rig.running() as loop:
        until(lambda: len(rig.told) == 1)
        after = serving_of(policy=policy, telemetry=Telemetry(readings[-1]))
        loop.swap(after).result(10)
        source.push()
        until(lambda: len(rig.told) == 2)
        figures = loop.figures()
    assert policy.held == [wanted.limits]
    assert policy.pins == ["c50"]
    assert figures.wanted == wanted
    assert (figures.frames, figures.ran) == (2, {"c50": 2})
    assert figures.energy_j == pytest.approx(5.0)
    assert after.tally is rig.serving.tally


def test_a_pin_that_the_new_engines_lack_is_dropped_with_words(caplog):
    source = FakeStreamSource(1)
    rig = Rig(source, wanted=Wanted(limits=Limits(), pinned="c50"))
    with rig.running() as loop:
        until(lambda: len(rig.told) == 1)
        loop.swap(serving_of(policy=SmallPolicy("full"))).result(10)
        source.push()
        until(lambda: len(rig.told) == 2)
        figures = loop.figures()
    assert figures.wanted.pinned is None
    assert "the pin is dropped: pin c50" in figures.note
    assert "the pin is dropped" in caplog.text
    assert rig.told[1].line.configuration == "full"


def test_results_of_other_engines_are_not_drawn_and_not_stood_in_for():
    class Painted:
        def __init__(self):
            self.classes = []

        def draw(self, image, logits, strip):
            self.classes.append(logits.shape[1])
            return image

    painters = [Painted(), Painted()]
    servings = []
    for painter, classes in zip(painters, (2, 3), strict=True):
        serving = serving_of(
            FakeEngines(shape=(1, classes, 3, 4)),
            KeepingPolicy("full", ("full", True)),
            family=family(labels=[str(label) for label in range(classes)]),
        )
        serving.painter = lambda width, height, painter=painter: painter
        servings.append(serving)
    source = FakeStreamSource(2)
    rig = Rig(serving=servings[0], streams=[Stream("a", source, sinks=[FakeSink()])])
    with rig.running() as loop:
        until(lambda: len(rig.told) == 2)
        loop.swap(servings[1]).result(10)
        source.push()
        source.push()
        until(lambda: len(rig.told) == 4)
    # The first frame of the new engines runs, as there is nothing of theirs to show instead.
    assert [each.line.skip for each in rig.told] == [False, True, False, True]
    assert [painter.classes for painter in painters] == [[2, 2], [3, 3]]


def test_energy_of_an_emulated_board_goes_on_with_another():
    class Board:
        name, slowdown, energy_j = "b", 1.0, 0.0

        def __init__(self, energy_j):
            self.energy_j = energy_j

        def run_engine(self, name, busy_s):
            self.energy_j += 2.0

        def read(self):
            return None

        def close(self):
            pass

    source = FakeStreamSource(1)
    rig = Rig(source, serving_parts={"board": Board(100.0)})
    with rig.running() as loop:
        until(lambda: len(rig.told) == 1)
        assert loop.figures().energy_j == 2.0
        loop.swap(serving_of(board=Board(500.0))).result(10)
        source.push()
        until(lambda: len(rig.told) == 2)
        assert loop.figures().energy_j == 4.0


def test_a_swap_that_nobody_waits_for_any_more_is_not_made():
    engines = FakeEngines()
    engines.gate.clear()
    rig = Rig(FakeStreamSource(1), engines=engines)
    with rig.running() as loop:
        until(lambda: engines.threads)
        future: Future = loop.swap(serving_of(FakeEngines(["other"])))
        assert future.cancel()
        engines.gate.set()
        until(lambda: rig.told)
    assert rig.loop.figures().names == NAMES
