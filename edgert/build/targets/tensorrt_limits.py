"""What TensorRT 10.3's parser refuses of an operator that it has, and what no CUDA graph can hold.

Each limit looks at attributes, ranks and constants of a node and says what is wrong, or None.
Source: as `tensorrt_operators`; what is refused for CUDA graphs: NVIDIA's developer guide, "CUDA
graphs": loops, conditionals and data-dependent shapes can't be captured.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgert.build.targets.base import NodeUse

Limit = Callable[[NodeUse], str | None]

MOST_DIMENSIONS = 8
_LARGEST_K = 3840
_NO_CAPTURE = "no CUDA graph can hold that, and engines are switched by launching one"


def _uncapturable(what: str, instead: str) -> Limit:
    def limit(node: NodeUse) -> str | None:
        return f"{node.op_type}, {what}: {_NO_CAPTURE} ({instead})"

    return limit


def _constant_input(index: int, what: str) -> Limit:
    """An input that the parser wants as an initializer."""

    def limit(node: NodeUse) -> str | None:
        if not node.given(index) or index in node.constants:
            return None
        return f"{node.op_type} whose {what} is computed, where it has to be a constant"

    return limit


def _attribute(name: str, default: Any, *allowed: Any) -> Limit:
    def limit(node: NodeUse) -> str | None:
        value = _value(node, name, default)
        if value in allowed:
            return None
        return f"{node.op_type} with {name} {value}, where it takes {_either(allowed)}"

    return limit


def _rank(*allowed: int) -> Limit:
    def limit(node: NodeUse) -> str | None:
        found = node.rank(0)
        if found is None or found in allowed:
            return None
        return f"{node.op_type} of {found} dimensions, where it takes {_either(allowed)}"

    return limit


def _all(*limits: Limit) -> Limit:
    def limit(node: NodeUse) -> str | None:
        reasons = (each(node) for each in limits)
        return next((reason for reason in reasons if reason is not None), None)

    return limit


def _single_output(node: NodeUse) -> str | None:
    if all(kind is None for kind in node.outputs[1:]):
        return None
    return f"{node.op_type} with {len(node.outputs)} outputs, where it gives only the first"


def _pooling(node: NodeUse) -> str | None:
    kernel, dilations = node.attributes.get("kernel_shape", ()), _value(node, "dilations", ())
    if any(step != 1 for step in dilations):
        return f"{node.op_type} with dilations {list(dilations)}, where it takes 1"
    if len(kernel) > 3:
        return f"{node.op_type} over {len(kernel)} dimensions, where it takes 3 at most"
    return None


def _training_dropout(node: NodeUse) -> str | None:
    if not node.given(2):
        return None
    if 2 not in node.constants:
        return "Dropout whose training_mode is computed, where it has to be a constant"
    mode = node.constants[2]
    if mode is None or not mode.any():
        return None
    return "Dropout in training mode (export the model after model.eval())"


def _quantisation(node: NodeUse) -> str | None:
    """Symmetric, to int8, with positive scales."""
    kind = "tensor(int8)"
    quantised = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
    if quantised not in (None, kind):
        return f"{node.op_type} of {quantised}, where it takes tensor(int8)"
    zero_point, scale = node.constants.get(2), node.constants.get(1)
    if zero_point is not None and zero_point.any():
        return f"{node.op_type} with a zero point other than 0 (quantise symmetrically)"
    if scale is not None and not (scale > 0).all():
        return f"{node.op_type} with a scale that is not positive"
    return None


def _einsum(node: NodeUse) -> str | None:
    equation = _value(node, "equation", "")
    strange = {c for c in equation if not ("a" <= c <= "z" or c in "->., ")}
    if not strange:
        return None
    return f"Einsum with {''.join(sorted(strange))!r} in its equation, where it takes a to z"


def _topk(node: NodeUse) -> str | None:
    k = node.constants.get(1)
    if k is None or k.size != 1 or int(k.reshape(())) < _LARGEST_K:
        return None
    return f"TopK of {int(k.reshape(()))}, where it takes fewer than {_LARGEST_K}"


def _scatter_nd(node: NodeUse) -> str | None:
    # The importer of 10.1 refuses the attribute whatever it says, "none" too.
    if "reduction" not in node.attributes:
        return None
    return f"ScatterND with reduction {_value(node, 'reduction', '')} (leave the attribute out)"


def _resized_dimensions(node: NodeUse) -> str | None:
    mode, scales = _value(node, "mode", "nearest"), node.constants.get(2)
    most = {"linear": 3, "cubic": 2}.get(mode)
    if most is None or scales is None or scales.size <= most or "axes" in node.attributes:
        return None
    if bool(np.all(scales[: scales.size - most] == 1)):
        return None
    return f"Resize, {mode}, of more than the last {most} dimensions"


def _mod(node: NodeUse) -> str | None:
    floats = node.inputs[0] in ("tensor(float)", "tensor(float16)", "tensor(bfloat16)")
    if not floats or _value(node, "fmod", 0):
        return None
    return "Mod of floats with fmod 0, where it takes integers"


def _value(node: NodeUse, name: str, default: Any) -> Any:
    value = node.attributes.get(name, default)
    return value.decode() if isinstance(value, bytes) else value


def _either(values: Sequence[Any]) -> str:
    if len(values) > 2 and all(isinstance(value, int) for value in values):
        return f"{values[0]} to {values[-1]}"
    return " or ".join(map(str, values))


_LOOP = _uncapturable("which it runs as a loop", "export without it")
_SIZES = _uncapturable(
    "which makes a size out of a frame's values", "export the model up to this node"
)
_RANDOM = _attribute("dtype", 1, 1, 10)
_AXES = _constant_input(1, "axes")

LIMITS: Mapping[str, Limit] = {
    "If": _uncapturable(
        "whose branch is chosen while it runs",
        "where the condition is a constant, edgert derive takes the branch",
    ),
    "Loop": _LOOP,
    "Scan": _LOOP,
    "GRU": _LOOP,
    "LSTM": _LOOP,
    "RNN": _LOOP,
    # A layer of its own in later versions; in this one the parser writes a loop.
    "CumSum": _uncapturable(
        "which it runs as a loop", "multiply with a triangular matrix of ones instead"
    ),
    "NonZero": _SIZES,
    "NonMaxSuppression": _SIZES,
    # Not a word of it in the table: TensorRT-RTX's parser said so.
    "ArgMax": _rank(*range(2, MOST_DIMENSIONS + 1)),
    "ArgMin": _rank(*range(2, MOST_DIMENSIONS + 1)),
    "AveragePool": _pooling,
    "MaxPool": _all(_single_output, _pooling),
    "LpPool": _all(_attribute("p", 2, 1, 2), _pooling),
    "LpNormalization": _attribute("p", 2, 1, 2),
    "BatchNormalization": _attribute("training_mode", 0, 0),
    "Dropout": _training_dropout,
    "LayerNormalization": _single_output,
    "GroupNormalization": _rank(*range(3, MOST_DIMENSIONS + 1)),
    "InstanceNormalization": _rank(*range(3, MOST_DIMENSIONS + 1)),
    "QuantizeLinear": _quantisation,
    "DequantizeLinear": _quantisation,
    "Einsum": _einsum,
    "TopK": _topk,
    "ScatterND": _scatter_nd,
    "Mod": _mod,
    "GridSample": _rank(4),
    "OneHot": _constant_input(1, "depth"),
    "Squeeze": _AXES,
    "Unsqueeze": _AXES,
    "Pad": _all(
        _attribute("mode", "constant", "constant", "reflect", "edge", "wrap"),
        _constant_input(3, "axes"),
    ),
    "Resize": _all(
        _attribute("mode", "nearest", "nearest", "linear", "cubic"),
        _attribute(
            "coordinate_transformation_mode", "half_pixel",
            "half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric",
            "align_corners",
        ),
        _attribute("antialias", 0, 0),
        _attribute("keep_aspect_ratio_policy", "stretch", "stretch"),
        _resized_dimensions,
    ),
    "RandomNormal": _RANDOM,
    "RandomUniform": _RANDOM,
    **{
        f"Reduce{name}": _AXES
        for name in (
            "L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare",
        )
    },
}  # fmt: skip
