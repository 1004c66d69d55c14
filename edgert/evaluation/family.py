"""The profiles that days are simulated with. No figure of cost in them was measured.

"wide" is made up: eight configurations of a family with scaled versions, whose accuracy is concave
in latency. "bundled" is engines/segformer-b0-camvid: its accuracies were measured there, latency
goes with its counted multiply-accumulates. Power above idle, back to back, is a power law of
latency in both: small engines fill a GPU less.
"""

import math

from edgert.choice import chosen
from edgert.errors import SettingsError
from edgert.records import Profile, ProfileEntry

IDLE_W = 3.5  # VDD_IN of an idle Orin Nano, as in profiles/boards/emulated-orin-nano.yaml
DEAREST_S, CHEAPEST_S = 0.031, 0.0075
DEAREST_W, CHEAPEST_W = 13.0, 5.5
# Through both ends of the wide family: log((5.5 - 3.5) / (13 - 3.5)) / log(7.5 / 31).
_POWER_EXPONENT = math.log((CHEAPEST_W - IDLE_W) / (DEAREST_W - IDLE_W)) / math.log(
    CHEAPEST_S / DEAREST_S
)
_WIDE_MS = (31.0, 26.5, 22.5, 18.5, 15.0, 12.0, 9.5, 7.5)
_ACCURACY_LOW, _ACCURACY_HIGH, _ACCURACY_SCALE_S = 0.52, 0.80, 0.010
# Name, millions of multiply-accumulates, mIoU on 51 frames: engines/segformer-b0-camvid, its
# README and family.yaml.
BUNDLED = (
    ("full", 2107, 0.6385),
    ("c1212", 1212, 0.6395),
    ("c805", 805, 0.6360),
    ("c798", 798, 0.6359),
    ("c630", 630, 0.6196),
    ("c567", 567, 0.6046),
    ("c559", 559, 0.6159),
    ("c462", 462, 0.6086),
    ("c388", 388, 0.6027),
)
FAMILIES = ("wide", "bundled")


def open_family(name: str) -> Profile:
    """The profile of that name.

    Raises:
        SettingsError: There is none; the message lists them.
    """
    makers = dict(zip(FAMILIES, (wide_profile, bundled_profile), strict=True))
    return chosen(makers, name, "choose a family to simulate", SettingsError)()


def wide_profile() -> Profile:
    """Eight configurations from 31 ms, 13 W and 0.80 down to 7.5 ms, 5.5 W and 0.52."""
    entries = [
        _entry(f"w{ms * 10:.0f}", ms / 1e3, _wide_accuracy(ms / 1e3), "made up, concave")
        for ms in _WIDE_MS
    ]
    return _profile("wide", "made-up family: accuracy concave in latency", entries)


def bundled_profile() -> Profile:
    """The nine configurations of segformer-b0-camvid; 31 ms for the first, MACs for the rest."""
    most = BUNDLED[0][1]
    entries = [
        _entry(
            name,
            DEAREST_S * mega_macs / most,
            accuracy,
            "miou, 51 frames of CamVid val",
            macs=mega_macs * 10**6,
        )
        for name, mega_macs, accuracy in BUNDLED
    ]
    return _profile("segformer-b0-camvid", "latency in proportion to MACs from 31 ms", entries)


def _wide_accuracy(latency_s: float) -> float:
    """Concave from the low end to the high one; what a family of scaled versions looks like."""

    def gained(span_s: float) -> float:
        return 1 - math.exp(-span_s / _ACCURACY_SCALE_S)

    share = gained(latency_s - CHEAPEST_S) / gained(DEAREST_S - CHEAPEST_S)
    return round(_ACCURACY_LOW + (_ACCURACY_HIGH - _ACCURACY_LOW) * share, 4)


def _entry(
    name: str, latency_s: float, accuracy: float, accuracy_from: str, *, macs: int | None = None
) -> ProfileEntry:
    power_w = IDLE_W + (DEAREST_W - IDLE_W) * (latency_s / DEAREST_S) ** _POWER_EXPONENT
    return ProfileEntry(
        name=name,
        latency_s=latency_s,
        power_w=power_w,
        energy_j=power_w * latency_s,
        accuracy=accuracy,
        latency_from="modelled",
        accuracy_from=accuracy_from,
        energy_from="modelled",
        macs=macs,
    )


def _profile(family: str, words: str, entries: list[ProfileEntry]) -> Profile:
    return Profile(
        family=family,
        device="modelled",
        board="modelled Orin Nano like board",
        method=f"{words}; power above idle goes with latency to the power {_POWER_EXPONENT:.2f}",
        entries=entries,
    )
