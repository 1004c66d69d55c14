"""What a controller is told of the board, and how it sees it: rightly, wrongly, late, rarely."""

import random

import msgspec

from edgert.choice import chosen
from edgert.errors import SettingsError
from edgert.evaluation.day import Day
from edgert.evaluation.sensing import JTOP, JTOP_ONE_HERTZ, LATE, Sensing
from edgert.records import NotNegative, Record, ThermalConstants

_CONSTANTS = ("die_j_per_k", "sink_j_per_k", "die_to_sink_k_per_w", "sink_to_ambient_k_per_w")


class Variant(Record, frozen=True, kw_only=True):
    """`thermal_off_ratio`: by how much each thermal constant that is handed over is off."""

    name: str
    words: str
    sensing: Sensing = JTOP
    thermal_off_ratio: NotNegative = 0.0


VARIANTS = {
    row.name: row
    for row in (
        Variant(name="nominal", words="true thermal constants, jtop at 10 Hz, 80 ms late"),
        Variant(
            name="wrong",
            words="each thermal constant wrong by 25 %, up or down, and telemetry 0.7 s late",
            sensing=LATE,
            thermal_off_ratio=0.25,
        ),
        Variant(name="one-hertz", words="jtop at 1 Hz", sensing=JTOP_ONE_HERTZ),
    )
}


def open_variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        SettingsError: There is none; the message lists them.
    """
    return chosen(VARIANTS, name, "choose a variant", SettingsError)


def known_constants(day: Day, variant: Variant) -> ThermalConstants:
    """The thermal constants that a controller is given on this day.

    Each of the four is off by the variant's ratio, up or down by the day's seed.
    """
    true, chance = day.board.thermal, random.Random(f"{day.seed}/known")
    changed = {
        name: getattr(true, name) * (1 + chance.choice((-1, 1)) * variant.thermal_off_ratio)
        for name in _CONSTANTS
    }
    return msgspec.structs.replace(true, **changed)
