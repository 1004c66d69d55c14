"""Pictures for people: encoded only while somebody looks, never in the way of the frames."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from edgert.clock import VirtualClock
from edgert.video.mjpeg import LivePicture
from tests.video.standins import wait_until
from tests.video.waiting import in_time


def grey(level, width=64, height=48):
    return np.full((height, width, 3), level, np.uint8)


def decoded(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)))


class Shower:
    """Shows one level after the other, until told to end."""

    def __init__(self, live, size=(64, 48)):
        self.live, self.size, self.end, self.shown = live, size, threading.Event(), 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.end.wait(0.002):
            self.shown += 1
            self.live.show(grey(self.shown % 200, *self.size))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join(10.0)


@pytest.fixture
def live():
    with LivePicture(most_fps=200.0) as made:
        yield made


def asked(live, **options):
    """`newest` in a thread of its own, once it waits."""
    results = []
    thread = threading.Thread(target=lambda: results.append(live.newest(**options)), daemon=True)
    thread.start()
    wait_until(lambda: live.watched)

    def result():
        thread.join(10.0)
        return results[0]

    return result


def test_nothing_is_copied_or_encoded_while_nobody_looks(live, monkeypatch):
    monkeypatch.setattr(live, "_encode", lambda image: pytest.fail("encoded for nobody"))
    image = grey(7)
    for _ in range(100):
        live.show(image)
    assert not live.watched
    assert live._image is None


def test_a_picture_is_given_to_who_waits_with_its_number(live):
    result = asked(live)
    live.show(grey(120))
    number, jpeg = result()
    assert number == 1
    assert jpeg.startswith(b"\xff\xd8")
    assert decoded(jpeg).shape == (48, 64, 3)
    assert abs(decoded(jpeg).mean() - 120) < 2


def test_the_caller_may_reuse_the_picture_at_once(live):
    result, image = asked(live), grey(200)
    live.show(image)
    image[:] = 0
    assert decoded(result()[1]).mean() > 190


def test_numbers_grow_and_the_newest_is_given(live):
    with Shower(live):
        number = 0
        for _ in range(20):
            found = live.newest(after=number)
            assert found is not None
            assert found[0] > number
            number = found[0]


def test_without_a_picture_in_time_there_is_none(live):
    assert live.newest(timeout_s=0.01) is None
    assert live.newest(timeout_s=-1.0) is None
    assert not live.watched


def test_an_old_picture_is_not_given_as_if_it_were_new():
    clock = VirtualClock(10.0)
    live = LivePicture(clock=clock)
    result = asked(live)
    live.show(grey(50))
    assert result()[0] == 1
    assert live.newest(timeout_s=0.01)[0] == 1  # of this very moment
    clock.sleep(0.2)
    assert live.newest(timeout_s=0.01) is None


def test_no_more_than_ten_a_second_are_taken():
    clock = VirtualClock(10.0)
    live = LivePicture(clock=clock)
    live._waiting = 1  # somebody always does
    for _ in range(300):  # ten seconds of 30 frames each
        live.show(grey(1))
        clock.sleep(1 / 30)
    assert 60 <= live._number <= 100


def test_wide_pictures_are_scaled_down_and_narrow_ones_are_not():
    for size, wanted in [((1920, 1080), (960, 540)), ((3841, 301), (960, 75)), ((65, 9), (65, 9))]:
        live = LivePicture()
        result = asked(live)
        live.show(grey(90, *size))
        height, width, _ = decoded(result()[1]).shape
        assert (width, height) == pytest.approx(wanted, abs=1)


def test_many_who_look_cost_one_encoding(live, monkeypatch):
    encoded, encode = [], live._encode
    monkeypatch.setattr(live, "_encode", lambda image: (encoded.append(1), encode(image))[1])
    results = [asked(live) for _ in range(6)]
    wait_until(lambda: live._waiting == 6)
    live.show(grey(30))
    assert {result()[0] for result in results} == {1}
    assert len(encoded) == 1


def test_watch_gives_pictures_until_the_stream_is_closed(live):
    with Shower(live):
        pictures = live.watch()
        levels = [decoded(in_time(lambda: next(pictures))).mean() for _ in range(5)]
        assert len(levels) == 5
        assert live._waiting == 0  # whoever does not ask is not watching
        threading.Timer(0.05, live.close).start()
        rest = in_time(lambda: list(pictures))
    assert len(rest) < 50
    assert live.newest() is None
    assert live.closed


def test_close_lets_those_who_wait_go(live):
    result = asked(live, timeout_s=60.0)
    live.close()
    assert in_time(result) is None


def test_showing_takes_no_longer_while_a_slow_one_encodes(live, monkeypatch):
    """The encoder hangs; frames go on."""
    hangs = threading.Event()
    monkeypatch.setattr(live, "_encode", lambda image: (hangs.wait(20.0), b"late")[1])
    slow = asked(live)
    live.show(grey(1))
    wait_until(lambda: not live.watched)
    other = asked(live, after=1)
    in_time(lambda: [live.show(grey(2)) for _ in range(50)], 2.0)
    hangs.set()
    assert slow()[1] == b"late"
    live._taken_s = None
    live.show(grey(3))
    assert other() is not None
