"""The licence of a pretrained model, as its model card states it.

Owns the reading of a card: the block of metadata on top, and the sections that speak of a licence.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import yaml

_METADATA = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"^(#+)\s*(.*)$", re.MULTILINE)
_MOST_CHARACTERS = 60_000  # that are shown; the longest licences in use have half of it


@dataclass(frozen=True)
class Licence:
    """What a card says of the terms.

    Attributes:
        source: The model, as a hub names it, or a checkpoint's folder.
        name: As the metadata say: "other", "mit", or a name of its own; empty where they are
            silent.
        link: Where its text is, if they say: an address, or a file beside the card.
        text: The card's sections on it, and what else was found of its text.
    """

    source: str
    name: str = ""
    link: str = ""
    text: str = ""

    @property
    def line(self) -> str:
        """In one line, for family.yaml."""
        stated = self.name or "no licence in the card's metadata"
        where = f" ({self.link})" if self.link else ""
        return f"{self.source}: {stated}{where}"

    @property
    def full(self) -> str:
        """All of it, for people who are asked whether they accept."""
        rows = [f"Model:   {self.source}", f"Licence: {self.name or 'none stated by the card'}"]
        if self.link:
            rows.append(f"Text at: {self.link}")
        if self.text:
            rows += ["", self.text]
        text = printable("\n".join(rows))
        if len(text) <= _MOST_CHARACTERS:
            return text
        return f"{text[:_MOST_CHARACTERS]}\n(cut here; the rest is in the model's files)"


def licence_from_card(source: str, card: str) -> Licence:
    """What a model card says of the licence; silence is no permission and stays visible.

    Args:
        source: The model that the card is of.
        card: Its text, Markdown with a block of YAML on top.
    """
    block = _METADATA.match(card)
    stated: Any = None
    if block:
        try:
            stated = yaml.safe_load(block[1])
        except yaml.YAMLError:
            stated = None  # the sections below may still say it
    fields = stated if isinstance(stated, dict) else {}
    kind, own = _word(fields.get("license")), _word(fields.get("license_name"))
    name = f"{kind}, {own}" if kind and own else kind or own
    body = card[block.end() :] if block else card
    return Licence(source, name, _word(fields.get("license_link")), "\n\n".join(_sections(body)))


def printable(text: str) -> str:
    """Text of strangers without what steers a terminal or turns the order of letters around."""
    return "".join(c for c in text if c in "\n\t" or not unicodedata.category(c).startswith("C"))


def _word(value: Any) -> str:
    """A value of the metadata in one line; lists of licences are told one after the other."""
    if isinstance(value, list):
        return ", ".join(_word(item) for item in value)
    return printable(" ".join(str(value).split())) if value is not None else ""


def _sections(body: str) -> list[str]:
    """Each section whose heading speaks of a licence, up to the next heading of its rank."""
    headings = list(_HEADING.finditer(body))
    found = []
    for index, heading in enumerate(headings):
        if re.search(r"licen[cs]e|terms", heading[2], re.IGNORECASE):
            rank = len(heading[1])
            ends = [h.start() for h in headings[index + 1 :] if len(h[1]) <= rank]
            section = body[heading.start() : ends[0] if ends else len(body)]
            found.append(section.strip())
    return found
