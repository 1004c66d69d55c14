"""Channel groups: channels that some linear maps write and others read, and nothing mixes between.

Owns finding them on the graph: from a linear map's output along everything that treats each
channel alone (biases, normalisation by constants, activations, resampling, layout, sums of
branches, depthwise convolution) to the maps that read the channels. Cutting is left to
`narrow_channels`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from edgert.surgery.graph import Graph, attribute, constant_array, static_shape
from edgert.surgery.layout import axis_after, axis_before, axis_of_operand, is_standard
from edgert.surgery.linear_maps import LinearMap, linear_map, why_no_map

# Each output number depends on the input number at the same place, and on broadcast operands.
ELEMENTWISE = frozenset(
    {
        "Abs", "Add", "Cast", "Ceil", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu",
        "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Mean", "Min", "Mish", "Mul",
        "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign",
        "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Where",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that can be cut together.

    Args:
        name: Unique in the graph: the scope the producers share, numbered where that is taken.
        channels: How many there are.
        producers: Node names of the linear maps that write them.
        readers: Node names of the linear maps that read them.
        blocked: Why the group cannot be cut, naming the node; empty where it can.
    """

    name: str
    channels: int
    producers: tuple[str, ...]
    readers: tuple[str, ...]
    blocked: str = ""


@dataclass
class Members:
    """What a group consists of. `between` maps a node to the channel axis of its output."""

    channels: int
    producers: dict[str, LinearMap] = field(default_factory=dict)
    readers: dict[str, LinearMap] = field(default_factory=dict)
    between: dict[Any, int] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)


def find_channel_groups(graph: Graph) -> list[ChannelGroup]:
    """Every channel group of a graph, those that cannot be cut with the reason.

    Returns:
        In the order of their first producers.
    """
    return [group for group, _ in groups_and_members(graph)]


def groups_and_members(graph: Graph) -> Iterator[tuple[ChannelGroup, Members]]:
    """The groups, each with its nodes."""
    place = {node.name: position for position, node in enumerate(graph.nodes)}
    grouped: set[str] = set()
    names: set[str] = set()
    for node in graph.nodes:
        producer = linear_map(node)
        if producer is None or node.name in grouped:
            continue
        members = members_from(producer)
        for maps in (members.producers, members.readers):  # in the graph's order, not the walk's
            for node_name in sorted(maps, key=place.__getitem__):
                maps[node_name] = maps.pop(node_name)
        grouped |= set(members.producers)
        name = _unused(_shared_scope(members), names)
        names.add(name)
        group = ChannelGroup(
            name=name,
            channels=members.channels,
            producers=tuple(members.producers),
            readers=tuple(members.readers),
            blocked=members.blocked[0] if members.blocked else "",
        )
        yield group, members


def members_from(producer: LinearMap) -> Members:
    """Follow the channels that one map writes to everything that shares them."""
    members = Members(producer.channels_out)
    axes: dict[Any, int] = {}
    pending = [(producer.node.outputs[0], producer.out_axis)]
    while pending:
        value, axis = pending.pop()
        if value in axes:
            if axes[value] != axis:
                members.blocked.append(f"{value.name} carries the channels along two axes")
            continue
        axes[value] = axis
        if value.is_graph_output():
            members.blocked.append(f"the graph's output {value.name} carries these channels")
        pending += _written_by(value, axis, members)
        for reader, index in value.uses():
            if reader.graph is producer.node.graph:
                pending += _read_by(reader, index, axis, members)
            else:
                members.blocked.append(f"{reader.name} reads these channels in a graph of its own")
    if not members.readers:
        members.blocked.append("no linear map reads these channels")
    return members


def ends_of(node: Any, axis: int) -> list[tuple[int, int]] | str:
    """Which inputs of a node that treats channels alone carry the channels of its output.

    Args:
        node: A node between producers and readers.
        axis: The channel axis of its output.

    Returns:
        (input index, channel axis there) of each such input, constants among them; or in words
        why the node does not treat the channels alone.
    """
    label = f"{node.op_type} {node.name}"
    shape = static_shape(node.outputs[0])
    if shape is None or not is_standard(node):
        return f"{label} is not an operator whose channels can be followed"
    if node.op_type in ELEMENTWISE or (node.op_type == "Concat" and axis != _axis(node, shape)):
        return [
            (index, own)
            for index, value in enumerate(node.inputs)
            if value is not None and (own := axis_of_operand(value, len(shape), axis)) is not None
        ]
    if node.op_type in ("BatchNormalization", "InstanceNormalization") and axis == 1:
        return [(0, 1), *((index, 0) for index in range(1, len(node.inputs)))]
    if is_depthwise(node):
        return [(0, 1), *((i, 0) for i in range(1, len(node.inputs)) if node.inputs[i])]
    if node.op_type in ("Softmax", "LogSoftmax") and _axis(node, shape) != axis:
        return [(0, axis)]
    before = axis_before(node, axis)
    return _why_not_alone(node, label) if before is None else [(0, before)]


def is_depthwise(node: Any) -> bool:
    """Whether a convolution maps each channel to itself alone, with a constant kernel."""
    weight = static_shape(node.inputs[1]) if node.op_type == "Conv" else None
    if weight is None or constant_array(node.inputs[1]) is None:
        return False
    return bool(weight[0] == attribute(node, "group", 1) > 1 and weight[1] == 1)


# ---------------------------------------------------------------- following


def _written_by(value: Any, axis: int, members: Members) -> list[tuple[Any, int]]:
    """Note what computes a value; the values to go on from."""
    node = value.producer()
    if node is None:
        members.blocked.append(f"the graph's input {value.name} carries these channels")
        return []
    producer = linear_map(node)
    if producer is not None:
        if producer.out_axis == axis:
            members.producers[node.name] = producer
        else:
            members.blocked.append(f"{node.op_type} {node.name} writes another axis")
        return []
    return _through(node, axis, members)


def _read_by(node: Any, index: int, axis: int, members: Members) -> list[tuple[Any, int]]:
    """Note what reads a value; the values to go on from."""
    reader = linear_map(node)
    if reader is not None and reader.data_index == index:
        if reader.in_axis == axis:
            members.readers[node.name] = reader
            return []
        members.blocked.append(f"{node.op_type} {node.name} mixes along another axis")
        return []
    after = _axis_in_output(node, index, axis)
    if after is None:
        members.blocked.append(_why_not_alone(node, f"{node.op_type} {node.name}"))
        return []
    return [*_through(node, after, members), (node.outputs[0], after)]


def _through(node: Any, axis: int, members: Members) -> list[tuple[Any, int]]:
    """Note a node between, given the channel axis of its output; the values it reads."""
    ends = ends_of(node, axis)
    if isinstance(ends, str):
        members.blocked.append(ends)
        return []
    members.between[node] = axis
    return [
        (node.inputs[index], own)
        for index, own in ends
        if constant_array(node.inputs[index]) is None
    ]


def _axis_in_output(node: Any, index: int, axis: int) -> int | None:
    """Where the channel axis of one input lies in the output; None where it does not survive."""
    shape = static_shape(node.outputs[0]) if node.outputs else None
    source = static_shape(node.inputs[index])
    if shape is None or source is None or len(node.outputs) != 1:
        return None
    after = axis_after(node, axis) if index == 0 else None
    if after is None:
        after = axis + len(shape) - len(source)
    ends = ends_of(node, after) if after < len(shape) else ""
    return after if not isinstance(ends, str) and (index, axis) in ends else None


def _why_not_alone(node: Any, label: str) -> str:
    if node.op_type in ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"):
        return f"{label} does not keep the channel axis whole"
    if node.op_type in ("LayerNormalization", "Softmax", "LogSoftmax", "GroupNormalization"):
        return f"{label} normalises over these channels"
    if node.op_type == "Concat":
        return f"{label} puts these channels beside others"
    if node.op_type in ("Conv", "MatMul", "Gemm"):
        return why_no_map(node) or f"{label} reads these channels as its weight"
    return f"{label} does not treat each channel alone"


# ---------------------------------------------------------------- naming


def _shared_scope(members: Members) -> str:
    """The dotted scope that all producers share, or the first producer's own."""
    producers = list(members.producers.values())
    shared = producers[0].scope.split(".")
    for producer in producers[1:]:
        parts = producer.scope.split(".")
        same = [a == b for a, b in zip(shared, parts, strict=False)]
        shared = shared[: same.index(False) if False in same else len(same)]
    first: str = producers[0].node.name
    return ".".join(shared) or producers[0].scope or first


def _unused(name: str, taken: set[str]) -> str:
    unique, count = name, 1
    while unique in taken:
        unique, count = f"{name}_{count}", count + 1
    return unique


def _axis(node: Any, shape: tuple[int, ...]) -> int:
    axis: int = attribute(node, "axis", -1)
    return axis % len(shape)
