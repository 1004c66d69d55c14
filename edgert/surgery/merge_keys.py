"""Merge neighbouring keys and values of an attention: fewer of both, queries as they are."""

from collections.abc import Sequence
from math import ceil, prod
from typing import Any

import msgspec
import numpy as np

from edgert.errors import PreconditionError
from edgert.surgery.asked_names import ATTENTIONS, check_names
from edgert.surgery.attention import find_attentions
from edgert.surgery.graph import Graph, add_initializer, finished, static_shape
from edgert.surgery.graph_view import GraphView
from edgert.surgery.key_grid import KeySource, key_source
from edgert.surgery.rewire import new_node
from edgert.surgery.token_axis import shrink

_SUBJECT = "merge_keys"


class MergingSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose keys and values are merged, and how many into one.

    Attributes:
        attention: A name that `find_attention_sites` gives.
        window: Rows and columns of the square that becomes one key and one value; 1 merges none.
    """

    attention: str
    window: int


def merge_keys(graph: Graph, *, sites: Sequence[MergingSite]) -> Graph:
    """Let attentions look at means of neighbouring keys and values.

    The tokens that keys and values are made of are averaged over squares of the image. Squares at
    the lower and right border are cut where rows or columns don't divide; a mean of fewer tokens
    then counts as much as the others. The layers that make keys and values of tokens are linear,
    so this is the mean of the keys and of the values, at a fraction of the layers' work.

    Args:
        graph: Any graph. It stays unchanged.
        sites: Attentions and windows, each attention once, in any order.

    Returns:
        A new graph; inputs and outputs are the same, and all queries stay.

    Raises:
        PreconditionError: No site is given, one is given twice, is not in the graph or has no
            image of keys to merge (the node and the reason are named), or a window is out of
            range.

    Source:
        Kienzle et al., SegFormer++, arXiv 2405.14467 (2D neighbour merging, keys and values).
        Differs: queries are not merged, so there is nothing to undo behind the attention, and
        windows don't need to divide the image.
    """
    windows = {site.attention: site.window for site in sites}
    known = find_attentions(graph, GraphView(graph))
    check_names(_SUBJECT, [site.attention for site in sites], [a.name for a in known], ATTENTIONS)
    merged = graph.copy()
    for name in (attention.name for attention in known if attention.name in windows):
        _merge(merged, name, windows[name])
    return finished(merged, subject=_SUBJECT)


def _merge(graph: Graph, name: str, window: int) -> None:
    """Merge at one attention, in place."""
    view = GraphView(graph)
    source = key_source(view, next(a for a in find_attentions(graph, view) if a.name == name))
    if isinstance(source, str):
        raise PreconditionError(
            f"{_SUBJECT} {name}",
            expected="keys and values made of the rows and columns of an image",
            got=source,
            advice="Choose another attention",
        )
    rows, columns = source.grid
    if not 1 <= window <= max(rows, columns):
        raise PreconditionError(
            f"{_SUBJECT} {name}",
            expected=f"a window of 1 to {max(rows, columns)}, for {rows} x {columns} keys",
            got=str(window),
            advice="Set window to 2 to merge four keys into one",
        )
    if window > 1:
        _write(graph, view, source, window)


def _write(graph: Graph, view: GraphView, source: KeySource, window: int) -> None:
    first = min(source.trace.readers, key=view.nodes.index)
    scope, _, operator = source.attention.product.name.rpartition("/")
    writer = _Writer(graph, f"{scope or operator}/merge_keys", first)
    reduced = writer.pooled(source, window)
    count = prod(source.grid)
    left = prod(ceil(size / window) for size in source.grid)
    shrink(graph, source.trace, reduced=reduced, removed=count - left, reduce=_never)


def _never(value: Any, *_: Any) -> Any:
    raise ValueError(f"{value.name} tells keys apart")  # `key_source` refuses such attentions


class _Writer:
    """Puts the nodes of one merge in front of the first layer that makes keys or values."""

    def __init__(self, graph: Graph, scope: str, before: Any) -> None:
        self._graph = graph
        self._scope = scope
        self._before = before

    def pooled(self, source: KeySource, window: int) -> Any:
        """The source's tokens, averaged over squares, in the source's own layout."""
        shape = static_shape(source.value) or ()
        rank, axis = len(shape), source.axis
        rows, columns = source.grid
        others = [size for number, size in enumerate(shape) if number != axis]
        left = [ceil(size / window) for size in source.grid]
        behind = [*(number for number in range(rank) if number != axis), axis]
        value = self._turned(source.value, behind)
        value = self._reshaped(value, [1, prod(others), rows, columns])
        value = self._new(
            "AveragePool",
            [value],
            [1, prod(others), *left],
            kernel_shape=[window, window],
            strides=[window, window],
            pads=[0, 0, left[0] * window - rows, left[1] * window - columns],
            count_include_pad=0,  # a mean of those that are there
        )
        value = self._reshaped(value, [*others, prod(left)])
        return self._turned(value, [behind.index(number) for number in range(rank)])

    def _turned(self, value: Any, order: list[int]) -> Any:
        if order == sorted(order):
            return value
        shape = static_shape(value) or ()
        return self._new("Transpose", [value], [shape[axis] for axis in order], perm=order)

    def _reshaped(self, value: Any, shape: list[int]) -> Any:
        target = np.array(shape, np.int64)
        numbers = add_initializer(self._graph, f"{self._scope}.target", target)
        return self._new("Reshape", [value, numbers], shape)

    def _new(self, operator: str, inputs: list[Any], shape: list[int], **attributes: Any) -> Any:
        return new_node(
            self._graph,
            operator,
            inputs,
            name=f"{self._scope}/{operator}",
            shape=shape,
            before=self._before,
            attributes=attributes,
        )
