"""The strip under the picture: active configuration, temperature, power, latency, with limits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgert.optional import needs
from edgert.records import Provenance

_BACKGROUND, _TEXT, _QUIET = (18, 20, 24), (238, 240, 244), (150, 155, 165)
_TRACK, _GOOD, _BAD = (52, 56, 64), (70, 170, 110), (214, 66, 48)
_BAR_RANGE = 1.25  # a bar is full at this multiple of its limit, so that the limit shows inside
_SMALLEST = 8  # pixels; below, letters can not be told apart
_KEPT_TEXTS = 512  # rendered pieces of text; readings repeat, so most frames render none


@dataclass(frozen=True)
class StripText:
    """What the strip shows; None: not known, or no such limit."""

    configuration: str
    temp_c: float | None = None
    temp_limit_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    latency_s: float | None = None
    deadline_s: float | None = None
    provenance: Provenance | None = None  # of temperature and power


@dataclass(frozen=True)
class _Reading:
    names: tuple[str, ...]  # longest first; the first one that fits is drawn
    value: float | None
    limit: float | None
    unit: str
    digits: int

    @property
    def over(self) -> bool:
        return self.value is not None and self.limit is not None and self.value > self.limit

    @property
    def texts(self) -> tuple[str, ...]:
        if self.value is None:
            return ("not read", "-")
        value = f"{self.value:.{self.digits}f}"
        texts = (f"{value} {self.unit}", value)
        if self.limit is not None:
            return (f"{value} of {self.limit:.{self.digits}f} {self.unit}", *texts)
        return texts


class Strip:
    """Draws the strip into a picture's lower rows.

    Args:
        width: Of the picture, in pixels.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.height = max(36, min(72, width // 12)) // 2 * 2
        self._size = max(9, round(self.height * 0.26))
        self._texts: dict[tuple[str, int, tuple[int, int, int]], NDArray[np.uint8]] = {}

    def draw(self, rows: NDArray[np.uint8], strip: StripText) -> None:
        """Fill `rows`, (height, width, 3) uint8, in place."""
        rows[:] = _BACKGROUND
        readings = (
            _Reading(
                _marked(("temperature", "temp."), strip.provenance),
                strip.temp_c, strip.temp_limit_c, "°C", 1,
            ),
            _Reading(
                _marked(("power",), strip.provenance), strip.power_w, strip.power_limit_w, "W", 1
            ),
            _Reading(("latency",), _ms(strip.latency_s), _ms(strip.deadline_s), "ms", 0),
        )  # fmt: skip
        pad = self._size // 2
        first = self.width // 5
        name = rows[:, pad : first - 2]
        self._put(name, pad // 2, ("configuration", ""), self._small, _QUIET)
        self._put(name, self._second, (strip.configuration,), self._size * 8 // 5, _TEXT)
        column = (self.width - first) // len(readings)
        for index, reading in enumerate(readings):
            left = first + index * column
            self._draw_reading(rows[:, left : left + column - pad], reading)

    @property
    def _small(self) -> int:
        return max(_SMALLEST, self._size * 4 // 5)

    @property
    def _second(self) -> int:
        return self.height * 2 // 5

    def _draw_reading(self, rows: NDArray[np.uint8], reading: _Reading) -> None:
        """Fill one column of the strip: name, value of its limit, bar."""
        pad = self._size // 4
        self._put(rows, pad, reading.names, self._small, _QUIET)
        color = _BAD if reading.over else _TEXT
        self._put(rows, self._second - pad, reading.texts, self._size, color)
        if reading.value is not None and reading.limit:
            self._draw_bar(rows, reading.value / reading.limit)

    def _draw_bar(self, rows: NDArray[np.uint8], ratio: float) -> None:
        """A bar as long as the reading is of its limit; a notch marks the limit."""
        width = rows.shape[1]
        thick = max(3, self.height // 12)
        top = self.height - 2 * thick
        filled = round(width * min(max(ratio, 0.0) / _BAR_RANGE, 1.0))
        notch = round(width / _BAR_RANGE)
        rows[top : top + thick] = _TRACK
        rows[top : top + thick, :filled] = _BAD if ratio > 1 else _GOOD
        rows[top - 1 : top + thick + 1, notch : notch + 2] = _TEXT

    def _put(
        self,
        rows: NDArray[np.uint8],
        y: int,
        texts: tuple[str, ...],
        size: int,
        color: tuple[int, int, int],
    ) -> None:
        """The first of `texts` that fits into `rows`; else the last one, smaller or cut."""
        sizes = range(size - 1, _SMALLEST - 1, -1)
        tries = [(text, size) for text in texts] + [(texts[-1], smaller) for smaller in sizes]
        image = self._rendered(*tries[0], color)
        for text, smaller in tries[1:]:
            if image.shape[1] <= rows.shape[1]:
                break
            image = self._rendered(text, smaller, color)
        height = min(image.shape[0], rows.shape[0] - y)
        width = min(image.shape[1], rows.shape[1])
        if height > 0 and width > 0:
            rows[y : y + height, :width] = image[:height, :width]

    def _rendered(self, text: str, size: int, color: tuple[int, int, int]) -> NDArray[np.uint8]:
        """The text on the strip's background; kept, as readings repeat."""
        key = (text, size, color)
        if key not in self._texts:
            if len(self._texts) >= _KEPT_TEXTS:
                self._texts.pop(next(iter(self._texts)))
            self._texts[key] = rendered_text(text, size, color, _BACKGROUND)
        return self._texts[key]


def rendered_text(
    text: str, size: int, color: tuple[int, int, int], background: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """A line of text as (height, width, 3) uint8, height about 1.3 times `size` pixels."""
    images = needs("PIL.Image", "video", "to draw text")
    draws = needs("PIL.ImageDraw", "video", "to draw text")
    font = needs("PIL.ImageFont", "video", "to draw text").load_default(size)
    left, _, right, _ = font.getbbox(text)
    image = images.new(
        "RGB", (max(1, int(right - min(left, 0)) + 1), round(size * 1.3)), background
    )
    draws.Draw(image).text((0, 0), text, fill=color, font=font)
    return np.asarray(image)


def _marked(names: tuple[str, ...], provenance: Provenance | None) -> tuple[str, ...]:
    """The names with where the figures come from; where there is no room, that alone."""
    if provenance is None:
        return names
    return (*(f"{name} ({provenance})" for name in names), provenance)


def _ms(duration_s: float | None) -> float | None:
    return None if duration_s is None else duration_s * 1e3
