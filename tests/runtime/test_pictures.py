"""Pictures that are sent in: their turn, their result, and what too many get."""

import base64

import numpy as np
import pytest

from edgert.errors import InferenceError, ServiceBusyError
from edgert.records import PICTURE, Limits
from edgert.runtime import pictures
from edgert.runtime.pictures import PictureQueue, PictureRun, Request, picture_result
from tests.runtime.stream_fakes import (
    FakeEngines,
    FakeStreamSource,
    KeepingPolicy,
    Rig,
    family,
    serving_of,
    until,
)


def picture(width=10, height=8):
    return np.zeros((height, width, 3), np.uint8)


def result_of(logits, kind, *, with_map=False):
    run = PictureRun(np.asarray(logits, np.float32), "full", "because", 0.02)
    request = Request(picture(20, 10), with_map, None, 0.0)
    return picture_result(run, request, family=kind, wait_s=0.1)


# ------------------------------------------------------------ results


def test_segmentation_tells_the_share_of_each_label_that_is_seen():
    logits = np.zeros((1, 3, 2, 4))
    logits[0, 1, 0] = 1.0  # the upper half
    logits[0, 2, 1, :1] = 1.0
    result = result_of(logits, family(labels=("sky", "road", "car")))
    assert result.labels == {"road": 0.5, "sky": 0.375, "car": 0.125}
    assert list(result.labels) == ["road", "sky", "car"]  # the largest first
    assert (result.width, result.height, result.task) == (20, 10, "segmentation")
    assert (result.configuration, result.reason) == ("full", "because")
    assert (result.latency_s, result.wait_s) == (0.02, 0.1)
    assert (result.map_shape, result.map_base64) == ([], "")


def test_the_map_has_the_label_of_every_cell():
    logits = np.zeros((1, 3, 2, 2))
    logits[0, 2, 1, 0] = 1.0
    result = result_of(logits, family(labels=("a", "b", "c")), with_map=True)
    assert result.map_shape == [2, 2]
    cells = np.frombuffer(base64.b64decode(result.map_base64), np.uint8).reshape(2, 2)
    assert cells.tolist() == [[0, 0], [2, 0]]


def test_classification_tells_the_five_best_scores_as_shares():
    scores = np.array([[0.0, 3.0, 1.0, 2.0, -1.0, -5.0]])
    labels = list("abcdef")
    result = result_of(scores, family("classification", labels), with_map=True)
    assert list(result.labels) == ["b", "d", "c", "a", "e"]
    exact = np.exp(scores[0]) / np.exp(scores[0]).sum()
    assert list(result.labels.values()) == pytest.approx(sorted(exact)[::-1][:5])
    assert result.map_base64 == ""


def test_labels_without_a_name_have_their_number():
    logits = np.zeros((1, 3, 1, 1))
    logits[0, 2] = 1.0
    assert result_of(logits, family(labels=("a", "b"))).labels == {"2": 1.0}
    assert result_of(logits, None).labels == {"2": 1.0}


# ------------------------------------------------------------ the queue


def test_only_so_many_wait_and_those_that_gave_up_are_passed_over():
    queue = PictureQueue()
    futures = [
        queue.add(picture(), with_map=False, since_s=0.0) for _ in range(pictures.MOST_WAITING)
    ]
    with pytest.raises(ServiceBusyError, match="run a picture: expected fewer than 8 that wait"):
        queue.add(picture(), with_map=False, since_s=0.0)
    assert futures[0].cancel()
    assert queue.next().future is futures[1]
    assert len(queue) == 6
    queue.close("it is over")
    with pytest.raises(ServiceBusyError, match="it is over"):
        futures[2].result(0)
    with pytest.raises(ServiceBusyError, match="it is over"):
        queue.add(picture(), with_map=False, since_s=0.0)
    assert queue.next() is None


# ------------------------------------------------------------ turns


def test_pictures_and_frames_alternate_while_both_wait():
    engines, turns = FakeEngines(), []
    engines.gate.clear()
    rig = Rig(FakeStreamSource(4), engines=engines, listener=lambda told: turns.append("frame"))
    with rig.running() as loop:
        until(lambda: engines.threads)
        futures = [loop.submit(picture()) for _ in range(3)]
        for future in futures:
            future.add_done_callback(lambda _: turns.append("picture"))
        engines.gate.set()
        until(lambda: len(turns) == 7)
    assert turns == ["frame", "picture", "frame", "picture", "frame", "picture", "frame"]


def test_a_picture_beside_a_stream_runs_what_was_decided_a_moment_ago():
    policy = KeepingPolicy("c50")
    rig = Rig(FakeStreamSource(1), policy=policy)
    with rig.running() as loop:
        until(lambda: rig.told)
        result = loop.submit(picture(33, 22)).result(10)
        assert (result.configuration, result.reason) == ("c50", "as told: c50")
        assert (result.width, result.height) == (33, 22)
        figures = loop.figures()
    assert len(policy.times_s) == 1  # one decision
    assert (figures.pictures, figures.frames) == (1, 1)


def test_a_picture_without_streams_is_decided_on_and_never_left_out():
    policy = KeepingPolicy(("c30", True))
    rig = Rig(policy=policy, limits=Limits(power_w=5.0))
    with rig.running() as loop:
        result = loop.submit(picture(), with_map=True).result(10)
        until(lambda: loop.figures().pictures == 1)
        figures = loop.figures()
    assert (result.configuration, result.map_shape) == ("c30", [3, 4])
    assert policy.held[0].power_w == 5.0
    assert len(policy.outcomes) == 1
    assert (figures.frames, figures.ran, figures.active) == (0, {"c30": 1}, "c30")
    assert rig.serving.last.stream == PICTURE
    assert not rig.told


def test_too_many_pictures_are_refused_and_a_failing_engine_fails_only_its_own():
    engines = FakeEngines()
    engines.gate.clear()
    rig = Rig(FakeStreamSource(1), engines=engines)
    with rig.running() as loop:
        until(lambda: engines.threads)
        futures = [loop.submit(picture()) for _ in range(8)]
        with pytest.raises(ServiceBusyError, match="fewer than 8"):
            loop.submit(picture())
        engines.error = InferenceError("run", expected="an output", got="none", advice="Wait")
        engines.gate.set()
        for future in futures:
            assert future.result(10)
        engines.errors_left = 1
        with pytest.raises(InferenceError, match="got none"):
            loop.submit(picture()).result(10)
        assert loop.submit(picture()).result(10)


def test_a_picture_of_no_use_is_refused_in_words():
    def preprocess(image):
        raise ValueError(f"needs (H, W, 3) uint8, got {image.shape}")

    rig = Rig(serving=serving_of(preprocess=preprocess))
    with rig.running() as loop, pytest.raises(Exception, match="preprocess a frame: expected"):
        loop.submit(np.zeros((0, 0, 3), np.uint8)).result(10)
    assert rig.error is None
