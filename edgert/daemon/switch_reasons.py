"""A decision's reason in words, as one of a few classes that a metric can be labelled with."""

import re

CLASSES = (
    "deadline",
    "power",
    "temperature",
    "energy",
    "over-current",
    "room",
    "pin",
    "telemetry",
    "other",
)

# The first that is found; each phrase has a space or a digit in it, so that no configuration's
# name can be taken for one. What was decisive is said first, so what stands behind it comes later.
_PHRASES = (
    ("pin", r"is pinned by the operator"),
    ("telemetry", r"\bno (temperature was read yet|power was read)|\bno telemetry for"),
    ("over-current", r"over-current events \("),
    ("energy", r"\(?the energy of \d"),
    ("temperature", r"the limit of -?[\d.]+ °C|^(from \S+ to \S+: )?[^;]*? °C|lowered its clock"),
    ("deadline", r"would take [\d.]+ of [\d.]+ ms|frames over [\d.]+ ms|the deadline"),
    ("power", r"the budget|[\d.]+ W of [\d.]+ W|power [\d.]+ W"),
    ("room", r"there is room"),
    # Controllers that weigh everything at once say figures only.
    ("temperature", r" °C"),
    ("deadline", r"in time\b|recent frames are [\d.]+ times"),
    ("energy", r"[\d.]+ J of [\d.]+ J"),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _PHRASES)


def switch_reason_class(reason: str) -> str:
    """The class of a reason of any of the controllers; "other" where none fits."""
    if reason.startswith("there is room"):
        return "room"
    return next((name for name, pattern in _COMPILED if pattern.search(reason)), "other")
