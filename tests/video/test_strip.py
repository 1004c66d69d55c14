"""The strip: what it says, what turns red, and what a narrow one leaves out."""

import dataclasses

import numpy as np
import pytest

from edgert.video.strip import Strip, StripText, rendered_text

TEXT = StripText("full", 61.0, 70.0, 8.0, 10.0, 0.030, 0.040, "emulated")
RED, GREEN = (214, 66, 48), (70, 170, 110)
WHITE = (238, 240, 244)
QUIET, BACKGROUND = (150, 155, 165), (18, 20, 24)
WIDTHS = [240, 320, 480, 640, 1280]


def strip_pixels(width, **values):
    strip = Strip(width)
    rows = np.zeros((strip.height, width, 3), np.uint8)
    strip.draw(rows, dataclasses.replace(TEXT, **values))
    return rows


def has(rows, color):
    return bool((rows == color).all(-1).any())


def columns(rows):
    """The parts of temperature, power and latency."""
    width = rows.shape[1]
    first = width // 5
    each = (width - first) // 3
    return [rows[:, first + k * each : first + (k + 1) * each] for k in range(3)]


def shows(rows, text, size, color=QUIET):
    """Whether a text of a size stands at the left of the rows, letter for letter."""
    patch = rendered_text(text, size, color, BACKGROUND)
    ink = np.flatnonzero((patch != BACKGROUND).any((1, 2)))
    patch = patch[ink[0] : ink[-1] + 1]
    height, width = patch.shape[:2]
    return any(
        np.array_equal(rows[top : top + height, :width], patch)
        for top in range(rows.shape[0] - height + 1)
    )


@pytest.mark.parametrize(
    "beyond", [{"temp_c": 70.1}, {"power_w": 10.1}, {"latency_s": 0.0401}]
)  # one at a time
def test_a_reading_beyond_its_limit_is_red(beyond):
    assert not has(strip_pixels(640), RED)
    assert has(strip_pixels(640, **beyond), RED)


def test_a_reading_at_its_limit_or_without_one_is_not_red():
    assert not has(strip_pixels(640, temp_c=70.0, power_w=10.0, latency_s=0.040), RED)
    none = {"temp_limit_c": None, "power_limit_w": None, "deadline_s": None}
    assert not has(strip_pixels(640, temp_c=99.0, power_w=99.0, latency_s=9.0, **none), RED)


def test_every_field_shows():
    """A changed field changes pixels; the whole strip is written every time."""
    plain = strip_pixels(640)
    changes = {
        "configuration": "c60", "temp_c": 62.0, "temp_limit_c": 75.0, "power_w": 8.1,
        "power_limit_w": 12.0, "latency_s": 0.031, "deadline_s": 0.050, "provenance": "measured",
    }  # fmt: skip
    for field, value in changes.items():
        assert not np.array_equal(strip_pixels(640, **{field: value}), plain), field


def test_a_longer_reading_has_a_longer_bar():
    def filled(power_w):
        return int((strip_pixels(640, power_w=power_w) == GREEN).all(-1).sum())

    lengths = [filled(power_w) for power_w in (1.0, 5.0, 9.0)]
    assert lengths == sorted(set(lengths))


def test_nothing_read_is_no_error():
    nothing = dict.fromkeys(("temp_c", "power_w", "latency_s", "provenance"))
    assert strip_pixels(640, **nothing).shape[1] == 640


@pytest.mark.parametrize("width", [16, 64, 160, 4096])
def test_long_names_and_strange_letters_stay_inside(width):
    rows = strip_pixels(width, configuration="x" * 300 + "äß漢\N{PILE OF POO}")
    assert rows.shape[1] == width


def test_rendered_text_is_kept_and_bounded():
    strip = Strip(640)
    rows = np.zeros((strip.height, 640, 3), np.uint8)
    for step in range(700):
        strip.draw(rows, dataclasses.replace(TEXT, temp_c=float(step)))
    assert len(strip._texts) <= 512


def test_red_is_where_the_reading_is_that_broke_its_limit():
    for place, beyond in enumerate(({"temp_c": 70.1}, {"power_w": 10.1}, {"latency_s": 0.0401})):
        red = [has(part, RED) for part in columns(strip_pixels(640, **beyond))]
        assert red == [k == place for k in range(3)]


def test_a_bar_never_leaves_its_column_and_a_limit_of_zero_is_no_error():
    rows = strip_pixels(640, temp_c=1e6, power_w=-5.0, temp_limit_c=70.0)
    temperature, power, _ = columns(rows)
    assert has(temperature, RED)
    assert not has(power, RED)
    assert not has(power, GREEN)
    assert strip_pixels(640, temp_limit_c=0.0).shape == rows.shape


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (160, ("emulated", "emulated")),
        (320, ("temp. (emulated)", "power (emulated)")),
        (640, ("temperature (emulated)", "power (emulated)")),
        (1280, ("temperature (emulated)", "power (emulated)")),
    ],
)
def test_emulated_stands_whole_at_temperature_and_power_when_they_are(width, names):
    small = Strip(width)._small
    temperature, power, latency = columns(strip_pixels(width))
    assert shows(temperature, names[0], small)
    assert shows(power, names[1], small)
    assert shows(latency, "latency", small)


@pytest.mark.parametrize("width", [160, *WIDTHS])
def test_emulated_stands_nowhere_when_they_are_not(width):
    small = Strip(width)._small
    measured, unknown = (strip_pixels(width, provenance=p) for p in ("measured", None))
    for rows in (measured, unknown):
        for part in columns(rows):
            for name in ("emulated", "power (emulated)", "temp. (emulated)"):
                assert not shows(part, name, small)
    assert shows(columns(unknown)[1], "power", small)
    assert not np.array_equal(measured, unknown)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_name_is_cut_at_a_usual_width(width):
    """Nothing is drawn in the gap before the next column."""
    rows = strip_pixels(width, configuration="merged-c70-60")
    strip = Strip(width)
    pad = strip._size // 2
    first = width // 5
    each = (width - first) // 3
    for right in (first, first + each, first + 2 * each, first + 3 * each):
        end = right - (2 if right == first else pad)
        assert (rows[: strip.height // 2 + 4, end:right] == BACKGROUND).all()


def test_the_value_stays_when_the_limit_has_no_room():
    narrow, wide = columns(strip_pixels(160))[0], columns(strip_pixels(640))[0]
    assert shows(wide, "61.0 of 70.0 °C", Strip(640)._size, WHITE)
    assert shows(narrow, "61.0 °C", Strip(160)._size, WHITE)


def test_what_is_not_read_says_so():
    rows = strip_pixels(640, temp_c=None, power_w=None, latency_s=None)
    assert all(shows(part, "not read", Strip(640)._size, WHITE) for part in columns(rows))
    assert not has(rows, GREEN)


def test_a_repeated_strip_renders_no_text_again():
    strip = Strip(640)
    rows = np.zeros((strip.height, 640, 3), np.uint8)
    strip.draw(rows, TEXT)
    kept = {key: id(image) for key, image in strip._texts.items()}
    first = rows.copy()
    strip.draw(rows, TEXT)
    assert {key: id(image) for key, image in strip._texts.items()} == kept
    assert np.array_equal(rows, first)
