"""From rails to the board's power: which are summed, and when a sensor has stopped measuring.

Knows nothing of files. The table of rails is the board's (profiles/boards).
"""

import logging
from collections.abc import Collection, Mapping

from edgert.boards import Board, Total
from edgert.telemetry.kernel_file import GapError

logger = logging.getLogger(__name__)

# Rails that are a whole by their name, for boards that no file is of: the narrowest first.
_OBVIOUS = {
    "VDD_IN": "module",
    "POM_5V_IN": "module and carrier board",
    "VIN": "module and carrier board",
}


def total_of(board: Board | None, rails: Collection[str]) -> Total | None:
    """The total that can be had from these rails.

    Args:
        board: What is known of the board; None: nothing.
        rails: The rails that there are sensors for.

    Returns:
        The first of the board's totals whose rails are all there. Of an unknown board the rail
        that is a whole by its name. None where there is neither: then no rail is added to
        another, because one may lie behind the other.
    """
    if board is not None:
        fitting = (total for total in board.totals if set(total.rails) <= set(rails))
        return next(fitting, None)
    for name, covers in _OBVIOUS.items():
        if name in rails:
            return Total(rails=[name], covers=covers)
    return None


def why_no_total(board: Board | None, rails: Collection[str]) -> str:
    """Why `total_of` found none, in words."""
    if not rails:
        return "no power sensor"
    listed = ", ".join(sorted(rails))
    if board is None:
        return f"unknown board: which of {listed} make up its power is not known"
    return f"{board.name} has its total in other rails than {listed}"


def say_once(board: Board | None, rails: Collection[str]) -> None:
    """Log that the board is unknown; a source calls this when it is opened."""
    if board is None and rails:
        logger.warning(
            "this board is in no file under profiles/boards; its rails keep their own names: %s",
            ", ".join(sorted(rails)),
        )


def power_of(total: Total, rails_w: Mapping[str, float], gaps: Mapping[str, str]) -> float:
    """The sum of a total's rails, in W.

    Raises:
        GapError: A rail of it is missing, or all of them say zero while the board runs.
    """
    power_w = 0.0
    for name in total.rails:
        if name not in rails_w:
            raise GapError(f"rail {name}: {gaps.get(f'rail {name}', 'missing')}")
        power_w += rails_w[name]
    if power_w == 0:
        raise GapError("0 W, while the board runs")
    return power_w


class FrozenWatch:
    """Tells a sensor that has stopped measuring from a board that draws the same for long.

    A board at rest may show the same power for minutes, to the last bit, and be right. So a
    standstill alone proves nothing. The rule: the raw values of all rails of the total have not
    changed for `frozen_s` and at least `reads` reads, while something that draws power did: the
    GPU's load by 25 points, or its clock by a quarter of its cap. It ends when a raw value
    changes. Heat is no witness, because it follows long after. A rail that is no part of the
    total, and one that stands still while another of the total moves, are not judged.
    """

    MOVED = 0.25
    SETTLE_S = 2.0  # load and clock are read less often than power, and may be news from before

    def __init__(self, frozen_s: float = 10.0, reads: int = 20) -> None:
        self.frozen_s = frozen_s
        self._reads_wanted = reads
        self._raw: object = None
        self._since_s = 0.0
        self._reads = 0
        self._seen: dict[str, tuple[float, float]] = {}

    def frozen(self, now_s: float, raw: object, witnesses: Mapping[str, float | None]) -> str:
        """The reason while the values are frozen, "" else; to be called at every read.

        Args:
            now_s: The time of the reading.
            raw: What the sensors of the total said, to be compared with the reading before.
            witnesses: The GPU's load and its clock over its cap, 0 to 1; None where not known.
        """
        if raw != self._raw:
            self._raw, self._since_s, self._reads = raw, now_s, 0
            self._seen.clear()
        self._reads += 1
        still_s = now_s - self._since_s
        if still_s >= self.SETTLE_S:
            for name, value in witnesses.items():
                if value is not None:
                    low, high = self._seen.get(name, (value, value))
                    self._seen[name] = (min(low, value), max(high, value))
        if still_s < self.frozen_s or self._reads < self._reads_wanted:
            return ""
        if not any(high - low >= self.MOVED for low, high in self._seen.values()):
            return ""
        return f"frozen: the same for {still_s:.0f} s while the board's load changed"
