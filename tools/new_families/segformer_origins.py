"""Where the checkpoints that fill a family come from: folders, or the hub by name.

Owns what --checkpoint means, and that no weights are fetched before their licence was shown and
accepted.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgert.errors import UsageError
from edgert.families.hub import CARD, Hub
from edgert.families.licence import Licence, licence_from_card
from edgert.records import BaseModel, Family, InputSpec

BASE = "base"  # how the base model is called where scaled ones have names


@dataclass(frozen=True)
class Origin:
    """Where a model's checkpoint lies, and what is told of where it came from."""

    folder: Path
    told: str
    licence: Licence | None = None


def models_of(family: Family) -> dict[str, tuple[BaseModel, InputSpec]]:
    """Every model of a family by its name, with its own input."""
    scaled: dict[str, tuple[BaseModel, InputSpec]] = {
        model.name: (model, model.input) for model in family.models
    }
    return {BASE: (family.base, family.input), **scaled}


def given_folders(family: Family, given: Sequence[str]) -> dict[str, Origin]:
    """The folders that --checkpoint names, one for each model."""
    names = list(models_of(family))
    folders: dict[str, Path] = {}
    for argument in given:
        name, equals, path = argument.partition("=")
        if name not in names or not equals:
            if equals and not Path(argument).exists():
                raise UsageError(
                    f"fill {name} from {path}",
                    expected=f"a model among {', '.join(names)}",
                    got=f"'{name}'",
                    advice="Correct the name before the equals sign",
                )
            name, path = BASE, argument
        if name in folders:
            raise UsageError(
                f"fill {name} from {path}",
                expected=f"one folder for each of {', '.join(names)}",
                got=f"a second one for {name}",
                advice="Name scaled models' folders as NAME=FOLDER",
            )
        folders[name] = Path(path)
    missing = [name for name in names if name not in folders]
    if missing:
        raise UsageError(
            f"fill the family {family.name}",
            expected=f"a checkpoint for each of {', '.join(names)}",
            got=f"none for {', '.join(missing)}",
            advice=f"Add --checkpoint {missing[0]}=FOLDER, or give none to fetch all by name",
        )
    return {name: _given(folders[name]) for name in names}


def _given(folder: Path) -> Origin:
    licence = None
    card = folder / CARD
    if card.is_file():
        text = card.read_text("utf-8", "replace")
        licence = licence_from_card(folder.resolve().name, text)
    return Origin(folder, f"the folder `{folder.resolve().name}`", licence)


def fetched(family: Family, options: argparse.Namespace, temporary: Path) -> dict[str, Origin]:
    """Every model from the hub, after its licence was accepted."""
    sources = {name: model.source for name, (model, _) in models_of(family).items()}
    for name, source in sources.items():
        if not source:
            raise UsageError(
                f"fetch {name} of {family.name}",
                expected="its name on the hub as `source` in family.yaml",
                got="none",
                advice="Write it there, or give its folder with --checkpoint",
            )
    hub = Hub(options.endpoint, options.cache)
    licences = {name: hub.licence(source) for name, source in sources.items()}
    _accept(family, list(licences.values()), accepted=options.accept_license)
    origins = {}
    for name, source in sources.items():
        print(f"fetch {source}", file=sys.stderr)
        fetched = hub.fetch(source, temporary / name)
        told = f"`{source}`, {fetched.weights} of {fetched.revision} ({fetched.commit[:12]})"
        origins[name] = Origin(fetched.folder, told, licences[name])
    return origins


def _accept(family: Family, licences: Sequence[Licence], *, accepted: bool) -> None:
    """Show the licences, and go on only where the user says that they are accepted."""
    for licence in licences:
        print(f"{licence.full}\n", file=sys.stderr)
    if family.license:
        print(f"The family says: {family.license}\n", file=sys.stderr)
    if accepted:
        return
    answer = ""
    if sys.stdin.isatty():
        print(
            "Do you accept these terms? Type yes to go on: ", end="", file=sys.stderr, flush=True
        )
        answer = sys.stdin.readline().strip()
    if answer.lower() != "yes":
        raise UsageError(
            f"fill the family {family.name}",
            expected="the licence above accepted",
            got=f"'{answer}'" if answer else "no answer",
            advice="Answer yes, or give --accept-license once you have read it",
        )
