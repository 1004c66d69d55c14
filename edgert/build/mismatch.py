"""Where two executions part: the first node whose result is not what it was expected to be.

Between an engine and the unoptimised run of its graph the search cuts: it compiles the first k
nodes alone, runs them both ways, and halves the interval. To hand out an inner value of the whole
graph would tell the optimiser to keep it, and with that often prevent the fusion that is looked
for; in a cut the fusion happens as soon as its last node is inside.
Between two graphs, and for NaN, nothing is optimised, so inner values are handed out in chunks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.build.inputs import CheckInput
from edgert.build.program import Program, label
from edgert.build.verify import TOLERANCE, Distance, Tolerance, distance_of
from edgert.errors import BackendError

_CHUNK_VALUES, _CHUNK_BYTES = 64, 256 << 20
_Arrays = dict[str, NDArray[Any]]

# Makes an engine of a program, loads it, and hands it over; whoever called closes it.
PartOpener = Callable[[Program], Session]


@dataclass(frozen=True)
class Mismatch:
    """The first node after which two executions differ."""

    node: str  # "stage1.norm/Add (Add)"
    value: str
    difference: float  # largest, absolute
    scale: float  # largest absolute value expected there
    sequence: str  # three operators that end there: "Div > Mul > Add"
    suspects: tuple[str, ...] = ()  # nodes right before it whose results could not be compared

    def __str__(self) -> str:
        far = f"{self.difference:.2e}" if np.isfinite(self.difference) else "NaN or infinity"
        before = f" or before it in {', '.join(self.suspects)}" if self.suspects else ""
        return (
            f"first at {self.node}{before}, after {self.sequence}: {far} off "
            f"(largest value {self.scale:.3g})"
        )


def optimised_part(part: Program) -> Session:
    """A program with all of onnxruntime's optimisations."""
    return part.session(optimised=True)


def first_wrong_node(
    program: Program,
    check: CheckInput,
    *,
    tolerance: Tolerance = TOLERANCE,
    open_part: PartOpener = optimised_part,
) -> Mismatch | None:
    """The first node from which on an engine computes something else than its graph.

    Args:
        program: Nodes in topological order.
        check: What it differs on.
        tolerance: What counts as a difference.
        open_part: What compiles; called once for each halving, about log2(nodes) times.

    Returns:
        The end of the shortest cut that differs while the one a node shorter does not; None if
        the whole graph, compiled again, agrees. Rounding that only adds up ends where it passes
        the tolerance.
    """
    agrees, differs = 0, len(program.nodes)
    found = _difference_of_cut(program, differs, check, tolerance, open_part)
    if found is None:
        return None
    while differs - agrees > 1:
        middle = (agrees + differs) // 2
        here = _difference_of_cut(program, middle, check, tolerance, open_part)
        if here is None:
            agrees = middle
        else:
            differs, found = middle, here
    return _mismatch(program, found)


def first_divergence(
    derived: Program,
    expected: Program,
    check: CheckInput,
    *,
    tolerance: Tolerance = TOLERANCE,
) -> Mismatch | None:
    """The first node of a derived graph that computes something else than its namesake.

    Only values of the same name and shape in both graphs are compared, so the fault lies at that
    node or at one of its `suspects`, whose results have no namesake. None if they all agree.
    """
    agreed: set[str] = set()
    shared = [name for name in derived.positions if name in expected.positions]
    for chunk in derived.chunks(shared, most=_CHUNK_VALUES, most_bytes=_CHUNK_BYTES):
        got, want = _values(derived, chunk, check), _values(expected, chunk, check)
        for name in chunk:
            if name not in got or name not in want or got[name].shape != want[name].shape:
                continue
            distance = distance_of({name: got[name]}, {name: want[name]})
            if distance.relative > tolerance.difference:
                return replace(
                    _mismatch(derived, distance), suspects=_between(derived, name, agreed)
                )
            agreed.add(name)
    return None


def first_not_finite(program: Program, check: CheckInput) -> Mismatch | None:
    """The first node that makes NaN or infinity out of finite values. None if all is finite."""
    values: Iterable[str] = program.positions
    for chunk in program.chunks(values, most=_CHUNK_VALUES, most_bytes=_CHUNK_BYTES):
        got = _values(program, chunk, check)
        for name in chunk:
            if name in got and not np.isfinite(got[name]).all():
                finite = np.abs(got[name][np.isfinite(got[name])])
                scale = float(finite.max(initial=0))
                return _mismatch(program, Distance(name, np.inf, np.inf, scale, 0.0))
    return None


def _between(program: Program, value: str, agreed: set[str]) -> tuple[str, ...]:
    """The nodes that a value depends on without an agreed value in between, in their order."""
    found: set[int] = set()
    ahead = list(program.nodes[program.positions[value]].input)
    while ahead:
        name = ahead.pop()
        position = program.positions.get(name)
        if position is None or name in agreed or position in found:
            continue
        found.add(position)
        ahead += program.nodes[position].input
    return tuple(label(program.nodes[position]) for position in sorted(found))


def _difference_of_cut(
    program: Program, count: int, check: CheckInput, tolerance: Tolerance, open_part: PartOpener
) -> Distance | None:
    """How far the first `count` nodes differ when compiled, at their earliest such result."""
    live = program.outputs if count == len(program.nodes) else program.live_after(count)
    part = program.part(live)
    try:
        want, got = _run(part, check), _run(part, check, open_part)
    except BackendError:  # a type that can't be handed out: this cut says nothing
        return None
    share = tolerance.difference if check.natural else tolerance.extreme_difference
    for name in sorted(want, key=lambda name: program.positions.get(name, -1)):
        distance = distance_of({name: got[name]}, {name: want[name]})
        if distance.relative > share:
            return distance
    return None


def _values(program: Program, names: list[str], check: CheckInput) -> Mapping[str, NDArray[Any]]:
    """What the unoptimised program computes under these names; those of odd types are left out."""
    try:
        return _run(program.part(names), check)
    except BackendError:
        if len(names) == 1:
            return {}
    found: _Arrays = {}
    for name in names:
        found.update(_values(program, [name], check))
    return found


def _run(program: Program, check: CheckInput, open_part: PartOpener = Program.session) -> _Arrays:
    session = open_part(program)
    try:
        return {name: array.copy() for name, array in session.run(check.feeds).items()}
    finally:
        session.close()


def _mismatch(program: Program, distance: Distance) -> Mismatch:
    return Mismatch(
        node=program.producer(distance.output),
        value=distance.output,
        difference=distance.difference,
        scale=distance.scale,
        sequence=program.sequence_to(distance.output),
    )
