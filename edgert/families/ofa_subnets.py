"""Which subnets of a supernet a family gets: a default set, those of a file, those in words.

Owns names of subnets. What one means is `ofa_space`'s, how it is written `ofa_resnet50`'s.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgert.errors import UsageError
from edgert.families.ofa_resnet50 import subnet_from_text, subnet_of
from edgert.families.ofa_space import Space, Subnet
from edgert.records.base import Name, Record
from edgert.schema import record_from_object, record_from_yaml

FULL = "full"  # the whole supernet at the base graph's size
_Numbers = float | list[float]
# Beside the corners of OFA-ResNet50, the subnets whose costs its authors and others tell: depth,
# expansion and index of the width. The first has the depths of a ResNet-50D.
_KNOWN: Sequence[tuple[tuple[int, ...], float, int]] = (
    ((2, 1, 2, 2, 1), 0.25, 2),
    ((2,), 0.25, 2),
    ((1,), 0.25, 2),
    ((1,), 0.25, 1),
    ((2,), 0.25, 0),
    ((0,), 0.25, 1),
)


class SubnetEntry(Record, frozen=True, kw_only=True):
    """One subnet in a file; a single number stands for all entries of a list."""

    name: Name
    d: _Numbers
    e: _Numbers
    w: _Numbers
    image_size: int


def default_subnets(space: Space, *, image_size: int) -> dict[str, Subnet]:
    """The corners of a space at one image size, the smallest subnet at the smallest size too.

    Of OFA-ResNet50 also the subnets whose costs are known.

    Raises:
        UsageError: The space has no such image size.
    """
    subject = f"choose subnets of {space.name}"
    ends = itertools.product(
        dict.fromkeys((space.depths[-1], space.depths[0])),
        dict.fromkeys((space.expands[-1], space.expands[0])),
        dict.fromkeys((len(space.width_multipliers) - 1, 0)),
    )
    choices: list[tuple[tuple[int, ...], float, int]] = [((d,), e, w) for d, e, w in ends]
    published = Space()
    if space.stage_widths == published.stage_widths and space.expands == published.expands:
        choices += _KNOWN
    subnets = {FULL: space.largest(image_size)}
    space.check(subnets[FULL], subject=subject)
    for depth, expand, width in choices:
        subnet = subnet_of(space, depth, [expand], [width], [image_size], subject=subject)
        _add(subnets, _name(space, depth, expand, width), subnet)
    if image_size != space.image_sizes[0]:
        smallest = space.smallest()
        name = _name(space, space.depths[:1], space.expands[0], 0)
        _add(subnets, f"{name}-r{smallest.image_size}", smallest)
    return subnets


def _add(subnets: dict[str, Subnet], name: str, subnet: Subnet) -> None:
    """Add a subnet that is not among the others under another name."""
    if subnet not in subnets.values():
        subnets[name] = subnet


def _name(space: Space, depth: Sequence[int], expand: float, width: int) -> str:
    depths = ".".join(map(str, depth))
    return f"d{depths}-e{expand}-w{space.width_multipliers[width]}"


def subnets_from_file(path: Path, space: Space) -> dict[str, Subnet]:
    """Named subnets of a YAML file: a list of {name, d, e, w, image_size}.

    Raises:
        UsageError: The file can't be read, a field is missing, unknown or of another type, a
            name stands there twice, or the space has no such subnet.
    """
    entries = record_from_yaml(path, list[SubnetEntry], UsageError)
    named: list[tuple[str, Subnet]] = []
    for index, entry in enumerate(entries):
        lists = [x if isinstance(x, list) else [x] for x in (entry.d, entry.e, entry.w)]
        subject = f"read {path} at [{index}] ({entry.name})"
        depth, expand, width = lists
        subnet = subnet_of(space, depth, expand, width, [entry.image_size], subject=subject)
        named.append((entry.name, subnet))
    return _unique(named, f"read {path}")


def subnets_from_words(texts: Iterable[str], space: Space) -> dict[str, Subnet]:
    """Subnets in the paper's words, each maybe behind a name: "small d=0 e=0.2 w=0 r=128".

    Those without one are called subnet1, subnet2, ...

    Raises:
        UsageError: As `subnet_from_text`, or a name is none or comes twice.
    """
    named = []
    for count, text in enumerate(texts, start=1):
        first, _, rest = text.strip().partition(" ")
        name, words = (f"subnet{count}", text) if "=" in first else (first, rest)
        record_from_object(name, Name, UsageError, subject=f"read the subnet '{text}'")
        named.append((name, subnet_from_text(words, space)))
    return _unique(named, "read the subnets")


def _unique(named: Iterable[tuple[str, Subnet]], subject: str) -> dict[str, Subnet]:
    subnets: dict[str, Subnet] = {}
    for name, subnet in named:
        if name in subnets or name == FULL:
            raise UsageError(
                subject,
                expected=f"names of their own, other than {FULL}",
                got=f"'{name}'{' a second time' if name in subnets else ''}",
                advice="Rename one",
            )
        subnets[name] = subnet
    return subnets


def with_full(
    subnets: Mapping[str, Subnet], space: Space, *, image_size: int
) -> dict[str, Subnet]:
    """Subnets with the whole supernet at one image size in front.

    Raises:
        UsageError: The space has no such image size.
    """
    full = space.largest(image_size)
    space.check(full, subject=f"choose the base size of {space.name}")
    return {FULL: full, **{name: s for name, s in subnets.items() if s != full}}
