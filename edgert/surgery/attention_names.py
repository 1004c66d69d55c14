"""What attentions of a graph are asked for by, and how that is refused."""

import difflib
from collections import Counter
from collections.abc import Sequence

from edgert.errors import PreconditionError


def check_names(subject: str, asked: Sequence[str], known: Sequence[str]) -> None:
    """Refuse what is no list of different attentions of the graph.

    Args:
        subject: The edit, for the error line.
        asked: The names that are asked for.
        known: The names of the graph's attentions.

    Raises:
        PreconditionError: No name is asked for, one twice, or one that no attention has.
    """
    if not asked:
        raise PreconditionError(
            subject,
            expected="a list of one site or more",
            got="none",
            advice="Name an attention, or leave this edit out",
        )
    twice = [name for name, count in Counter(asked).items() if count > 1]
    if twice:
        raise PreconditionError(
            subject,
            expected="each attention once",
            got=f"{', '.join(twice)} more than once",
            advice="Remove the repeated site",
        )
    for name in asked:
        if name not in known:
            raise _unknown(f"{subject} {name}", name, known)


def _unknown(subject: str, name: str, known: Sequence[str]) -> PreconditionError:
    if not known:
        return PreconditionError(
            subject,
            expected="a graph with attention",
            got="one without any",
            advice="Leave this edit out",
        )
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
    return PreconditionError(
        subject,
        expected=f"one of the graph's {len(known)} attentions",
        got="a name that none has",
        advice=f"Correct it; the nearest are {', '.join(near)}",
    )
