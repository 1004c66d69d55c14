"""How edits refuse names: none given, one given twice, or one that the graph does not have."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgert.errors import PreconditionError


@dataclass(frozen=True)
class Wording:
    """What the things are called that an edit asks for by name.

    Args:
        one: "branch".
        many: "residual branches".
        entry: What the list holds: "branch name".
        advice: What to do where the list is empty.
        repeated: What to remove where a name comes twice.
    """

    one: str
    many: str
    entry: str
    advice: str
    repeated: str


BRANCHES = Wording(
    "branch",
    "residual branches",
    "branch name",
    "Name the branches to drop, or leave this edit out to keep them all",
    "name",
)
ATTENTIONS = Wording(
    "attention", "attentions", "site", "Name an attention, or leave this edit out", "site"
)


def check_names(
    subject: str, asked: Sequence[str], known: Sequence[str], wording: Wording
) -> None:
    """Refuse what is no list of different names of the graph's.

    Args:
        subject: The edit, for the error line.
        asked: The names that are asked for.
        known: The names that the graph has.
        wording: What they are names of.

    Raises:
        PreconditionError: No name is asked for, one twice, or one that nothing has.
    """
    if isinstance(asked, str) or not asked:
        raise PreconditionError(
            subject,
            expected=f"a list of one {wording.entry} or more",
            got=f"{asked!r}" if isinstance(asked, str) else "none",
            advice=wording.advice,
        )
    twice = [name for name, count in Counter(asked).items() if count > 1]
    if twice:
        raise PreconditionError(
            subject,
            expected=f"each {wording.one} once",
            got=f"{', '.join(twice)} more than once",
            advice=f"Remove the repeated {wording.repeated}",
        )
    for name in asked:
        if name not in known:
            raise _unknown(f"{subject} {name}", name, known, wording)


def _unknown(subject: str, name: str, known: Sequence[str], wording: Wording) -> PreconditionError:
    if not known:
        return PreconditionError(
            subject,
            expected=f"a graph with {wording.many}",
            got="one without any",
            advice="Leave this edit out",
        )
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
    return PreconditionError(
        subject,
        expected=f"one of the graph's {len(known)} {wording.many}",
        got="a name that none has",
        advice=f"Correct it; the nearest are {', '.join(near)}",
    )
