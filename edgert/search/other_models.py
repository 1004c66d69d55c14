"""Configurations of a family's other models, in the family that a search over its base writes.

A search changes what is derived from the base model. What is derived from scaled versions of it
is none of its business, and goes into the written family as it was, between the new ones.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgert.artifacts import FamilyFolder
from edgert.build.derive import derive_configuration, files_of
from edgert.build.family_graphs import FamilyGraphs
from edgert.errors import EdgertError
from edgert.records import Configuration, Family
from edgert.surgery.cost import cost_of


def of_other_models(family: Family) -> list[Configuration]:
    """The configurations that are not the base model's."""
    return [configuration for configuration in family.configurations if configuration.model]


def copy_other_models(family: FamilyFolder, target: Path) -> None:
    """Copy the other models, and what their configurations read, under the names they have.

    Files outside the family's folder stay where they are.
    """
    wanted = []
    for model in family.family.models:
        wanted += [family.graph_path_of(model), family.weights_path_of(model)]
    for configuration in of_other_models(family.family):
        wanted += files_of(configuration.edits, family.path)
    for path in dict.fromkeys(path for path in wanted if path is not None):
        if path.is_relative_to(family.path):
            place = target / path.relative_to(family.path)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def with_other_models(
    old: Family, written: FamilyFolder, macs: Sequence[int]
) -> tuple[Family, dict[str, EdgertError]]:
    """Put the other models' configurations between the new ones, dearest first.

    Args:
        old: The family that was searched.
        written: What was found, in the folder that has the other models already.
        macs: Of the configurations in `written`.

    Returns:
        The family; and by name why a configuration is not in it, as where it can't be derived in
        the new folder.
    """
    rows = list(zip(macs, written.family.configurations, strict=True))
    graphs, left_out = FamilyGraphs(written), dict[str, EdgertError]()
    for configuration in of_other_models(old):
        taken = {other.name for _, other in rows}
        renamed = f"{configuration.model}-{configuration.name}"
        name = renamed if configuration.name in taken else configuration.name
        try:
            graph = derive_configuration(
                written, configuration, base=graphs, subject=f"write {configuration.name}"
            )
        except EdgertError as error:
            left_out[configuration.name] = error
            continue
        rows.append((cost_of(graph).macs, msgspec.structs.replace(configuration, name=name)))
    rows.sort(key=lambda row: -row[0])  # equal ones as they came, the new before the kept
    configurations = [configuration for _, configuration in rows]
    return msgspec.structs.replace(written.family, configurations=configurations), left_out
