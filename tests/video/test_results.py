"""What the model said, line by line."""

import json
import os
import resource
import time

import numpy as np
import pytest

from edgert.errors import VideoError
from edgert.records import FrameLog
from edgert.video.frame import Frame
from edgert.video.results import MOST_BOXES, ResultSink, is_result_uri, open_result_sink, said

LABELS = ["sky", "road", "car", "tree", "sign", "bus", "dog"]
IMAGE = np.zeros((2, 2, 3), np.uint8)


def line(index=0, **fields):
    fields = {"latency_s": 0.02, "met_deadline": True} | fields
    return FrameLog(frame=index, time_s=0.5, configuration="c805", reason="holds", **fields)


def written(path, logits, task, **options):
    with open_result_sink(str(path), labels=LABELS, task=task) as sink:
        sink.write(Frame(7, 0.28, IMAGE), line(7), logits, **options)
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_segmentation_is_written_as_shares_of_the_pixels(tmp_path):
    logits = np.zeros((1, 7, 4, 4), np.float32)
    logits[0, 1] = 1.0  # road everywhere
    logits[0, 2, 0] = 2.0  # but for a row of car
    assert written(tmp_path / "r.jsonl", logits, "segmentation") == [
        {
            "frame": 7,
            "time_s": 0.28,
            "configuration": "c805",
            "latency_s": 0.02,
            "met_deadline": True,
            "shares": {"road": 0.75, "car": 0.25},
        }
    ]


def test_shares_of_a_large_map_are_those_of_a_part_of_its_pixels():
    logits = np.zeros((1, 2, 1024, 2048), np.float32)
    logits[0, 1, :, :512] = 1.0
    shares = said(logits, LABELS, "segmentation")["shares"]
    assert shares == {"sky": 0.75, "road": 0.25}


def test_classification_is_written_as_the_best_five(tmp_path):
    logits = np.array([[0.0, 3.0, 1.0, 2.0, -1.0, -2.0, -3.0]], np.float32)
    (result,) = written(tmp_path / "r.jsonl", logits, "classification")
    assert list(result["scores"]) == ["road", "tree", "car", "sky", "sign"]
    odds = np.exp([3.0, 2.0, 1.0]) / np.exp(logits).sum()
    assert list(result["scores"].values())[:3] == pytest.approx(odds, abs=1e-5)


def test_detection_is_written_as_boxes(tmp_path):
    logits = np.array([[[1, 2, 3.04, 4, 0.875, 2], [0, 0, 9, 9, 0.1, 1]]], np.float32)
    (result,) = written(tmp_path / "r.jsonl", logits, "detection")
    assert result["boxes"] == [{"label": "car", "score": 0.875, "box": [1.0, 2.0, 3.0, 4.0]}]
    many = np.tile(logits[:, :1], (1, 500, 1))
    assert len(said(many, LABELS, "detection")["boxes"]) == MOST_BOXES


def test_a_frame_that_was_left_out_says_so_and_has_no_result(tmp_path):
    path = tmp_path / "r.jsonl"
    with open_result_sink(f"file://{path}", labels=LABELS, task="segmentation") as sink:
        sink.write(Frame(3, 0.12, IMAGE), line(3, skip=True, latency_s=None), None)
    assert json.loads(path.read_text()) == {
        "frame": 3, "time_s": 0.12, "configuration": "c805", "skip": True
    }  # fmt: skip


def test_each_line_can_be_read_as_soon_as_it_is_written(tmp_path):
    path = tmp_path / "r.jsonl"
    logits = np.zeros((1, 7, 2, 2), np.float32)
    with open_result_sink(str(path), labels=LABELS, task="segmentation") as sink:
        for index in range(3):
            sink.write(Frame(index, index / 10, IMAGE), line(index), logits)
            assert len(path.read_text().splitlines()) == index + 1
    sink.close()


def test_an_output_that_does_not_fit_the_task_is_misuse():
    with pytest.raises(ValueError, match="segmentation needs"):
        said(np.zeros((1, 7), np.float32), LABELS, "segmentation")


def test_labels_that_are_missing_are_numbers():
    logits = np.zeros((1, 9, 2, 2), np.float32)
    logits[0, 8] = 1.0
    assert said(logits, LABELS, "segmentation") == {"shares": {"8": 1.0}}


@pytest.mark.parametrize("name", ["no/r.jsonl", "r.txt", "http://h/r.jsonl", ""])
def test_what_can_not_be_written_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match="write results") as caught:
        open_result_sink(name, labels=LABELS, task="segmentation")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="NOT TESTED: there is no /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    (tmp_path / "r.jsonl").symlink_to("/dev/full")
    logits = np.zeros((1, 7, 2, 2), np.float32)
    sink = open_result_sink(str(tmp_path / "r.jsonl"), labels=LABELS, task="segmentation")
    with pytest.raises(VideoError, match="no space left"):
        sink.write(Frame(0, 0.0, IMAGE), line(), logits)
    sink.close()
    sink.close()


def test_results_are_told_from_pictures(tmp_path):
    assert is_result_uri("r.jsonl")
    assert is_result_uri(f"file://{tmp_path}/R.JSONL")
    assert not is_result_uri("r.mp4")
    assert not is_result_uri("http://h/r.jsonl")
    assert not is_result_uri("rtsp://127.0.0.1:8554/r.jsonl")


def test_a_line_takes_less_than_two_milliseconds(tmp_path):
    """The best of many: other work on this machine must not fail the test."""
    logits = np.random.default_rng(0).normal(size=(1, 12, 128, 128)).astype(np.float32)
    took_s = []
    with open_result_sink(str(tmp_path / "r.jsonl"), labels=LABELS, task="segmentation") as sink:
        for index in range(30):
            begin_s = time.perf_counter()
            sink.write(Frame(index, 0.0, IMAGE), line(index), logits)
            took_s.append(time.perf_counter() - begin_s)
    assert min(took_s) < 0.002


# ------------------------------------------------------------- for months


def bounded(path, **bounds):
    return ResultSink(
        path, labels=LABELS, task="segmentation", **{"max_bytes": 400, "files": 3} | bounds
    )


def frames_in(path):
    return [json.loads(text)["frame"] for text in path.read_text().splitlines()]


def by_number(folder):
    return sorted(folder.glob("r*.jsonl"), key=lambda path: (len(path.name), path.name))


def test_results_are_bounded_in_size_and_number_and_follow_each_other(tmp_path):
    logits = np.zeros((1, 7, 2, 2), np.float32)
    with bounded(tmp_path / "r.jsonl") as sink:
        for index in range(100):
            sink.write(Frame(index, index / 10, IMAGE), line(index), logits)
            assert len(list(tmp_path.iterdir())) <= 3
    found = by_number(tmp_path)
    kept = [index for path in found for index in frames_in(path)]
    assert kept == list(range(kept[0], 100))  # the newest, without a gap
    longest = max(len(text) for path in found for text in path.read_bytes().splitlines(True))
    assert max(path.stat().st_size for path in found) < 400 + longest


def test_a_restart_goes_on_behind_the_newest_and_touches_no_other_file(tmp_path):
    logits = np.zeros((1, 7, 2, 2), np.float32)
    others = ["r.old.jsonl", "r.02.jsonl", "rr.jsonl", "r.2.jsonl.gz"]
    for name in others:
        (tmp_path / name).write_text("mine")
    for index in range(6):
        with bounded(tmp_path / "r.jsonl", files=2) as sink:
            sink.write(Frame(index, 0.0, IMAGE), line(index), logits)
    assert frames_in(tmp_path / "r.5.jsonl") == [4]
    assert frames_in(tmp_path / "r.6.jsonl") == [5]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*others, "r.5.jsonl", "r.6.jsonl"]
    )


def test_without_bounds_there_is_one_file_that_is_begun_anew(tmp_path):
    logits = np.zeros((1, 7, 2, 2), np.float32)
    for _ in range(2):
        with bounded(tmp_path / "r.jsonl", max_bytes=None) as sink:
            for index in range(50):
                sink.write(Frame(index, 0.0, IMAGE), line(index), logits)
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]
    assert frames_in(tmp_path / "r.jsonl") == list(range(50))


@pytest.mark.parametrize("wrong", [{"max_bytes": 0}, {"files": 0}])
def test_bounds_that_bound_nothing_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="start at 1"):
        bounded(tmp_path / "r.jsonl", **wrong)


def test_a_file_that_may_not_grow_is_told_and_followed_by_the_next(tmp_path):
    logits = np.zeros((1, 7, 2, 2), np.float32)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        failed = []
        with bounded(tmp_path / "r.jsonl", max_bytes=10**6) as sink:
            for index in range(20):
                try:
                    sink.write(Frame(index, 0.0, IMAGE), line(index), logits)
                except VideoError as error:
                    failed.append((index, str(error)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = [index for path in by_number(tmp_path) for index in frames_in(path)]  # none is torn
    assert failed
    assert all("file too large" in words for _, words in failed)
    assert len(by_number(tmp_path)) > 1
    assert set(kept).isdisjoint(index for index, _ in failed)


def test_a_disk_that_stays_full_costs_no_more_than_the_oldest_file(tmp_path):
    logits = np.zeros((1, 7, 2, 2), np.float32)
    with bounded(tmp_path / "r.jsonl", max_bytes=1) as sink:  # a line a file
        for index in range(5):
            sink.write(Frame(index, 0.0, IMAGE), line(index), logits)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            for _ in range(10):
                with pytest.raises(VideoError, match="file too large"):
                    sink.write(Frame(99, 0.0, IMAGE), line(99), logits)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [frames_in(path) for path in by_number(tmp_path)] == [[3], [4]]
        sink.write(Frame(5, 0.0, IMAGE), line(5), logits)
    assert [frames_in(path) for path in by_number(tmp_path)] == [[3], [4], [5]]
