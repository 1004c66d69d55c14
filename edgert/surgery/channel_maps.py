"""How channels pass through maps and normalisations: convolutions, matrix products, norms.

Owns the rules of operators that have weights. A constant weight ends a walk: its rows are
written, its columns read. Two computed operands of a product share the axis that is contracted.
"""

from collections.abc import Callable, Mapping
from typing import Any

from edgert.surgery.channel_ties import OUTPUT, Flow, Role, Tie, View, is_constant, shape_at
from edgert.surgery.graph import attribute


def why_not_followed(node: Any) -> str:
    """Why a map or normalisation has no tie at an axis, in words; empty for other operators."""
    label = f"{node.op_type} {node.name}"
    if node.op_type in ("Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"):
        return f"{label} mixes along another axis"
    if node.op_type in ("Softmax", "LogSoftmax"):
        return f"{label} normalises over these channels"
    return ""


def _conv(node: Any) -> Flow:
    """Weight (M, C / group, kernel...): whole groups stay together on both sides."""
    group = int(attribute(node, "group", 1))
    weight = shape_at(node, 1)
    return _convolution(node, group, rows=0, columns=1, per_group=(weight[0] // group, weight[1]))


def _conv_transpose(node: Any) -> Flow:
    """Weight (C, M / group, kernel...)."""
    group = int(attribute(node, "group", 1))
    weight = shape_at(node, 1)
    return _convolution(node, group, rows=1, columns=0, per_group=(weight[1], weight[0] // group))


def _convolution(
    node: Any, group: int, *, rows: int, columns: int, per_group: tuple[int, int]
) -> Flow:
    if not is_constant(node.inputs[1]):
        return Flow(why_not=f"{node.op_type} {node.name} has a computed weight")
    batch = Tie((View(0, 0), View(OUTPUT, 0)))
    has_bias = len(node.inputs) > 2 and node.inputs[2] is not None
    if group == 1:
        bias = (View(2, 0),) if has_bias else ()
        written = Tie((View(1, rows), *bias, View(OUTPUT, 1)), "writes")
        return Flow((batch, written, Tie((View(1, columns), View(0, 1)), "reads")))
    out_size, in_size = per_group
    first = in_size if columns == 0 else out_size  # the weight's first axis runs over the groups
    views = [View(1, 0, after=first), View(0, 1, after=in_size), View(OUTPUT, 1, after=out_size)]
    if has_bias:
        views.append(View(2, 0, after=out_size))
    return Flow((batch, Tie(tuple(views))))


def _matmul(node: Any) -> Flow:
    left, right, rank = shape_at(node, 0), shape_at(node, 1), len(shape_at(node, OUTPUT))
    if min(len(left), len(right)) < 2:
        return Flow(why_not=f"MatMul {node.name} multiplies a plain vector")
    ties = [
        *_product(
            node,
            row=View(0, len(left) - 2),
            inner=(View(0, len(left) - 1), View(1, len(right) - 2)),
            column=View(1, len(right) - 1),
        )
    ]
    for axis in range(rank - 2):
        views = [View(OUTPUT, axis)]
        for end, shape in ((0, left), (1, right)):
            own = axis - (rank - len(shape))
            if own >= 0 and shape[own] == shape_at(node, OUTPUT)[axis]:
                views.append(View(end, own))
        ties.append(Tie(tuple(views)))
    return Flow(tuple(ties))


def _gemm(node: Any) -> Flow:
    a_inner = 0 if attribute(node, "transA", 0) else 1
    b_inner = 1 if attribute(node, "transB", 0) else 0
    added = shape_at(node, 2)
    size = shape_at(node, OUTPUT)
    extra: list[tuple[View, ...]] = [(), ()]
    for axis in (0, 1):
        own = axis - (2 - len(added))
        if own >= 0 and added[own] == size[axis]:
            extra[axis] = (View(2, own),)
    inner = (View(0, a_inner), View(1, b_inner))
    row, column = View(0, 1 - a_inner), View(1, 1 - b_inner)
    return Flow(tuple(_product(node, row=row, inner=inner, column=column, added=extra)))


def _product(
    node: Any,
    *,
    row: View,
    inner: tuple[View, View],
    column: View,
    added: list[tuple[View, ...]] | None = None,
) -> list[Tie]:
    """The ties of a product of input 0 and input 1, of which one may be a constant weight."""
    rank, (more_rows, more_columns) = len(shape_at(node, OUTPUT)), added or ((), ())
    is_weight = [is_constant(value) for value in node.inputs[:2]]
    reads: Role = "reads" if any(is_weight) else "contracts"
    views = inner if is_weight[0] else inner[::-1]
    return [
        Tie((row, *more_rows, View(OUTPUT, rank - 2)), "writes" if is_weight[0] else "alone"),
        Tie(
            (column, *more_columns, View(OUTPUT, rank - 1)), "writes" if is_weight[1] else "alone"
        ),
        Tie(views, reads),
    ]


def _einsum(node: Any) -> Flow:
    """Every letter is a tie. Without "...", and no letter twice in one operand."""
    equation = attribute(node, "equation")
    equation = equation.decode() if isinstance(equation, bytes) else equation
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = [*left.split(","), result]
    if not arrow or "." in equation or any(len(set(term)) != len(term) for term in terms):
        return Flow(why_not=f"Einsum {node.name} has an equation that is not followed")
    ties = []
    for letter in dict.fromkeys(left.replace(",", "")):
        views = [
            View(end, term.index(letter)) for end, term in enumerate(terms[:-1]) if letter in term
        ]
        computed = [view for view in views if not is_constant(node.inputs[view.end])]
        views.sort(key=lambda view: not is_constant(node.inputs[view.end]))  # the weight first
        role: Role = "alone"
        if letter in result:
            views.append(View(OUTPUT, result.index(letter)))
            role = "alone" if computed else "writes"
        elif len(views) == 1:
            continue  # summed over
        else:
            role = "reads" if len(computed) < len(views) else "contracts"
        ties.append(Tie(tuple(views), role))
    return Flow(tuple(ties))


def _batch_normalization(node: Any) -> Flow:
    """Each channel alone; InstanceNormalization takes statistics over the positions."""
    constants = (View(end, 0) for end in range(1, len(node.inputs)))
    role: Role = "normalises" if node.op_type == "InstanceNormalization" else "alone"
    positions = range(2, len(shape_at(node, 0)))
    return Flow(
        (
            Tie((View(0, 0), View(OUTPUT, 0))),
            Tie((View(0, 1), *constants, View(OUTPUT, 1))),
            *(Tie((View(0, axis), View(OUTPUT, axis)), role) for axis in positions),
        )
    )


def _layer_normalization(node: Any) -> Flow:
    """Statistics over the axes from `axis` on: over what stays there, once it is cut."""
    shape = shape_at(node, 0)
    first = int(attribute(node, "axis", -1)) % len(shape)
    ties = []
    for axis, size in enumerate(shape):
        views = [View(0, axis), View(OUTPUT, axis)]
        for end in range(1, len(node.inputs)):
            operand = shape_at(node, end)
            own = axis - (len(shape) - len(operand))
            if own >= 0 and operand[own] == size:
                views.append(View(end, own))
        ties.append(Tie(tuple(views), "normalises" if axis >= first else "alone"))
    return Flow(tuple(ties))


def _group_normalization(node: Any) -> Flow:
    """Whole groups are units. Scale and bias are per group before opset 21, then per channel."""
    groups, channels = int(attribute(node, "num_groups")), shape_at(node, 0)[1]
    views = [View(end, 1, after=channels // groups) for end in (0, OUTPUT)]
    views += [View(end, 0, after=shape_at(node, end)[0] // groups) for end in (1, 2)]
    return Flow((Tie((View(0, 0), View(OUTPUT, 0))), Tie(tuple(views))))


def _lp_normalization(node: Any) -> Flow:
    rank = len(shape_at(node, 0))
    over = int(attribute(node, "axis", -1)) % rank
    return Flow(tuple(Tie((View(0, a), View(OUTPUT, a))) for a in range(rank) if a != over))


def weight_scale(node: Any) -> float:
    """The factor that a map's weight is multiplied with: Gemm's alpha, else 1."""
    return float(attribute(node, "alpha", 1.0)) if node.op_type == "Gemm" else 1.0


MAP_RULES: Mapping[str, Callable[[Any], Flow]] = {
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "LpNormalization": _lp_normalization,
    "MatMul": _matmul,
    "RMSNormalization": _layer_normalization,
}
