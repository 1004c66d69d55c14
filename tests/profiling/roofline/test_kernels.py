"""Kernels of single operators, and of whole exports against the structures of the papers."""

import pytest

from edgert.profiling.roofline.kernels import GraphWork, Kernel, work_of
from edgert.surgery.cost import cost_of
from tests.skeletons import skeleton
from tests.surgery.graphs_residual import graph_from_text, random_weights


def work(text: str, **shapes: tuple[int, ...]) -> GraphWork:
    return work_of(graph_from_text(text, random_weights(shapes)))


def graph(body: str, *, x: str = "float[1,4,8,8] x", y: str = "float[1,4,8,8] y") -> str:
    return f"g ({x}) => ({y}) {{ {body} }}"


def test_a_convolution_is_one_kernel_whose_bias_is_no_weight():
    found = work(graph("y = Conv (x, w, b)"), w=(4, 4, 1, 1), b=(4,))
    assert found.kernels == (Kernel(macs=16 * 64, weights=16, inputs=256, outputs=256),)
    assert (found.macs, found.elements) == (1024, 528)


def test_clamps_additions_and_reshapes_are_fused():
    body = "a = Conv (x, w) b = Relu (a) c = Add (b, x) y = Identity (c)"
    assert len(work(graph(body), w=(4, 4, 1, 1)).kernels) == 1


@pytest.mark.parametrize(
    "body",
    [
        "a = Sigmoid (x) y = Mul (x, a)",  # SiLU
        "y = HardSwish (x)",
        "a = Div (x, s) b = Erf (a) c = Add (b, s) d = Mul (x, c) y = Mul (d, s)",  # GELU
        "y = Softmax <axis: int = 1> (x)",
        "y = LayerNormalization (x, v)",
    ],
)
def test_what_reads_all_of_a_tensor_is_one_kernel_however_it_is_spelled(body: str):
    found = work(graph(body), s=(1,), v=(8,))
    assert found.kernels == (Kernel(macs=0, weights=0, inputs=256, outputs=256),)


def test_a_product_of_two_computed_tensors_reads_both():
    found = work(graph("y = MatMul (x, x)"))
    assert found.kernels == (Kernel(macs=4 * 8 * 8 * 8, weights=0, inputs=512, outputs=256),)


def test_an_interpolation_counts_unless_it_changes_nothing():
    size = "s = Constant <value: tensor = int64[4] {{1, 4, {0}, {0}}}> () "
    resize = 'y = Resize <mode: string = "linear"> (x, , , s)'
    assert not work(graph(size.format(8) + resize)).kernels
    found = work(graph(size.format(16) + resize, y="float[1,4,16,16] y"))
    assert found.kernels == (Kernel(macs=0, weights=0, inputs=256, outputs=1024),)


def test_what_cannot_be_counted_is_listed():
    found = work(graph("y = ai.example.Mystery (x)"))
    assert found.unknown_operators == ("ai.example.Mystery",)
    assert not found.kernels
    free = work(graph("y = Relu (x)", x="float[1,N] x", y="float[1,N] y"))
    assert free == GraphWork(())
    shapeless = work(graph("y = Sigmoid (x)", x="float[1,N] x", y="float[1,N] y"))
    assert shapeless.unknown_operators == ("Sigmoid (shape unknown)",)


@pytest.mark.parametrize(
    "name", ["mobilenet_v3_dynamo", "yolo9_tiny_torchscript", "swin_tiny_dynamo"]
)
def test_macs_are_those_of_the_cost(name: str):
    assert work_of(skeleton(name)).macs == cost_of(skeleton(name)).macs
