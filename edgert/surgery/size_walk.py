"""From the picture's new size to the shapes of everything behind it.

Node by node: a rule brings the node's constants along, ONNX's own inference gives the shape that
comes out, and each axis of it is told apart by the axis that it comes from.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edgert.optional import needs
from edgert.surgery.graph import Graph, constant_array, static_shape
from edgert.surgery.layout import LAYOUT, axis_after, is_standard
from edgert.surgery.operator_types import opset_of
from edgert.surgery.size_rules import RULES
from edgert.surgery.size_targets import PLACES
from edgert.surgery.sizes import (
    Axes,
    Axis,
    Extent,
    NotResizedError,
    Side,
    Sizes,
    changed_axes,
    new_shape,
    old_shape,
    side_of,
)

_SMALL_ELEMENTS = 64  # more sizes, axes or pads than a tensor has
_FLOAT = 1
_GROWING = frozenset({"Expand", "Resize"})  # a map of rows and columns out of one place


def sizes_at(graph: Graph, height: int, width: int) -> Sizes:
    """Every shape of a graph when its one picture (B, C, H, W) has another size.

    Args:
        graph: In edgert's form; unchanged.
        height: New rows.
        width: New columns.

    Raises:
        NotResizedError: A node can't follow.
    """
    [picture] = graph.inputs
    batch, channels, rows, columns = static_shape(picture) or ()
    sizes = Sizes()
    sizes.note(
        picture,
        (
            (Extent(batch, batch),),
            (Extent(channels, channels),),
            (Extent(rows, height, "rows"),),
            (Extent(columns, width, "columns"),),
        ),
    )
    opset = opset_of(graph)
    for node in graph.nodes:
        if any(value in sizes.axes for value in node.inputs):
            _visit(node, sizes, opset)
    return sizes


def _visit(node: Any, sizes: Sizes, opset: int) -> None:
    changed = any(changed_axes(sizes.of(value)) for value in node.inputs if value is not None)
    rule = RULES.get(node.op_type) if is_standard(node) else None
    if rule is None and changed:
        raise NotResizedError(node, "is not an operator whose sizes are known")
    given = rule(node, sizes) if rule is not None else None
    changed = changed or any(own is node for own, _ in sizes.constants)
    for index, value in enumerate(node.outputs):
        old = static_shape(value)
        if old is None:
            if value.name and changed:
                raise NotResizedError(node, "has an output of unknown shape")
            continue
        new = _inferred(node, sizes, opset)[index] if changed else old
        if any(size < 1 for size in new):
            raise NotResizedError(node, f"would give {_text(new)}", tied=False)
        axes = given if given is not None else _axes(node, sizes, old, new)
        if new_shape(axes) != new:
            raise NotResizedError(node, f"would give {_text(new)}, not {_text(new_shape(axes))}")
        sizes.note(value, axes)


def _inferred(node: Any, sizes: Sizes, opset: int) -> list[tuple[int, ...]]:
    """The new shapes of a node's outputs."""
    onnx = needs("onnx", "build", "to infer shapes")
    infer = needs("onnx.shape_inference", "build", "to infer shapes")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    names, types, data = [], {}, {}
    for index, value in enumerate(node.inputs):
        names.append("" if value is None else f"i{index}")
        if value is None:
            continue
        array = sizes.constants.get((node, index))
        array = constant_array(value) if array is None else array
        shape = new_shape(sizes.of(value)) if array is None else array.shape
        kind = _FLOAT if value.dtype is None else value.dtype.value
        types[names[-1]] = helper.make_tensor_type_proto(kind, shape)
        if array is not None and array.size <= _SMALL_ELEMENTS:
            data[names[-1]] = numpy_helper.from_array(array, names[-1])
    outputs = [f"o{index}" for index in range(len(node.outputs))]
    proto = helper.make_node(node.op_type, names, outputs)
    proto.attribute.extend(_attributes(node, sizes))
    try:
        found = infer.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, opset, ""),
            proto,
            types,
            data,
            opset_imports=[helper.make_opsetid("", opset)],
        )
    except infer.InferenceError as error:
        text = str(error).strip().splitlines()[0].rpartition("] ")[2]
        raise NotResizedError(node, f"does not fit ({text})", tied=False) from error
    return [
        tuple(dim.dim_value for dim in found[name].tensor_type.shape.dim) if name in found else ()
        for name in outputs
    ]


def _attributes(node: Any, sizes: Sizes) -> list[Any]:
    ir = needs("onnx_ir", "build", "to infer shapes")
    helper = needs("onnx.helper", "build", "to infer shapes")
    return [
        helper.make_attribute(name, sizes.attributes[node, name])
        if (node, name) in sizes.attributes
        else ir.to_proto(attribute)
        for name, attribute in node.attributes.items()
    ]


# ---------------------------------------------------------------- which axis is which


def _axes(node: Any, sizes: Sizes, old: Sequence[int], new: Sequence[int]) -> Axes:
    sources = _sources(node, sizes)
    return tuple(
        _same_axis(node, sizes, sources, place - len(old), size)
        or (Extent(*size, _own_side(node, sizes, place, len(old))),)
        for place, size in enumerate(zip(old, new, strict=True))
    )


def _same_axis(
    node: Any, sizes: Sizes, sources: Mapping[int, Axis], from_last: int, size: tuple[int, int]
) -> Axis | None:
    """The input's axis that an output's axis is; None where it is one of its own."""
    if from_last in sources:
        candidates = [sources[from_last]]
    elif node.op_type == "MatMul":
        candidates = []
    else:  # operators that work place by place
        inputs = [axes for axes in _computed(node, sizes) if len(axes) >= -from_last]
        candidates = [axes[from_last] for axes in inputs]
    for axis in candidates:
        if (old_shape([axis]), new_shape([axis])) == (size[:1], size[1:]):
            return axis
    return None


def _own_side(node: Any, sizes: Sizes, place: int, rank: int) -> Side:
    first = sizes.of(node.inputs[0])
    side = side_of(first[place]) if len(first) == rank else ""
    return side or (PLACES.get(place, "") if rank == 4 and node.op_type in _GROWING else "")


def _computed(node: Any, sizes: Sizes) -> list[Axes]:
    """Axes of computed inputs, those that change most first."""
    known = [sizes.axes[value] for value in node.inputs if value in sizes.axes]
    return sorted(known, key=lambda axes: -len(changed_axes(axes)))


def _sources(node: Any, sizes: Sizes) -> dict[int, Axis]:
    """Of an output's axes, counted from the last, the input's that they are by its meaning."""
    if node.op_type == "MatMul":
        left, right = (sizes.of(value) for value in node.inputs)
        more = left if len(left) >= len(right) else right
        found = {place - len(more): axis for place, axis in enumerate(more[:-2])}
        if min(len(left), len(right)) > 1:
            found |= {-2: left[-2], -1: right[-1]}
        return found
    if node.op_type in LAYOUT or node.op_type.startswith("Reduce"):
        rank = len(static_shape(node.outputs[0]) or ())
        first = sizes.of(node.inputs[0])
        places = [(axis_after(node, own), axis) for own, axis in enumerate(first)]
        return {place - rank: axis for place, axis in places if place is not None}
    return {}


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
