"""Where in their edits configurations have their BatchNorm statistics, or should have them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edgert.build.derive import LOSSLESS
from edgert.build.statistics_origin import EDIT
from edgert.errors import UsageError
from edgert.records import Configuration, Edit, Family

FOLDER = "recalibrated"
# What changes numbers and not what is computed comes behind the statistics.
_LAST = frozenset({"channels_first", "lower_precision", "quantize"})


@dataclass(frozen=True)
class StatisticsPlace:
    """One configuration with the place of its statistics among its edits.

    Attributes:
        configuration: As family.yaml has it.
        index: Of the edit.
        written: Whether the edit stands there, or would be added.
    """

    configuration: Configuration
    index: int
    written: bool

    @property
    def before(self) -> list[Edit]:
        """The edits whose graph is measured."""
        return self.configuration.edits[: self.index]

    @property
    def file(self) -> str:
        """The file of the statistics, as family.yaml names it."""
        return f"{FOLDER}/{self.configuration.name}.npz"

    @property
    def named(self) -> bool:
        """Whether family.yaml names that file already."""
        edit = self.configuration.edits[self.index] if self.written else {}
        return (edit.get(EDIT) or {}).get("statistics") == self.file

    def unscored(self) -> Configuration:
        """The configuration without the accuracy that was measured with other statistics."""
        return msgspec.structs.replace(self.configuration, accuracy=None)

    def filled(self, *, replaced: bool) -> Configuration:
        """The configuration with the file named.

        Args:
            replaced: The statistics are others; an accuracy that was measured with the old goes.
        """
        rest = self.configuration.edits[self.index + self.written :]
        edits: list[Edit] = [*self.before, {EDIT: {"statistics": self.file}}, *rest]
        kept = self.unscored() if replaced else self.configuration
        return msgspec.structs.replace(kept, edits=edits)


def places_in(family: Family, names: Sequence[str], *, add: bool) -> list[StatisticsPlace]:
    """The configurations whose statistics are to be measured.

    Args:
        family: What they are of.
        names: Of configurations; none for all.
        add: Also those without the edit, where their edits change what a normalisation may see, or
            where they are named: a supernet's own statistics are a mixture of all its subnets'.

    Raises:
        UsageError: A name is none of the family's, or nothing is left to measure.
    """
    known = {configuration.name: configuration for configuration in family.configurations}
    for name in names:
        if name not in known:
            raise UsageError(
                f"recalibrate {name}",
                expected=f"a configuration among {', '.join(known)}",
                got="none of that name",
                advice="Correct the name",
            )
    asked = [known[name] for name in known if name in names or not names]
    places = [place for one in asked if (place := _place(one, add=add, named=bool(names)))]
    if not places:
        changing = "edits that change the model" if add else f"the edit {EDIT}"
        raise nothing_to_measure(f"a configuration with {changing}", [one.name for one in asked])
    return places


def nothing_to_measure(expected: str, names: Sequence[str]) -> UsageError:
    """The error for a family that has nothing to measure."""
    return UsageError(
        "recalibrate",
        expected=expected,
        got=f"none among {', '.join(names)}",
        advice="Write the edit into family.yaml, or --add it where it is of use",
    )


def _place(configuration: Configuration, *, add: bool, named: bool) -> StatisticsPlace | None:
    kinds = [next(iter(edit)) for edit in configuration.edits]
    if kinds.count(EDIT) > 1:
        raise UsageError(
            f"recalibrate {configuration.name}",
            expected=f"one edit {EDIT}",
            got=str(kinds.count(EDIT)),
            advice="Keep the last one",
        )
    if EDIT in kinds:
        return StatisticsPlace(configuration, kinds.index(EDIT), written=True)
    index = len(kinds)
    while index and kinds[index - 1] in _LAST:
        index -= 1
    wanted = named or any(kind not in LOSSLESS | _LAST for kind in kinds[:index])
    return StatisticsPlace(configuration, index, written=False) if add and wanted else None
