"""The generated picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import VideoError
from edgert.video.pattern import Pattern, parse_pattern, pattern_frames


def test_the_same_options_give_the_same_pixels_and_another_seed_others():
    first = [f.image for f in pattern_frames(Pattern(64, 36, frames=5, seed=1))]
    again = [f.image for f in pattern_frames(Pattern(64, 36, frames=5, seed=1))]
    other = [f.image for f in pattern_frames(Pattern(64, 36, frames=5, seed=2))]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_it_moves_and_no_frame_shares_memory_with_another():
    first, second = list(pattern_frames(Pattern(64, 36, frames=2)))
    assert not np.array_equal(first.image, second.image)
    assert not np.shares_memory(first.image, second.image)


def test_loops_repeat_the_picture_while_index_and_time_go_on():
    frames = list(pattern_frames(Pattern(64, 36, fps=10, frames=3), loops=2))
    assert [f.index for f in frames] == list(range(6))
    assert [f.time_s for f in frames] == pytest.approx([k / 10 for k in range(6)])
    assert np.array_equal(frames[1].image, frames[4].image)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_every_size_and_seed_gives_whole_pictures(width, height, seed):
    for frame in pattern_frames(Pattern(width, height, frames=3, seed=seed)):
        assert frame.image.shape == (height, width, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous


def test_options_are_read():
    asked = {"width": "64", "height": "36", "fps": "12.5", "frames": "7", "seed": "3"}
    assert parse_pattern(asked) == Pattern(64, 36, 12.5, 7, 3)
    assert parse_pattern({}) == Pattern()


@pytest.mark.parametrize(
    "options",
    [{"size": "3"}, {"width": "wide"}, {"width": "0"}, {"fps": "nan"}, {"frames": "0"},
     {"height": "1e3"}, {"seed": "-1"}],
)  # fmt: skip
def test_bad_options_are_named_in_one_line(options):
    with pytest.raises(VideoError) as caught:
        parse_pattern(options)
    assert next(iter(options)) in str(caught.value)
    assert "\n" not in str(caught.value)
