"""Choosing by name from a table, and one clear line where the table has none of that name."""

from collections.abc import Mapping
from typing import TypeVar

from edgert.errors import EdgertError

_Value = TypeVar("_Value")


def chosen(
    table: Mapping[str, _Value],
    name: str,
    subject: str,
    error: type[EdgertError],
    *,
    advice: str = "Name one of them",
) -> _Value:
    """The table's value of that name.

    Args:
        table: What there is to choose from.
        name: What was asked for.
        subject: "choose a backend".
        error: What to raise.
        advice: What to do where there is none of that name.

    Raises:
        EdgertError: Of the kind asked for; the message lists the names.
    """
    if name not in table:
        expected = f"one of {', '.join(table)}"
        raise error(subject, expected=expected, got=repr(name), advice=advice)
    return table[name]
