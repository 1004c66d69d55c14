"""A family's profile on a board that is not at hand: every figure in it is marked as modelled."""

from collections.abc import Mapping

from edgert.boards import Board, find_power_mode
from edgert.profiling.roofline.kernels import GraphWork
from edgert.profiling.roofline.model import Roofline
from edgert.profiling.roofline.peaks import peaks_of
from edgert.profiling.roofline.power import busy_power
from edgert.profiling.scores import card_score
from edgert.records import Accuracy, Family, Precision, Profile, ProfileEntry

NO_POWER = "no published power to fit: power and energy not modelled"


def modelled_profile(
    family: Family,
    works: Mapping[str, GraphWork],
    roofline: Roofline,
    board: Board,
    power_mode: str,
    *,
    precision: Precision = "fp16",
    baselines_macs: Mapping[str, int] | None = None,
) -> Profile:
    """Model every configuration of a family.

    Args:
        family: Whose configurations they are; accuracies are carried over from its card.
        works: What each configuration asks of a GPU, by its name; those of `family`, in order.
        roofline: Fitted on published figures.
        board: The board, with what its peaks follow from.
        power_mode: One of the names that `power_modes_by_name` gives.
        precision: What the engines would compute in.
        baselines_macs: What savings are stated against.

    Raises:
        SettingsError: No such power mode, or something that the peaks need is unknown.
    """
    peaks = peaks_of(board, find_power_mode(board, power_mode), precision)
    power = busy_power(roofline, board.name, power_mode)
    cards = {c.name: c.accuracy for c in family.configurations}
    entries = []
    for name, work in works.items():
        latency_s = roofline.latency_s(work, peaks)
        card = cards.get(name)
        entries.append(
            ProfileEntry(
                name=name,
                latency_s=latency_s,
                latency_from="modelled",
                power_w=power.power_w if power else None,
                energy_j=power.power_w * latency_s if power else None,
                energy_from="modelled" if power else None,
                accuracy=card.value if card else None,
                accuracy_from=_source(card),
                macs=work.macs,
            )
        )
    return Profile(
        family=family.name,
        device=board.name,
        backend=f"none: roofline at {precision}",
        board=f"{board.name} in {power_mode}",
        baselines_macs=dict(baselines_macs or {}),
        method=f"{roofline.method}; {power.method if power else NO_POWER}",
        entries=entries,
    )


def _source(card: Accuracy | None) -> str:
    if card is None:
        return ""
    return f"{card_score(card).source}, measured elsewhere"
