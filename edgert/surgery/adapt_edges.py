"""Giving a model another model's input and output, so that engines of both can take turns.

Between a family's tensor and a model's own lie its size, the order of its colours, and for each
colour an affine map: both tensors are affine in the same pixel. Only what differs is inserted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgert.errors import PreconditionError
from edgert.optional import needs
from edgert.records import InputSpec, TensorSpec
from edgert.surgery.adapted_sizes import INPUT, resize_output
from edgert.surgery.graph import (
    Graph,
    add_initializer,
    finished,
    static_shape,
    values_of,
)
from edgert.surgery.picture_size import brought_to_size
from edgert.surgery.rewire import GraphNames, new_node
from edgert.surgery.unused_names import UnusedNames

_SUBJECT = "adapt_edges"
# Of a normalised pixel, which is of the order of 1: what float32 can't tell from nothing.
_NOTHING = 1e-7
_AXES = ("batch", "classes", "height", "width")


@dataclass(frozen=True)
class PlaneMap:
    """From a family's planes to a model's: `gain * plane[order] + offset`, for each plane.

    Attributes:
        order: For each plane of the model, the family's plane of the same colour.
        gain: For each plane of the model.
        offset: For each plane of the model.
    """

    order: tuple[int, int, int]
    gain: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def between(cls, family: InputSpec, own: InputSpec) -> "PlaneMap":
        """The map that makes of `(p * scale - mean) / std` of one the same of the other."""
        order = (0, 1, 2) if family.color_order == own.color_order else (2, 1, 0)
        mean, std = (np.array(x, np.float64)[list(order)] for x in (family.mean, family.std))
        own_mean, own_std = np.array(own.mean, np.float64), np.array(own.std, np.float64)
        ratio = own.scale / family.scale
        gain = std * ratio / own_std
        offset = (mean * ratio - own_mean) / own_std
        return cls(order, tuple(gain.tolist()), tuple(offset.tolist()))

    @property
    def swaps(self) -> bool:
        """Whether the colours come in another order."""
        return self.order != (0, 1, 2)

    @property
    def scales(self) -> bool:
        """Whether a gain is another than 1 in float32."""
        return bool((np.array(self.gain, np.float32) != 1).any())

    @property
    def shifts(self) -> bool:
        """Whether an offset is more than rounding."""
        return bool((np.abs(self.offset) > _NOTHING).any())


def adapt_edges(
    graph: Graph, *, family: InputSpec, own: InputSpec, outputs: Sequence[TensorSpec]
) -> Graph:
    """Make a graph take a family's input and give its outputs.

    Args:
        graph: A model with one input; unchanged.
        family: The input that it shall take.
        own: The input that it was trained with; its name and shape are the graph's.
        outputs: What it shall give, in the order of its own outputs: the name is taken over, and
            maps (1, C, H, W) are brought to the height and width.

    Returns:
        A new graph, or `graph` itself where nothing differs. The picture is resized inside it,
        and its colours are brought into the model's order and normalisation.

    Raises:
        PreconditionError: The graph's input is not `own`, the number of outputs or of classes
            differs, or an output that is no map has another shape.
    """
    _check_input(graph, family, own)
    _check_outputs(graph, outputs)
    planes = PlaneMap.between(family, own)
    names = [graph.inputs[0].name, *(value.name for value in graph.outputs)]
    same_names = names == [family.name, *(spec.name for spec in outputs)]
    same_shapes = own.shape == family.shape and all(
        static_shape(value) == spec.shape
        for value, spec in zip(graph.outputs, outputs, strict=True)
    )
    if same_names and same_shapes and not (planes.swaps or planes.scales or planes.shifts):
        return graph
    edited = graph.copy()
    _set_names_free(edited, {family.name, *(spec.name for spec in outputs)})
    _adapt_input(edited, family, planes)
    _adapt_outputs(edited, outputs)
    return finished(edited, subject=_SUBJECT)


# ---------------------------------------------------------------- what is refused


def _check_input(graph: Graph, family: InputSpec, own: InputSpec) -> None:
    found = [(v.name, static_shape(v), str(v.dtype.numpy())) for v in graph.inputs]
    if found != [(own.name, own.shape, "float32")]:
        raise PreconditionError(
            f"{_SUBJECT}, the input",
            expected=f"one input, {own.name} {own.shape} of float32",
            got=", ".join(f"{name} {shape} of {dtype}" for name, shape, dtype in found),
            advice="Correct the model's input in family.yaml, or export the model again",
        )
    if family.shape[:2] != own.shape[:2]:
        raise PreconditionError(
            f"{_SUBJECT}, input {own.name}",
            expected=f"batch and colours {family.shape[:2]}, as the family's input has them",
            got=str(own.shape[:2]),
            advice="Export the model again",
        )


def _check_outputs(graph: Graph, outputs: Sequence[TensorSpec]) -> None:
    if len(graph.outputs) != len(outputs):
        raise PreconditionError(
            f"{_SUBJECT}, the outputs",
            expected=f"{len(outputs)}, as the family's base model has them",
            got=", ".join(str(value.name) for value in graph.outputs),
            advice="Export the model again, with the same outputs",
        )
    for value, spec in zip(graph.outputs, outputs, strict=True):
        shape, dtype = static_shape(value) or (), str(value.dtype.numpy())
        is_map = len(shape) == len(spec.shape) == len(_AXES)
        fixed = slice(0, 2) if is_map else slice(None)
        if len(shape) == len(spec.shape) and shape[1:2] != spec.shape[1:2]:
            raise PreconditionError(
                f"{_SUBJECT}, output {value.name}",
                expected=f"{spec.shape[1]} {'classes' if len(shape) in (2, 4) else 'rows'}, "
                "as the family's base model has them",
                got=f"{shape[1]} (shape {shape})",
                advice="A family's models have the same labels: leave this one out",
            )
        if len(shape) != len(spec.shape) or shape[fixed] != spec.shape[fixed]:
            raise PreconditionError(
                f"{_SUBJECT}, output {value.name}",
                expected=f"shape {spec.shape}, as the family's base model has it; only the "
                "height and width of a map may differ",
                got=f"shape {shape}",
                advice="Export the model again, or leave it out",
            )
        if dtype != spec.dtype:
            raise PreconditionError(
                f"{_SUBJECT}, output {value.name}",
                expected=spec.dtype,
                got=dtype,
                advice="Export the model again with outputs of that type",
            )


# ---------------------------------------------------------------- writing


def _set_names_free(graph: Graph, wanted: set[str]) -> None:
    """Rename what has a wanted name; inputs and outputs get theirs afterwards."""
    values = list(dict.fromkeys(values_of(graph)))
    names = UnusedNames([*(str(value.name) for value in values), *wanted])
    for value in values:
        if value.name in wanted:
            value.name = names.take(f"{value.name}.inside")


def _adapt_input(graph: Graph, family: InputSpec, planes: PlaneMap) -> None:
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    [old] = graph.inputs
    own_shape = static_shape(old) or ()
    new = ir.Value(name=family.name, shape=ir.Shape(family.shape), type=old.type)
    first, names = graph.nodes[0], GraphNames(graph)
    value = new

    def resized(value: Any) -> Any:
        return brought_to_size(
            graph,
            value,
            height=own_shape[2],
            width=own_shape[3],
            scope=INPUT,
            before=first,
        )

    # Interpolation and the affine map can change places: the map works on the smaller picture.
    down = own_shape[2] * own_shape[3] < family.height * family.width
    value = resized(value) if down else value
    value = _mapped(graph, value, planes, before=first, names=names)
    value = value if down else resized(value)
    old.replace_all_uses_with(value, replace_graph_outputs=True)
    graph.model.graph.inputs[0] = new


def _mapped(graph: Graph, value: Any, planes: PlaneMap, *, before: Any, names: GraphNames) -> Any:
    def add(op_type: str, array: Any, **attributes: Any) -> Any:
        return new_node(
            graph,
            op_type,
            [value, add_initializer(graph, f"{INPUT}.{op_type}", array)],
            name=f"{INPUT}/{op_type}",
            shape=static_shape(value) or (),
            before=before,
            attributes=attributes,
            names=names,
        )

    def column(numbers: Sequence[float]) -> Any:
        return np.array(numbers, np.float32).reshape(1, 3, 1, 1)

    if planes.swaps:
        value = add("Gather", np.array(planes.order, np.int64), axis=1)
    if planes.scales:
        value = add("Mul", column(planes.gain))
    if planes.shifts:
        value = add("Add", column(planes.offset))
    return value


def _adapt_outputs(graph: Graph, outputs: Sequence[TensorSpec]) -> None:
    for value, spec in zip(graph.outputs, outputs, strict=True):
        if static_shape(value) != spec.shape:
            resize_output(graph, value, spec.shape)
    for value, spec in zip(graph.outputs, outputs, strict=True):
        value.name = spec.name
