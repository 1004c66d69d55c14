"""A generated picture that moves: for runs, tests and demonstrations without a camera."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgert.errors import VideoError
from edgert.video.decoder import Picture
from edgert.video.frame import Frame

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Pattern:
    """What a test pattern shows. The same values always give the same pixels."""

    width: int = 640
    height: int = 360
    fps: float = 30.0
    frames: int = 300
    seed: int = 0


def parse_pattern(options: Mapping[str, str]) -> Pattern:
    """The pattern that test://?width=640&height=360&fps=30&frames=300&seed=0 asks for.

    Raises:
        VideoError: An option is unknown, no number or out of range.
    """
    unknown = sorted(set(options) - {"width", "height", "fps", "frames", "seed"})
    if unknown:
        raise _refusal(unknown[0], "one of width, height, fps, frames, seed", repr(unknown[0]))
    return Pattern(
        width=_number(options, "width", int, 640, (2, 8192)),
        height=_number(options, "height", int, 360, (2, 8192)),
        fps=_number(options, "fps", float, 30.0, (0.1, 1000.0)),
        frames=_number(options, "frames", int, 300, (1, 10**9)),
        seed=_number(options, "seed", int, 0, (0, 2**32 - 1)),
    )


def pattern_frames(pattern: Pattern, *, loops: int = 1) -> Iterator[Frame]:
    """Yield the pattern's frames, `loops` times over; index and time go on increasing."""
    backdrop = _backdrop(pattern)
    boxes = _boxes(pattern)
    for index in range(pattern.frames * loops):
        step = index % pattern.frames
        shift = (3 * step) % pattern.width
        image = backdrop[:, shift : shift + pattern.width].copy()
        for color, size, start, speed in boxes:
            top = _bounce(start[0] + speed[0] * step, pattern.height - size[0])
            left = _bounce(start[1] + speed[1] * step, pattern.width - size[1])
            image[top : top + size[0], left : left + size[1]] = color
        yield Frame(index, index / pattern.fps, image)


class PatternDecoder:
    """The pattern as a video; implements `edgert.video.decoder.Decoder`."""

    name = "pattern"
    reason = "the pictures are generated"
    live = False
    damage: str | None = None
    damaged = 0

    def __init__(self, pattern: Pattern) -> None:
        self.width, self.height, self.fps = pattern.width, pattern.height, pattern.fps
        self._pattern = pattern
        self._stopped = False

    def pictures(self) -> Iterator[Picture]:
        """Every picture, once."""
        for frame in pattern_frames(self._pattern):
            if self._stopped:
                return
            yield Picture(frame.time_s, frame.image)

    def stop(self) -> None:
        """End `pictures`."""
        self._stopped = True

    def close(self) -> None:
        """Hold nothing, let go of nothing."""


_Box = tuple[NDArray[np.uint8], tuple[int, int], tuple[int, int], tuple[int, int]]


def _backdrop(pattern: Pattern) -> NDArray[np.uint8]:
    """Smooth coloured waves, twice as wide as the picture, so that a window can slide."""
    phase = np.random.default_rng(pattern.seed).uniform(0, 2 * math.pi, 3)
    across = np.arange(2 * pattern.width) * (2 * math.pi / pattern.width)
    down = np.linspace(0, math.pi, pattern.height)[:, None]
    waves = [
        96 + 48 * np.sin((k + 1) * across + phase[k]) + 48 * np.cos(2 * down + phase[k] + k)
        for k in range(3)
    ]
    return np.stack(waves, axis=-1).clip(0, 255).astype(np.uint8)


def _boxes(pattern: Pattern) -> list[_Box]:
    rng = np.random.default_rng([pattern.seed, 1])
    boxes: list[_Box] = []
    for _ in range(5):
        size = (
            max(1, int(pattern.height * rng.uniform(0.08, 0.25))),
            max(1, int(pattern.width * rng.uniform(0.05, 0.2))),
        )
        start = (int(rng.integers(0, pattern.height)), int(rng.integers(0, pattern.width)))
        speed = (int(rng.integers(1, 4)), int(rng.integers(2, 7)))
        boxes.append((rng.integers(0, 256, 3, dtype=np.uint8), size, start, speed))
    return boxes


def _bounce(position: int, room: int) -> int:
    """Fold an ever growing position into 0..room, there and back."""
    folded = position % (2 * room) if room > 0 else 0
    return min(folded, 2 * room - folded)


def _number(
    options: Mapping[str, str],
    name: str,
    kind: Callable[[str], _Number],
    default: _Number,
    bounds: tuple[_Number, _Number],
) -> _Number:
    if name not in options:
        return default
    low, high = bounds
    try:
        value = kind(options[name])
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise _refusal(name, f"a number from {low} to {high}", repr(options[name]))
    return value


def _refusal(name: str, expected: str, got: str) -> VideoError:
    return VideoError(
        f"open test:// option {name}",
        expected=expected,
        got=got,
        advice="Write it as test://?width=640&height=360&fps=30&frames=300&seed=0",
    )
