"""What a controller is meant to reach, and by how much it does not."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgert.evaluation.scenarios import SCENARIOS, Scenario
from edgert.evaluation.table import Row

LEAST_SHARE, LEAST_LEAD = 0.95, 0.03
MOST = {
    "hot_s": (0.0, "s over temp, worst day", 1.0),
    "miss_ratio": (0.005, "% misses", 100.0),
    "broken_window_ratio": (0.001, "% of windows broken", 100.0),
    "overdrawn_j": (0.0, "J overdrawn, worst day", 1.0),
    "switches_per_min": (30.0, "switches a minute", 1.0),
    "decide_p99_s": (50e-6, "µs a decision, p99", 1e6),
}
_BY_WORST_DAY = ("hot_s", "overdrawn_j")
# Figures that say something only where the scenario has the limit.
_ASKED_BY: dict[str, Callable[[Scenario], bool]] = {
    "hot_s": lambda scenario: scenario.heat,
    "broken_window_ratio": lambda scenario: scenario.budget,
    "overdrawn_j": lambda scenario: scenario.battery,
}


class Verdict(NamedTuple):
    """One target in one scenario and variant; `value` and `target` in the unit of `words`."""

    scenario: str
    variant: str
    words: str
    value: float
    target: float
    met: bool


def verdicts_of(
    rows: Sequence[Row], *, controller: str = "predictive", rival: str = "alert"
) -> list[Verdict]:
    """Hold a controller's rows against the targets.

    Args:
        rows: Of all controllers.
        controller: Whose.
        rival: Who must be beaten by 3 points of the oracle's share.

    Returns:
        A verdict for each target that the rows say something of, and that the scenario asks
        for; none without the controller.
    """
    by_place = {(row.scenario, row.variant, row.controller): row for row in rows}
    found = []
    for (scenario, variant, name), row in by_place.items():
        if name != controller:
            continue
        other = by_place.get((scenario, variant, rival))
        found += [Verdict(scenario, variant, *verdict) for verdict in _of_row(row, other, rival)]
    return found


def markdown_from_verdicts(verdicts: Sequence[Verdict]) -> str:
    """What was reached, a row for each scenario and variant, and a line for each miss."""
    columns = dict.fromkeys(f"{each.words} ({each.target:g})" for each in verdicts)
    lines = ["| scenario | variant | " + " | ".join(columns) + " |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for place in dict.fromkeys((each.scenario, each.variant) for each in verdicts):
        cells = dict.fromkeys(columns, "")
        for each in verdicts:
            if (each.scenario, each.variant) == place:
                value = f"{each.value:.2f}"
                column = f"{each.words} ({each.target:g})"
                cells[column] = value if each.met else f"**{value}**"
        lines.append("| " + " | ".join([*place, *cells.values()]) + " |")
    missed = [
        f"- {each.scenario}, {each.variant}: {each.value:.2f} {each.words}, "
        f"off by {abs(each.value - each.target):.2f}"
        for each in verdicts
        if not each.met
    ]
    return "\n".join([*lines, "", *(missed or ["Every target is met."])]) + "\n"


def _of_row(row: Row, other: Row | None, rival: str) -> list[tuple[str, float, float, bool]]:
    found = []
    if row.share is not None:
        share = row.share.value
        found.append(("% of the oracle", share * 100, LEAST_SHARE * 100, share >= LEAST_SHARE))
        if other is not None and other.share is not None:
            lead = share - other.share.value
            words = f"points over {rival}"
            found.append((words, lead * 100, LEAST_LEAD * 100, lead >= LEAST_LEAD))
    scenario = SCENARIOS.get(row.scenario)  # None: a recorded day, which may have any limit
    for name, (most, words, scale) in MOST.items():
        asked = _ASKED_BY.get(name)
        if scenario is not None and asked is not None and not asked(scenario):
            continue
        value = row.worst[name] if name in _BY_WORST_DAY else row.means[name].value
        found.append((words, value * scale, most * scale, value <= most))
    return found
