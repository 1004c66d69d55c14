"""Names that nothing in a graph has yet."""

from collections.abc import Iterable


class UnusedNames:
    """Hands out each name once; a number is appended to one that is taken: "Add", "Add_1".

    A name costs the same however many there are, and however often it was asked for.

    Args:
        taken: Names that are taken already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}  # by wanted name; all lower numbers are taken

    def take(self, wanted: str) -> str:
        """The wanted name, or with the lowest number that makes it unused; it is taken then."""
        unique, number = wanted, self._next.get(wanted, 1)
        while unique in self._taken:
            unique, number = f"{wanted}_{number}", number + 1
        self._next[wanted] = number
        self._taken.add(unique)
        return unique
