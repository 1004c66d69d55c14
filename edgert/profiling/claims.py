"""What papers claim to save, as claims.yaml states it."""

import importlib.resources
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from edgert.errors import ArtifactError
from edgert.records import Record
from edgert.schema import record_from_object

Quantity = Literal["energy", "time"]


class Claim(Record, frozen=True, kw_only=True):
    """One claim of one paper, as it stands there, and how anybody can check it.

    Attributes:
        name: Unique among the claims.
        paper: Authors, title, place and year.
        arxiv: Its number, with the version that the claim stands in.
        place: Where in it.
        model: What names of families that it is about begin with.
        task: What was done, in words.
        dataset: What the score was taken on.
        also_named: Other names of that data, as folders of it have them.
        pictures: How many pictures that has.
        base_macs: Multiply-accumulates of the model that is saved against.
        quantity: What is saved.
        saving_ratio: How much of it, of the baseline.
        up_to: It is the best case that the paper reports.
        drop: Of the score times 100; negative where it rises; None: not given.
        drop_kind: What the drop is in; "not stated" is held to both.
        training: What was trained for it.
        device: What it was measured or modelled on.
        needs: What it takes to check it.
        to_check: The commands that check it, in their order.
    """

    name: str
    paper: str
    arxiv: str
    place: str
    model: list[str]
    task: str
    dataset: str
    also_named: list[str] = msgspec.field(default_factory=list)
    pictures: int | None = None
    base_macs: float | None = None
    quantity: Quantity
    saving_ratio: float
    up_to: bool = False
    drop: float | None
    drop_kind: Literal["absolute", "relative", "not stated"]
    training: str
    device: str
    needs: str = ""
    to_check: list[str] = msgspec.field(default_factory=list)


def load_claims(path: Path | None = None) -> list[Claim]:
    """Read claims; without a path those that come with edgert.

    Raises:
        ArtifactError: A field is missing, unknown or of a wrong type.
    """
    if path is None:
        text = importlib.resources.files("edgert.profiling").joinpath("claims.yaml").read_text()
    else:
        text = path.read_text(encoding="utf-8")
    subject = f"read {path or 'claims.yaml'}"
    return record_from_object(yaml.safe_load(text), list[Claim], ArtifactError, subject=subject)
