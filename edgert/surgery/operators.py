"""What ONNX operators do, as far as counting and searching need it: tables, no logic.

An operator that stands in no table here and has no count in `cost` is unknown, and said so.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STANDARD = frozenset({"", "ai.onnx"})
MICROSOFT = "com.microsoft"  # what ONNX Runtime's own optimiser writes
NCHWC = "com.microsoft.nchwc"

# Where the numbers come out as they went in, in another order, shape or type.
LAYOUT = frozenset(
    {
        "Cast",
        "CastLike",
        "DequantizeLinear",
        "Flatten",
        "Identity",
        "QuantizeLinear",
        "Reshape",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
POOLING = frozenset({"AveragePool", "LpPool", "MaxPool"})
# Moves data between positions without learned weights, as a token mixer may do.
MIXING = POOLING | {"DFT", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "STFT"}
UPSAMPLING = frozenset({"DepthToSpace", "MaxUnpool", "Resize", "Upsample"})
NORMALISATION = frozenset(
    {
        "BatchNormalization",
        "GroupNormalization",
        "InstanceNormalization",
        "LRN",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
        "SimplifiedLayerNormalization",
    }
)
# What makes a stack of layers more than one linear map.
ACTIVATION = frozenset(
    {
        "BiasGelu",
        "Celu",
        "Clip",
        "Elu",
        "Erf",
        "Exp",
        "FastGelu",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "Hardmax",
        "LeakyRelu",
        "LogSoftmax",
        "Max",
        "Min",
        "Mish",
        "PRelu",
        "QuickGelu",
        "Relu",
        "Selu",
        "Shrink",
        "Sigmoid",
        "Softmax",
        "Softplus",
        "Softsign",
        "Swish",
        "Tanh",
        "ThresholdedRelu",
    }
)

_ELEMENTWISE = _words("""
    Abs Acos Acosh Add And Asin Asinh Atan Atanh Bernoulli BitShift BitwiseAnd BitwiseNot
    BitwiseOr BitwiseXor Ceil Clip Cos Cosh Div Equal Exp Floor Greater GreaterOrEqual IsInf IsNaN
    Less LessOrEqual Log Mean Mod Mul Neg Not Or Pow Reciprocal Round Sign Sin Sinh Sqrt Sub Sum
    Tan Where Xor DynamicQuantizeLinear
    """)
_REDUCTION = _words("""
    ArgMax ArgMin CumProd CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK Unique NonZero
    NonMaxSuppression NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss
    """)
_MOVING = _words("""
    AffineGrid BitCast CenterCropPad Col2Im Compress Concat ConcatFromSequence Constant
    ConstantOfShape Dropout Expand EyeLike Gather GatherElements GatherND GridSample ImageDecoder
    MaxRoiPool Multinomial OneHot Optional OptionalGetElement OptionalHasElement Pad RandomNormal
    RandomNormalLike RandomUniform RandomUniformLike Range ReverseSequence RoiAlign Scatter
    ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase
    SequenceInsert SequenceLength Shape Size Slice SpaceToDepth Split SplitToSequence
    TensorScatter Tile Trilu BlackmanWindow HammingWindow HannWindow RotaryEmbedding
    """)

# Operators of the standard without a multiply-accumulate in the sense of the papers: scaling,
# interpolating, averaging and normalising are not counted there either.
WITHOUT_MACS = (
    _ELEMENTWISE
    | _REDUCTION
    | _MOVING
    | LAYOUT
    | POOLING
    | UPSAMPLING
    | NORMALISATION
    | ACTIVATION - {"BiasGelu", "FastGelu", "QuickGelu"}
    | {"GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"}
)
WITHOUT_MACS_MICROSOFT = _words("""
    BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu DequantizeLinear
    DynamicQuantizeLinear FastGelu Gelu GroupNorm NhwcMaxPool QLinearAdd
    QLinearAveragePool QLinearConcat QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul
    QLinearReduceMean QLinearSigmoid QLinearSoftmax QLinearWhere QuantizeLinear QuickGelu
    RotaryEmbedding SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization
    Trilu
    """)
WITHOUT_MACS_NCHWC = frozenset(
    {
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "MaxPool",
        "ReorderInput",
        "ReorderOutput",
        "Upsample",
    }
)
