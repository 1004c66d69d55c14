"""What every decoder keeps to, whichever it is: `edgert.video.decoder.Decoder`."""

import threading

import numpy as np
import pytest

from edgert.clock import MonotonicClock
from edgert.errors import VideoError
from edgert.video.decoders import open_decoder
from edgert.video.gstreamer import available
from edgert.video.uri import parse_uri
from tests.video.clips import cut, remux, write_clip
from tests.video.waiting import in_time

COUNT, FPS, SIZE = 40, 25.0, (64, 48)
PATTERN = f"test://?width={SIZE[0]}&height={SIZE[1]}&fps={FPS}&frames={COUNT}"
FILES = ["pyav", pytest.param("gstreamer", marks=pytest.mark.system)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", COUNT, fps=FPS)


@pytest.fixture
def opened(request, clip):
    """Opens a file, or the pattern where the kind is that; closes what it opened."""
    made = []

    def make(kind, path=None):
        if kind == "gstreamer" and (missing := available()):
            pytest.skip(f"NOT TESTED: GStreamer: {missing}")
        address = parse_uri(PATTERN if kind == "pattern" else str(path or clip))
        choice = "" if kind == "pattern" else kind
        made.append(open_decoder(address, choice=choice, clock=MonotonicClock()))
        return made[-1]

    yield make
    for decoder in made:
        decoder.close()


@pytest.mark.parametrize("kind", ["pattern", *FILES])
def test_pictures_come_in_order_in_the_size_and_at_the_rate_that_was_told(opened, kind):
    decoder = opened(kind)
    assert decoder.name.startswith(kind)
    assert decoder.reason  # none of these is hardware
    assert "\n" not in decoder.reason
    assert (decoder.width, decoder.height, decoder.live) == (*SIZE, False)
    assert decoder.fps == pytest.approx(FPS)
    pictures = in_time(lambda: list(decoder.pictures()))
    assert len(pictures) == COUNT
    times_s = np.array([picture.time_s for picture in pictures])
    assert times_s - times_s[0] == pytest.approx(np.arange(COUNT) / FPS, abs=1e-3)
    for picture in pictures:
        assert picture.image.shape == (SIZE[1], SIZE[0], 3)
        assert picture.image.dtype == np.uint8
        assert picture.image.flags.c_contiguous
    assert (decoder.damage or None, decoder.damaged) == (None, 0)


@pytest.mark.parametrize("kind", FILES)
def test_pictures_are_those_of_the_pattern_and_each_its_own(opened, kind):
    """None is overwritten by the next, and red is not blue."""
    wanted = [picture.image for picture in opened("pattern").pictures()]
    found = in_time(lambda: [picture.image for picture in opened(kind).pictures()])
    far = [np.abs(a.astype(int) - b).mean() for a, b in zip(found, wanted, strict=True)]
    turned = [
        np.abs(a[..., ::-1].astype(int) - b).mean() for a, b in zip(found, wanted, strict=True)
    ]
    shifted = [np.abs(a.astype(int) - b).mean() for a, b in zip(found[5:], wanted, strict=False)]
    assert max(far) < 12
    assert min(turned) > 12
    assert np.mean(shifted) > 1.3 * np.mean(far)


@pytest.mark.parametrize("kind", ["pattern", *FILES])
def test_stop_ends_the_pictures_from_another_thread(opened, kind):
    decoder = opened(kind)
    pictures = decoder.pictures()
    assert next(pictures) is not None
    thread = threading.Thread(target=decoder.stop)
    thread.start()
    thread.join(10.0)
    assert len(in_time(lambda: list(pictures))) < COUNT - 1


@pytest.mark.parametrize("kind", ["pattern", *FILES])
def test_it_can_be_closed_before_it_ran(opened, kind):
    opened(kind).close()


@pytest.mark.parametrize("kind", FILES)
def test_a_cut_file_gives_what_it_holds_and_one_line(opened, kind, clip, tmp_path):
    path = cut(remux(clip, tmp_path / "cut.mp4", movflags="faststart"))
    decoder = opened(kind, path)
    assert 5 <= len(in_time(lambda: list(decoder.pictures()))) < COUNT
    assert decoder.damaged >= 1
    assert decoder.damage
    assert "\n" not in decoder.damage


@pytest.mark.parametrize("kind", FILES)
def test_what_can_not_be_opened_is_one_line(opened, kind, tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    for path in (tmp_path / "none.mp4", tmp_path / "notes.mp4", tmp_path):
        with pytest.raises(VideoError) as caught:
            in_time(lambda path=path: opened(kind, path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
