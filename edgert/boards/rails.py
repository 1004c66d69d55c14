"""What a board's file says of power: its rails, which of them make up the total, its power modes.

Rails lie behind each other: what VDD_SOC draws has come through VDD_IN already. A total is
therefore a list of rails of which none is part of another, so that nothing is counted twice.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from edgert.records import Positive, Record

RailName = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Rail(Record, frozen=True, kw_only=True):
    """A supply that a sensor on the board measures.

    feeds: what hangs on it, in words.
    part_of: the rail that its power has come through already; "" where there is none.
    chip: the driver of its sensor, where that gives the rail no name.
    """

    feeds: str
    part_of: str = ""
    chip: str = ""


class Total(Record, frozen=True, kw_only=True):
    """Rails whose sum is a whole.

    covers: the whole of what, in words: "module", "module and carrier board".
    """

    rails: Annotated[list[RailName], msgspec.Meta(min_length=1)]
    covers: str


class PowerMode(Record, frozen=True, kw_only=True):
    """Clock caps that NVIDIA's nvpmodel sets under a name; what is not known is None.

    The name may sound like a power limit and is none. One name can stand twice, before and after
    a release ("Super") that raised the caps.
    """

    name: str
    super_release: bool = False
    gpu_hz: Positive | None = None
    cpu_hz: Positive | None = None
    cpu_cores: Annotated[int, msgspec.Meta(gt=0)] | None = None
    memory_hz: Positive | None = None
    multiprocessors: Annotated[int, msgspec.Meta(gt=0)] | None = None  # where not all are on


def check_totals(rails: Mapping[str, Rail], totals: list[Total]) -> None:
    """Refuse a total that counts something twice or names a rail that the table doesn't have.

    Raises:
        ValueError: One line that names the rail; becomes an error of the board's file.
    """
    for name, rail in rails.items():
        if rail.part_of and (rail.part_of not in rails or name in _behind(name, rails)):
            raise ValueError(f"rail {name} is part of {rail.part_of}, which is no other rail here")
    for total in totals:
        if len(set(total.rails)) < len(total.rails):
            raise ValueError(f"the total {' + '.join(total.rails)} names a rail twice")
        for name in total.rails:
            if name not in rails:
                raise ValueError(f"the total names {name}, which is not among the rails")
            if twice := _behind(name, rails) & set(total.rails):
                raise ValueError(f"the total counts {name} twice: it is part of {min(twice)}")


def _behind(name: str, rails: Mapping[str, Rail]) -> set[str]:
    """All rails that this one's power has come through."""
    found: set[str] = set()
    while name in rails and (name := rails[name].part_of) and name not in found:
        found.add(name)
    return found
