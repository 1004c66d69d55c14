"""A choice: which knob of a model stands at which level. Plain data, with a key and its edits.

A knob is "branch:NAME" at the level "linear" or "skip", "channels:NAME" at a number of units, or
"size:input" at a size as "270x360", rows first.
A knob that is not named stands where the full model has it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from edgert.records import Edit

Level = str | int
Choice = Mapping[str, Level]

BRANCH, CHANNELS = "branch:", "channels:"
SIZE = "size:input"
RANKING = "ranking.json"  # beside family.yaml, and in the search's work folder


def key_of(choice: Choice) -> str:
    """16 hexadecimal digits that name a choice, whatever the order of its knobs."""
    text = json.dumps(dict(choice), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def edits_of(choice: Choice, *, ranking: str = RANKING) -> list[Edit]:
    """The edits of a choice on the merged graph that fits make up for, without these.

    Groups are narrowed before branches go: a group is named after the maps that write it, and
    loses that name with them.

    Args:
        choice: A canonical choice.
        ranking: Path of the ranking, relative to the folder that the edits are applied in.
    """
    edits: list[Edit] = []
    widths = dict(_of_kind(choice, CHANNELS))
    if widths:
        edits.append({"narrow_groups": {"widths": widths, "ranking": ranking}})
    by_level = _of_kind(choice, BRANCH)
    skipped = [name for name, level in by_level if level == "skip"]
    replaced = [name for name, level in by_level if level == "linear"]
    if skipped:
        edits.append({"skip_residuals": {"branches": skipped}})
    if replaced:
        edits.append({"replace_residuals": {"branches": replaced}})
    return edits


def size_edits_of(choice: Choice) -> list[Edit]:
    """The edit that follows the fits, which are made at the full model's size."""
    if SIZE not in choice:
        return []
    height, width = map(int, str(choice[SIZE]).split("x"))
    return [{"resize_input": {"height": height, "width": width}}]


def fitted_edits(choice: Choice, *, fitted: PurePosixPath, ranking: str = RANKING) -> list[Edit]:
    """The edits of a choice with the numbers that were fitted for it."""
    edits = edits_of(choice, ranking=ranking)
    if edits:
        edits.append({"compensate": {"fitted": str(fitted)}})
    return [*edits, *size_edits_of(choice)]


def with_step(choice: Choice, steps: Iterable[tuple[str, Level]]) -> dict[str, Level]:
    """The choice with some knobs at other levels."""
    return {**choice, **dict(steps)}


def _of_kind(choice: Choice, prefix: str) -> list[tuple[str, Level]]:
    named = ((knob, level) for knob, level in sorted(choice.items()) if knob.startswith(prefix))
    return [(knob.removeprefix(prefix), level) for knob, level in named]
