"""The operators of the oldest supported TensorRT, 10.3 of JetPack 6, and the types they take.

Facts from the public parser, onnx/onnx-tensorrt: the operator table (docs/operators.md) and the
importers of branch 10.1-GA, commit 96e7811 of 2024-06-17, the last before 10.3 whose sources are
public there as a branch, and what docs/Changelog.md says of 10.2 and 10.3 (tensor axes of Slice).
Where table and importer differ, the narrower holds, and the line says so. Of the table's types
FP8 and INT4 are left out: the first is not in Orin's hardware, the second came with opset 21.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SOURCE = "onnx-tensorrt 10.1-GA (96e7811), changelog to 10.3"
OPSETS = range(9, 21)

_F = ("float", "float16")
_FLOATS = (*_F, "bfloat16")
_INTEGERS = ("int32", "int64")
_NUMBERS = (*_FLOATS, *_INTEGERS)
_ANY = (*_NUMBERS, "bool")

# Types that a value may have at all. uint8 only where it enters or leaves the graph.
VALUE_TYPES = frozenset((*_ANY, "int8", "uint8"))


@dataclass(frozen=True)
class Operator:
    """What one operator takes.

    Types are ONNX's, without "tensor()". They are asked of the inputs and outputs at these
    positions; others, such as indices and axes, have the types that the standard gives them.
    """

    types: frozenset[str]
    inputs: tuple[int, ...] = (0,)
    outputs: tuple[int, ...] = ()


_BY_TYPES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        _FLOATS,
        """Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Conv
        ConvTranspose Cos Cosh CumSum Einsum Elu Erf Exp Floor Gelu Gemm GlobalAveragePool
        GlobalLpPool GlobalMaxPool GroupNormalization GRU HardSigmoid Hardmax LayerNormalization
        LeakyRelu Log LogSoftmax LRN LSTM MatMul MaxPool MeanVarianceNormalization PRelu Pow
        QuantizeLinear RNN Reciprocal Resize Round Scan Selu Sigmoid Sin Sinh Softmax Softplus
        Softsign Sqrt Tan Tanh ThresholdedRelu Upsample Dropout IsInf""",
    ),
    # The table also has integers for Relu; the importer of activations refuses them.
    (_FLOATS, "Relu"),
    # The table also has bfloat16 for these; their importers refuse it.
    (_F, "InstanceNormalization LpNormalization LpPool"),
    (_F, "DeformConv GridSample Mish NonMaxSuppression NonZero RoiAlign"),
    ((*_F, "int8"), "HardSwish"),
    (
        _NUMBERS,
        """Abs Add ArgMax ArgMin DepthToSpace Div Greater GreaterOrEqual IsNaN Less LessOrEqual
        Max Mean Min Mod Mul Neg Pad ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
        ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Scatter ScatterElements
        ScatterND Shrink Sign SpaceToDepth Sub Sum TopK""",
    ),
    # The table has floats for Clip; the importer takes integers too.
    (_NUMBERS, "Clip"),
    # The table leaves bool out; the importer hands it on as it is.
    (_ANY, "Equal"),
    (
        _ANY,
        """Concat Expand Flatten Gather GatherElements GatherND Identity If Loop Reshape
        ReverseSequence Shape Size Slice Split Squeeze Tile Transpose Trilu Unsqueeze""",
    ),
    (("bool",), "And Not Or Xor"),
    (("int8",), "DequantizeLinear"),
)


def _operators() -> Iterator[tuple[str, Operator]]:
    for types, names in _BY_TYPES:
        for name in names.split():
            yield name, Operator(frozenset(types))
    # Those whose type is not, or not only, that of the first input.
    yield "Range", Operator(frozenset(("float", *_INTEGERS)), (0, 1, 2))
    yield "Where", Operator(frozenset(_ANY), (1, 2))
    yield "OneHot", Operator(frozenset(_ANY), (2,))
    for name in ("Constant", "ConstantOfShape", "EyeLike"):
        yield name, Operator(frozenset(_ANY), (), (0,))
    for name in ("Cast", "CastLike"):
        yield name, Operator(frozenset((*_ANY, "uint8")), (0,), (0,))
    for name in ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"):
        yield name, Operator(frozenset(_F), (), (0,))


OPERATORS: Mapping[str, Operator] = dict(_operators())
