"""Graphs that the table of TensorRT 10.3 refuses, each with a twin that it takes, and its words.

Graphs are in ONNX's text form without the header: their opset is 18.
"""

HEADER = '<ir_version: 9, opset_import: ["" : 18]> g '
IMAGE = "(float[1,3,8,8] x) => (float[1,3,8,8] y)"

PAIRS: dict[str, tuple[str, str, str]] = {
    "an operator that it has not": (
        f"{IMAGE} {{ y = Bernoulli(x) }}", f"{IMAGE} {{ y = Abs(x) }}",
        "Bernoulli, which its parser does not have",
    ),
    "double": (
        f"{IMAGE} {{ a = Cast<to=11>(x) y = Cast<to=1>(a) }}",
        f"{IMAGE} {{ a = Cast<to=16>(x) y = Cast<to=1>(a) }}",
        "Cast with tensor(double), which it computes in float32 without saying so "
        "(export in float32) (and 1 more)",
    ),
    "text": (
        "(float[1] x, string[1] t) => (string[1] y, float[1] z) { y = Identity(t) z = Abs(x) }",
        "(float[1] x, int64[1] t) => (int64[1] y, float[1] z) { y = Identity(t) z = Abs(x) }",
        "Identity with tensor(string), which no GPU computes",
    ),
    "16 bits": (
        f"{IMAGE} {{ a = Cast<to=5>(x) y = Cast<to=1>(a) }}",
        f"{IMAGE} {{ a = Cast<to=6>(x) y = Cast<to=1>(a) }}",
        "Cast with tensor(int16), a type that it does not have (and 1 more)",
    ),
    "a type that the operator has not": (
        f"{IMAGE} {{ a = Cast<to=7>(x) b = Relu(a) y = Cast<to=1>(b) }}",
        f"{IMAGE} {{ a = Cast<to=7>(x) b = Neg(a) y = Cast<to=1>(b) }}",
        "Relu with tensor(int64), where it takes bfloat16, float, float16",
    ),
    "bytes inside the graph": (
        f"{IMAGE} {{ a = Cast<to=2>(x) y = Cast<to=1>(a) }}",
        "(uint8[1,3,8,8] x) => (uint8[1,3,8,8] y) { a = Cast<to=1>(x) y = Cast<to=2>(a) }",
        "Cast that makes uint8 inside the graph, where only its edges may have it",
    ),
    "int8 outside quantisation": (
        "(int8[8] x) => (int8[8] y) { y = Add(x, x) }",
        "(int32[8] x) => (int32[8] y) { y = Add(x, x) }",
        "Add with tensor(int8), where it takes bfloat16, float, float16, int32, int64",
    ),
    "too many dimensions": (
        "(float[1,1,1,1,1,1,1,1,1] x) => (float[1,1,1,1,1,1,1,1,1] y) { y = Relu(x) }",
        "(float[1,1,1,1,1,1,1,1] x) => (float[1,1,1,1,1,1,1,1] y) { y = Relu(x) }",
        "Relu of 9 dimensions, where it takes 8 at most",
    ),
    "Dropout in training mode": (
        f"{IMAGE} <bool on = {{1}}, float r = {{0.5}}> {{ y = Dropout(x, r, on) }}",
        f"{IMAGE} <bool on = {{0}}, float r = {{0.5}}> {{ y = Dropout(x, r, on) }}",
        "Dropout in training mode (export the model after model.eval())",
    ),
    "Dropout, by a Constant node": (
        f"{IMAGE} <float r = {{0.5}}> {{ on = Constant<value = bool {{1}}>() "
        "y = Dropout(x, r, on) }",
        f"{IMAGE} <float r = {{0.5}}> {{ on = Constant<value = bool {{0}}>() "
        "y = Dropout(x, r, on) }",
        "Dropout in training mode (export the model after model.eval())",
    ),
    "Dropout that is told while it runs": (
        "(float[1,3] x, bool on) => (float[1,3] y) <float r = {0.5}> { y = Dropout(x, r, on) }",
        "(float[1,3] x, bool on) => (float[1,3] y) <float r = {0.5}> { y = Dropout(x, r) }",
        "Dropout whose training_mode is computed, where it has to be a constant",
    ),
    "BatchNormalization in training mode": (
        f"{IMAGE} <float[3] s = {{1,1,1}}> "
        "{ y, m, v = BatchNormalization<training_mode = 1>(x, s, s, s, s) }",
        f"{IMAGE} <float[3] s = {{1,1,1}}> {{ y = BatchNormalization(x, s, s, s, s) }}",
        "BatchNormalization with training_mode 1, where it takes 0",
    ),
    "sizes out of values": (
        "(float[1,4] x) => (int64[2,n] y) { y = NonZero(x) }",
        "(float[1,4] x) => (int64[1,1] y) { y = ArgMax<axis = 1>(x) }",
        "NonZero, which makes a size out of a frame's values: no CUDA graph can hold that, and "
        "engines are switched by launching one (export the model up to this node)",
    ),
    "the largest of a row": (
        "(float[4] x) => (int64[1] y) { y = ArgMax(x) }",
        "(float[1,4] x) => (int64[1,4] y) { y = ArgMax(x) }",
        "ArgMax of 1 dimensions, where it takes 2 to 8",
    ),
    "a running sum": (
        f"{IMAGE} <int64 a = {{2}}> {{ y = CumSum(x, a) }}",
        f"{IMAGE} {{ y = MatMul(x, x) }}",
        "CumSum, which it runs as a loop: no CUDA graph can hold that, and engines are switched "
        "by launching one (multiply with a triangular matrix of ones instead)",
    ),
    "Resize, as a newer opset has it": (
        "(float[1,3,8,8] x) => (float[1,3,16,16] y) <float[4] s = {1,1,2,2}> { y = Resize<mode = "
        '"linear", coordinate_transformation_mode = "half_pixel_symmetric">(x, "", s) }',
        "(float[1,3,8,8] x) => (float[1,3,16,16] y) <float[4] s = {1,1,2,2}> "
        '{ y = Resize<mode = "linear">(x, "", s) }',
        "Resize with coordinate_transformation_mode half_pixel_symmetric, where it takes "
        "half_pixel or pytorch_half_pixel or tf_half_pixel_for_nn or asymmetric or align_corners",
    ),
    "Resize with antialiasing": (
        "(float[1,3,8,8] x) => (float[1,3,4,4] y) <float[4] s = {1,1,0.5,0.5}> "
        '{ y = Resize<mode = "linear", antialias = 1>(x, "", s) }',
        "(float[1,3,8,8] x) => (float[1,3,4,4] y) <float[4] s = {1,1,0.5,0.5}> "
        '{ y = Resize<mode = "linear", antialias = 0>(x, "", s) }',
        "Resize with antialias 1, where it takes 0",
    ),
    "a cubic Resize of channels": (
        "(float[1,3,8,8] x) => (float[1,6,16,16] y) <float[4] s = {1,2,2,2}> "
        '{ y = Resize<mode = "cubic">(x, "", s) }',
        "(float[1,3,8,8] x) => (float[1,3,16,16] y) <float[4] s = {1,1,2,2}> "
        '{ y = Resize<mode = "cubic">(x, "", s) }',
        "Resize, cubic, of more than the last 2 dimensions",
    ),
    "pooling with indices": (
        "(float[1,3,8,8] x) => (float[1,3,7,7] y, int64[1,3,7,7] i) "
        "{ y, i = MaxPool<kernel_shape = [2,2]>(x) }",
        "(float[1,3,8,8] x) => (float[1,3,7,7] y) { y = MaxPool<kernel_shape = [2,2]>(x) }",
        "MaxPool with 2 outputs, where it gives only the first",
    ),
    "pooling with dilations": (
        "(float[1,3,8,8] x) => (float[1,3,6,6] y) "
        "{ y = MaxPool<kernel_shape = [2,2], dilations = [2,2]>(x) }",
        "(float[1,3,8,8] x) => (float[1,3,7,7] y) "
        "{ y = MaxPool<kernel_shape = [2,2], dilations = [1,1]>(x) }",
        "MaxPool with dilations [2, 2], where it takes 1",
    ),
    "TopK of many": (
        "(float[1,8000] x) => (float[1,n] y, int64[1,n] i) <int64[1] k = {3840}> "
        "{ y, i = TopK(x, k) }",
        "(float[1,8000] x) => (float[1,n] y, int64[1,n] i) <int64[1] k = {3839}> "
        "{ y, i = TopK(x, k) }",
        "TopK of 3840, where it takes fewer than 3840",
    ),
    "a zero point": (
        f"{IMAGE} <float s = {{0.1}}, int8 z = {{3}}> {{ q = QuantizeLinear(x, s, z) "
        "y = DequantizeLinear(q, s, z) }",
        f"{IMAGE} <float s = {{0.1}}, int8 z = {{0}}> {{ q = QuantizeLinear(x, s, z) "
        "y = DequantizeLinear(q, s, z) }",
        "QuantizeLinear with a zero point other than 0 (quantise symmetrically)",
    ),
    "quantised to bytes without a sign": (
        f"{IMAGE} <float s = {{0.1}}, uint8 z = {{0}}> {{ q = QuantizeLinear(x, s, z) "
        "y = DequantizeLinear(q, s, z) }",
        f"{IMAGE} <float s = {{0.1}}, int8 z = {{0}}> {{ q = QuantizeLinear(x, s, z) "
        "y = DequantizeLinear(q, s, z) }",
        "QuantizeLinear of tensor(uint8), where it takes tensor(int8)",
    ),
    "a scale of nothing": (
        f"{IMAGE} <float s = {{0}}, int8 z = {{0}}> {{ q = QuantizeLinear(x, s, z) "
        "y = DequantizeLinear(q, s, z) }",
        f"{IMAGE} <float s = {{1}}, int8 z = {{0}}> {{ q = QuantizeLinear(x, s, z) "
        "y = DequantizeLinear(q, s, z) }",
        "QuantizeLinear with a scale that is not positive",
    ),
    "scattering with a sum": (
        "(float[1,3] x, float[1,3] u) => (float[1,3] y) <int64[1,1] i = {0}> "
        '{ y = ScatterND<reduction = "add">(x, i, u) }',
        "(float[1,3] x, float[1,3] u) => (float[1,3] y) <int64[1,1] i = {0}> "
        "{ y = ScatterND(x, i, u) }",
        "ScatterND with reduction add (leave the attribute out)",
    ),
    "axes that are computed": (
        "(float[1,4] x, int64[1] a) => (float[4] y) { y = Squeeze(x, a) }",
        "(float[1,4] x) => (float[4] y) <int64[1] a = {0}> { y = Squeeze(x, a) }",
        "Squeeze whose axes is computed, where it has to be a constant",
    ),
    "capital letters": (
        '(float[1,3] x) => (float[3,1] y) { y = Einsum<equation = "Ij->jI">(x) }',
        '(float[1,3] x) => (float[3,1] y) { y = Einsum<equation = "ij->ji">(x) }',
        "Einsum with 'I' in its equation, where it takes a to z",
    ),
    "the remainder of floats": (
        "(float[4] x) => (float[4] y) { y = Mod(x, x) }",
        "(float[4] x) => (float[4] y) { y = Mod<fmod = 1>(x, x) }",
        "Mod of floats with fmod 0, where it takes integers",
    ),
    "sampling in a volume": (
        "(float[1,3,4,4,4] x, float[1,4,4,4,3] g) => (float[1,3,4,4,4] y) "
        "{ y = GridSample(x, g) }",
        "(float[1,3,4,4] x, float[1,4,4,2] g) => (float[1,3,4,4] y) { y = GridSample(x, g) }",
        "GridSample of 5 dimensions, where it takes 4",
    ),
    "a norm without positions": (
        "(float[1,4] x) => (float[1,4] y) <float[4] s = {1,1,1,1}> "
        "{ y = InstanceNormalization(x, s, s) }",
        "(float[1,4,3] x) => (float[1,4,3] y) <float[4] s = {1,1,1,1}> "
        "{ y = InstanceNormalization(x, s, s) }",
        "InstanceNormalization of 2 dimensions, where it takes 3 to 8",
    ),
}  # fmt: skip
