"""Run a network on a smaller or larger picture than it was exported for; its edges stay."""

from collections.abc import Iterator
from math import ceil

from edgert.errors import PreconditionError
from edgert.optional import needs
from edgert.surgery.adapted_sizes import take_off_sizes
from edgert.surgery.graph import Graph, add_initializer, finished, static_shape
from edgert.surgery.opsets import raise_opset
from edgert.surgery.picture_size import brought_to_size
from edgert.surgery.resized_output import restore_output
from edgert.surgery.size_walk import sizes_at
from edgert.surgery.sizes import NotResizedError, Sizes, changed_axes

SCOPE = "resize_input"  # its nodes are named "resize_input/<operator>"
_OPSET = 13  # Resize takes sizes from 11 on; nothing else here reads graphs older than 13 either
_STEPS = (2, 4, 8, 16, 32, 64)  # multiples that networks want of their picture's sides


def resize_input(graph: Graph, *, height: int, width: int) -> Graph:
    """Let the network work on the picture at another size, its input and outputs as they are.

    The picture is brought to `height` x `width` first, and what comes out row by row and column by
    column (a segmentation's logits) is brought back to its old size, both by bilinear `Resize`,
    half_pixel. Shapes written down in between (targets of Reshape, sizes of Resize, ends of Slice)
    are derived anew.

    Smaller pictures are made as `brought_to_size` does. Where `adapt_edges` gave the graph a
    picture and outputs of other sizes than its network's, `height` x `width` is the network's all
    the same, and the picture is resized once, not twice.

    What of a frame is seen stays the same share of it: a cut to the centre comes before the input.

    A size that is written down in the graph is taken for that of the map which had this size, as
    it is where the exporter wrote down `shape`. Padding is kept.

    Args:
        graph: Any graph with static shapes and one picture (B, 3, H, W). It stays unchanged.
        height: Rows that the network sees, >= 1.
        width: Columns that it sees, >= 1.

    Returns:
        A new graph, whose MACs fall about as the area does; at the graph's own size a copy.

    Raises:
        PreconditionError: The graph has no such picture, a node is tied to its size (learned
            positions, a layer over all places), or strides do not meet at this one; then the
            nearest that do are named.
    """
    subject = f"resize_input to {height} x {width}"
    _check_picture(graph, subject)
    if min(height, width) < 1:
        raise PreconditionError(
            subject,
            expected="at least one row and one column",
            got=f"{height} x {width}",
            advice="Give height and width in pixels",
        )
    edited = graph.copy()
    adapted = take_off_sizes(edited)
    if (height, width) == (static_shape(edited.inputs[0]) or ())[2:]:
        return graph.copy()
    raise_opset(edited, _OPSET, subject=subject)
    try:
        sizes = sizes_at(edited, height, width)
        _write(edited, sizes)
        adapted.put_back_picture(edited)
        _shrink(edited, height, width)
        for place, value in enumerate(edited.outputs):
            if place not in adapted.outputs and changed_axes(sizes.of(value)):
                restore_output(edited, value, sizes.of(value), scope=SCOPE)
        adapted.put_back_outputs(edited)
    except NotResizedError as error:
        raise PreconditionError(
            subject,
            expected="a network that works at this size too",
            got=error.reason,
            advice=_advice(_at_own_size(graph), height, width, tied=error.tied),
        ) from error
    return finished(edited, subject=subject)


def working_size(graph: Graph, height: int, width: int) -> tuple[int, int]:
    """The size nearest to one asked for that `resize_input` takes; itself where it does.

    Raises:
        PreconditionError: None near it.
    """
    for size in ((height, width), *_nearest(height, width)):
        try:
            resize_input(graph, height=size[0], width=size[1])
        except PreconditionError:
            continue
        return size
    resize_input(graph, height=height, width=width)
    return height, width


def is_resized(graph: Graph) -> bool:
    """Whether `resize_input` was among the edits of a graph."""
    return any(node.name.startswith(f"{SCOPE}/") for node in graph.nodes)


def _at_own_size(graph: Graph) -> Graph:
    own = graph.copy()
    take_off_sizes(own)
    return own


def _check_picture(graph: Graph, subject: str) -> None:
    shapes = {value.name: static_shape(value) for value in graph.inputs}
    [shape] = shapes.values() if len(shapes) == 1 else [None]
    kind = graph.inputs[0].dtype if graph.inputs else None
    if shape is None or len(shape) != 4 or shape[1] != 3 or "FLOAT" not in str(kind):
        raise PreconditionError(
            subject,
            expected="one input, a picture (B, 3, H, W) of floating-point numbers",
            got=", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none",
            advice="Leave resize_input out for this model",
        )


def _advice(graph: Graph, height: int, width: int, *, tied: bool) -> str:
    if not tied:
        for near in _nearest(height, width):
            try:
                sizes_at(graph, *near)
            except NotResizedError as error:
                if error.tied:
                    break
                continue
            return f"Take {near[0]} x {near[1]}, the nearest that works"
    return "Leave resize_input out, or export the model at that size"


def _nearest(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Sizes whose sides are multiples of a step, nearest first; small steps first."""
    for step in _STEPS:
        rows, columns = (
            {side // step * step, ceil(side / step) * step} - {0} for side in (height, width)
        )
        near = [(h, w) for h in rows for w in columns if (h, w) != (height, width)]
        yield from sorted(
            near, key=lambda size: (abs(size[0] - height) + abs(size[1] - width), size)
        )


# ---------------------------------------------------------------- writing


def _write(graph: Graph, sizes: Sizes) -> None:
    """Give nodes the constants and attributes that were found for them; in place."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    for (node, index), array in sizes.constants.items():
        name = f"{node.name}.{index}.resized"
        node.replace_input_with(index, add_initializer(graph, name, array))
    for (node, name), numbers in sizes.attributes.items():
        node.attributes.add(ir.AttrInt64s(name, numbers))


def _shrink(graph: Graph, height: int, width: int) -> None:
    """Put what brings the picture to its new size between the input and its readers; in place."""
    [picture] = graph.inputs
    uses = list(picture.uses())
    first = next(node for node in graph.nodes if picture in node.inputs)
    value = brought_to_size(graph, picture, height=height, width=width, scope=SCOPE, before=first)
    for node, index in uses:
        node.replace_input_with(index, value)
