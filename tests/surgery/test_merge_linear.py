import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import PreconditionError
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import scope_of
from edgert.surgery.merge_linear import explain_merges, merge_linear
from edgert.surgery.narrow_channels import narrow_channels
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.skeletons import skeleton
from tests.surgery.graphs_linear import (
    difference,
    graph_from_text,
    head_graph,
    operators,
    perturbed,
    random_weights,
)

TOLERANCE = 1e-5  # of the largest output: float32 products summed in another order

SIZES = {"sizes": np.array([1, 12, 12, 20])}
CHANNELS = {"c": (12, 1, 1), "d": (1, 12, 1, 1)}
NORM = {"g": (12,), "b": (12,), "mean": (12,), "var": (12,)}

# Between x (1,4,6,10) -> Conv 1x1 -> h (1,12,6,10) and m -> Conv 1x1 -> y (1,3,...):
# name: (text, shapes of weights, other constants, rows and columns of y)
BETWEEN = {
    "nothing": ("m = Identity(h)", {}, {}, (6, 10)),
    "bias": ("m = Add(h, c)", CHANNELS, {}, (6, 10)),
    "bias_on_the_left": ("m = Add(d, h)", CHANNELS, {}, (6, 10)),
    "subtracted": ("m = Sub(h, c)", CHANNELS, {}, (6, 10)),
    "subtracted_from": ("m = Sub(c, h)", CHANNELS, {}, (6, 10)),
    "scaled": ("m = Mul(h, c)", CHANNELS, {}, (6, 10)),
    "scaled_by_a_number": ("m = Mul(s, h)", {}, {"s": np.float32(0.25)}, (6, 10)),
    "divided": ("m = Div(h, c)", CHANNELS, {}, (6, 10)),
    "batchnorm": ("m = BatchNormalization(h, g, b, mean, var)", NORM, {}, (6, 10)),
    "scaled_shifted_scaled": (
        "p = Mul(h, c) q = Add(p, d) m = BatchNormalization(q, g, b, mean, var)",
        CHANNELS | NORM,
        {},
        (6, 10),
    ),
    "transposes": (
        "p = Transpose<perm=[2,0,3,1]>(h) q = Mul(p, v) m = Transpose<perm=[1,3,0,2]>(q)",
        {"v": (12,)},
        {},
        (6, 10),
    ),
    "reshapes": (
        "p = Reshape(h, flat) q = Add(p, v) m = Reshape(q, image)",
        {"v": (12, 1)},
        {"flat": np.array([0, 12, -1]), "image": np.array([1, 12, 5, 12])},
        (5, 12),
    ),
    "squeezed": (
        "p = Squeeze(h, first) q = Unsqueeze(p, both) m = Squeeze(q, second)",
        {},
        {"first": np.array([0]), "both": np.array([0, 1]), "second": np.array([1])},
        (6, 10),
    ),
    "slice": (
        "m = Slice(h, starts, ends, axes)",
        {},
        {"starts": np.array([1, 0]), "ends": np.array([5, 9]), "axes": np.array([-2, 3])},
        (4, 9),
    ),
    "average_pool": ("m = AveragePool<kernel_shape=[2,2],strides=[2,2]>(h)", {}, {}, (3, 5)),
    "average_pool_padded": (
        "m = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1]>(h)",
        {},
        {},
        (6, 10),
    ),
    "average_pool_ceil": (
        "m = AveragePool<kernel_shape=[4,4],strides=[4,4],ceil_mode=1>(h)",
        {},
        {},
        (2, 3),
    ),
    "global_average_pool": ("m = GlobalAveragePool(h)", {}, {}, (1, 1)),
    "reduce_mean": ("m = ReduceMean(h, axes)", {}, {"axes": np.array([-1, -2])}, (1, 1)),
    "pad_reflect": (
        'm = Pad<mode="reflect">(h, pads)',
        {},
        {"pads": np.array([0, 0, 1, 2, 0, 0, 0, 1])},
        (7, 13),
    ),
    "pad_edge": (
        'm = Pad<mode="edge">(h, pads)',
        {},
        {"pads": np.array([0, 0, 1, 2, 0, 0, 0, 1])},
        (7, 13),
    ),
    "add_of_itself_pooled": (
        "k = Conv<kernel_shape=[1,1]>(x, w2) p = GlobalAveragePool(k) m = Add(h, p)",
        {"w2": (12, 4, 1, 1)},
        {},
        (6, 10),
    ),
    "add": (
        "k = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(x, w2, b2) m = Add(k, h)",
        {"w2": (12, 4, 3, 3), "b2": (12,)},
        {},
        (6, 10),
    ),
    "resize_scales": (
        'm = Resize<mode="linear">(h, , scales)',
        {},
        {"scales": np.array([1, 1, 2, 1.5], np.float32)},
        (12, 15),
    ),
    "resize_axes": (
        'm = Resize<mode="linear",axes=[2,3]>(h, , , two)',
        {},
        {"two": np.array([5, 20])},
        (5, 20),
    ),
    "resize_same_size": (
        'm = Resize<mode="linear">(h, , , same)',
        {},
        {"same": np.array([1, 12, 6, 10])},
        (6, 10),
    ),
    "resize_antialias": (
        'm = Resize<mode="linear",antialias=1>(h, , , small)',
        {},
        {"small": np.array([1, 12, 4, 3])},
        (4, 3),
    ),
    "resize_cubic_exclude_outside": (
        'm = Resize<mode="cubic",exclude_outside=1,cubic_coeff_a=-0.5>(h, , , sizes)',
        {},
        SIZES,
        (12, 20),
    ),
} | {
    f"resize_{mode}_{coordinates}": (
        f'm = Resize<mode="{mode}",coordinate_transformation_mode="{coordinates}">(h, , , sizes)',
        {},
        SIZES,
        (12, 20),
    )
    for mode in ("nearest", "linear", "cubic")
    for coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
}


def between(text, shapes, constants=None, size=(6, 10), *, outer="Conv<kernel_shape=[1,1]>"):
    """x -> 1x1 convolution "inner" -> the operators in `text` -> 1x1 convolution "outer" -> y."""
    weights = random_weights({"w": (12, 4, 1, 1), "bw": (12,), "f": (3, 12, 1, 1), "bf": (3,)})
    weights |= random_weights(shapes, seed=1) | (constants or {})
    return graph_from_text(
        f"""agraph (float[1,4,6,10] x) => (float[1,3,{size[0]},{size[1]}] y) {{
          ["net.inner/Conv"] h = Conv<kernel_shape=[1,1]>(x, w, bw)
          {text}
          ["net.outer/Conv"] y = {outer}(m, f, bf)
        }}""",
        weights,
    )


def reason_of(graph, outer="net.outer/Conv"):
    """Why the outer map does not merge."""
    (finding,) = (f for f in explain_merges(graph) if f.outer == outer)
    assert not finding.merged
    assert finding.macs_after == finding.macs_before
    return finding.reason


# ---------------------------------------------------------------- what may stand between


@pytest.mark.parametrize("name", BETWEEN)
def test_maps_merge_through_operator(name):
    graph = between(*BETWEEN[name])
    merged = merge_linear(graph)
    assert difference(graph, merged) < TOLERANCE
    assert cost_of(merged).macs < cost_of(graph).macs
    assert "net.outer/Conv" not in [node.name for node in merged.nodes]


@pytest.mark.parametrize("name", ["nothing", "batchnorm", "resize_linear_half_pixel", "add"])
def test_perturbed_weight_shows_in_the_comparison(name):
    graph = between(*BETWEEN[name])
    merged = merge_linear(graph)
    wrong = perturbed(merged, "net.outer/inner.Conv")
    assert difference(graph, wrong) > TOLERANCE


def test_constants_between_and_behind_disappear():
    graph = between(
        "p = Mul(h, c) q = Add(p, d) m = BatchNormalization(q, g, b, mean, var)",
        CHANNELS | NORM,
    )
    assert operators(merge_linear(graph)) == ["Conv"]


def test_constants_behind_the_outer_map_are_absorbed():
    weights = random_weights({"w": (4, 12), "f": (12, 3), "b": (3,), "s": (3,), "t": (1,)})
    graph = graph_from_text(
        """agraph (float[1,7,4] x) => (float[1,7,3] y) {
          h = MatMul(x, w)
          o = MatMul(h, f)
          p = Add(b, o)
          q = Mul(p, s)
          y = Sub(t, q)
        }""",
        weights,
    )
    merged = merge_linear(graph)
    assert operators(merged) == ["Add", "MatMul"]
    assert difference(graph, merged) < TOLERANCE


def test_operators_behind_that_differ_within_a_channel_stay():
    weights = random_weights({"w": (4, 12), "f": (12, 3), "b": (7, 3)})
    graph = graph_from_text(
        """agraph (float[1,7,4] x) => (float[1,7,3] y) {
          h = MatMul(x, w)
          o = MatMul(h, f)
          y = Add(o, b)
        }""",
        weights,
    )
    merged = merge_linear(graph)
    assert operators(merged) == ["Add", "MatMul"]
    assert difference(graph, merged) < TOLERANCE


def test_same_size_resize_is_left_out_and_others_stay():
    assert "Resize" not in operators(merge_linear(between(*BETWEEN["resize_same_size"])))
    assert "Resize" in operators(merge_linear(between(*BETWEEN["resize_linear_half_pixel"])))


@pytest.mark.parametrize(
    ("inner", "weights"),
    [
        ("MatMul(x, w)", {"w": (6, 12)}),
        ("Gemm(x, w)", {"w": (6, 12)}),
        ("Gemm<transB=1, alpha=0.5, beta=2.0>(x, w, b)", {"w": (12, 6), "b": (12,)}),
        ("Gemm(x, w, b)", {"w": (6, 12), "b": (1,)}),
    ],
)
@pytest.mark.parametrize(
    ("outer", "outer_weights"),
    [
        ("MatMul(h, f)", {"f": (12, 3)}),
        ("Gemm<transB=1, alpha=3.0>(h, f, c)", {"f": (3, 12), "c": (1, 3)}),
    ],
)
def test_matmul_and_gemm_merge(inner, weights, outer, outer_weights):
    graph = graph_from_text(
        f"agraph (float[5,6] x) => (float[5,3] y) {{ h = {inner} y = {outer} }}",
        random_weights(weights | outer_weights),
    )
    merged = merge_linear(graph)
    assert cost_of(merged).macs == 5 * 6 * 3
    assert difference(graph, merged) < TOLERANCE


def test_matmul_with_the_weight_on_the_left_merges():
    graph = graph_from_text(
        """agraph (float[1,6,9] x) => (float[1,3,9] y) {
          h = MatMul(w, x)
          p = Add(h, b)
          y = MatMul(f, p)
        }""",
        random_weights({"w": (12, 6), "f": (3, 12), "b": (12, 1)}),
    )
    merged = merge_linear(graph)
    assert operators(merged) == ["Add", "MatMul"]
    assert difference(graph, merged) < TOLERANCE


def test_strided_convolution_merges_as_inner_map():
    graph = graph_from_text(
        """agraph (float[1,3,9,9] x) => (float[1,2,5,5] y) {
          h = Conv<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x, w, b)
          y = Conv<kernel_shape=[1,1]>(h, f)
        }""",
        random_weights({"w": (8, 3, 3, 3), "b": (8,), "f": (2, 8, 1, 1)}),
    )
    merged = merge_linear(graph)
    assert operators(merged) == ["Conv"]
    assert difference(graph, merged) < TOLERANCE


def test_chain_of_three_maps_becomes_one():
    graph = graph_from_text(
        """agraph (float[5,4] x) => (float[5,2] y) {
          h = MatMul(x, a)
          i = MatMul(h, b)
          y = MatMul(i, c)
        }""",
        random_weights({"a": (4, 16), "b": (16, 8), "c": (8, 2)}),
    )
    merged = merge_linear(graph)
    assert operators(merged) == ["MatMul"]
    assert [f.merged for f in explain_merges(graph)] == [True, True, False]
    assert difference(graph, merged) < TOLERANCE


# ---------------------------------------------------------------- the decode head


def test_head_becomes_a_sum_of_convolutions():
    graph = head_graph()
    merged = merge_linear(graph)
    assert operators(merged) == ["Add"] * 2 + ["Conv"] * 4 + ["Relu"] + ["Resize"] * 2
    assert difference(graph, merged) < TOLERANCE
    assert difference(graph, perturbed(merged, "head.fuse/proj.1.Conv")) > TOLERANCE


def test_head_maps_are_named_after_the_scope_they_go_into():
    merged = merge_linear(head_graph())
    names = [node.name for node in merged.nodes if node.op_type == "Conv"]
    assert names == [*(f"head.fuse/proj.{i}.Conv" for i in (2, 1, 0)), "/head/classifier/Conv"]
    assert {scope_of(merged.node(name)) for name in names[:3]} == {"head.fuse"}


def test_largest_branch_is_added_last():
    merged = merge_linear(head_graph())
    relu = next(node for node in merged.nodes if node.op_type == "Relu")
    last = relu.inputs[0].producer()
    assert last.inputs[1].producer().name == "head.fuse/proj.0.Conv"


def test_head_keeps_the_export_unchanged():
    graph = head_graph()
    before = [(node.name, [v and v.name for v in node.inputs]) for node in graph.nodes]
    merge_linear(graph)
    assert [(node.name, [v and v.name for v in node.inputs]) for node in graph.nodes] == before


def test_head_with_activations_is_refused_and_the_activation_named():
    graph = head_graph(activation_before_concat=True)
    with pytest.raises(PreconditionError, match=r"proj\.2/Relu does not commute") as caught:
        merge_linear(graph)
    assert "\n" not in str(caught.value)
    assert reason_of(graph, "/head/fuse/Conv").startswith("Relu /head/proj.2/Relu")


def test_tokens_in_another_order_keep_their_layout_operators():
    graph = graph_from_text(
        """agraph (float[1,4,6,10] x) => (float[1,3,6,10] y) {
          t = Transpose<perm=[0,3,2,1]>(x)
          r = Reshape(t, flat)
          h = MatMul(r, w)
          u = Transpose<perm=[0,2,1]>(h)
          v = Reshape(u, image)
          y = Conv<kernel_shape=[1,1]>(v, f)
        }""",
        random_weights({"w": (4, 12), "f": (3, 12, 1, 1)})
        | {"flat": np.array([1, 60, 4]), "image": np.array([1, 12, 6, 10])},
    )
    merged = merge_linear(graph)
    assert operators(merged) == ["MatMul", "Reshape", "Reshape", "Transpose", "Transpose"]
    assert difference(graph, merged) < TOLERANCE


@given(
    branches=st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([1, 2, 3, 6]), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    width=st.integers(2, 9),
    out=st.integers(1, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_any_fusion_of_branches_is_equal_or_left_alone(branches, width, out, seed):
    lines, shapes, inputs = [], {"f": (out, width * len(branches), 1, 1)}, []
    for i, (channels, size, has_bias) in enumerate(branches):
        inputs.append(f"float[1,{channels},{size},{size}] x{i}")
        shapes |= {f"w{i}": (width, channels, 1, 1), f"b{i}": (width,)}
        bias = f", b{i}" if has_bias else ""
        lines.append(f"h{i} = Conv<kernel_shape=[1,1]>(x{i}, w{i}{bias})")
        lines.append(f'z{i} = Resize<mode="linear">(h{i}, , , size)')
    joined = ", ".join(f"z{i}" for i in range(len(branches)))
    graph = graph_from_text(
        f"agraph ({', '.join(inputs)}) => (float[1,{out},6,6] y) {{"
        f"{' '.join(lines)} j = Concat<axis=1>({joined}) y = Conv<kernel_shape=[1,1]>(j, f) }}",
        random_weights(shapes, seed=seed) | {"size": np.array([1, width, 6, 6])},
    )
    try:
        merged = merge_linear(graph)
    except PreconditionError:
        return
    assert cost_of(merged).macs < cost_of(graph).macs
    assert difference(graph, merged, seed=seed) < 10 * TOLERANCE  # sums may cancel


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "shapes", "constants", "size", "reason"),
    [
        ("m = Relu(h)", {}, {}, (6, 10), "does not commute"),
        (
            "m = MaxPool<kernel_shape=[2,2],strides=[2,2]>(h)",
            {},
            {},
            (3, 5),
            "does not commute",
        ),
        ("m = Add(h, p)", {"p": (1, 12, 6, 10)}, {}, (6, 10), "differs within a channel"),
        ("m = Mul(h, p)", {"p": (1, 12, 6, 10)}, {}, (6, 10), "more than one constant"),
        ("m = Mul(h, h)", {}, {}, (6, 10), "more than one constant"),
        ("m = Add(h, h)", {}, {}, (6, 10), "read more than once"),
        ("m = Add(h, x2)", {}, {}, (6, 10), "which no linear map computes"),
        (
            "m = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad=1>(h)",
            {},
            {},
            (6, 10),
            "averages over padding",
        ),
        (
            "m = Pad(h, pads)",
            {},
            {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
            (8, 12),
            "pads with a constant",
        ),
        (
            'm = Resize<mode="linear",coordinate_transformation_mode="tf_crop_and_resize",'
            "extrapolation_value=7.0>(h, roi, , sizes)",
            {},
            SIZES | {"roi": np.array([0, 0, 0, 0, 1, 1, 1.5, 1], np.float32)},
            (12, 20),
            "extrapolation value",
        ),
        (
            "p = Transpose<perm=[0,2,1,3]>(h) k = Relu(x) q = Transpose<perm=[0,2,1,3]>(k)"
            "j = Concat<axis=2>(p, q, q) s = Slice(j, zero, twelve, two)"
            "m = Transpose<perm=[0,2,1,3]>(s)",
            {},
            {"zero": np.array([4]), "twelve": np.array([16]), "two": np.array([2])},
            (6, 10),
            "resamples the channel axis",
        ),
        (
            "k = Conv<kernel_shape=[1,1]>(x, w2) m = Concat<axis=2>(h, k)",
            {"w2": (12, 4, 1, 1)},
            {},
            (12, 10),
            "joins along another axis",
        ),
        (
            "p = Reshape(h, split) q = Transpose<perm=[0,2,1,3]>(p) m = Reshape(q, whole)",
            {},
            {"split": np.array([1, 3, 4, 60]), "whole": np.array([1, 12, 6, 10])},
            (6, 10),
            "does not keep the channel axis whole",
        ),
        (
            "m = Conv<kernel_shape=[1,1],group=12>(h, dw)",
            {"dw": (12, 1, 1, 1)},
            {},
            (6, 10),
            "has 12 groups",
        ),
    ],
)
def test_operator_between_is_refused(text, shapes, constants, size, reason):
    weights = random_weights({"w": (12, 4, 1, 1), "f": (3, 12, 1, 1)})
    graph = graph_from_text(
        f"""agraph (float[1,4,6,10] x, float[1,12,6,10] x2)
            => (float[1,3,{size[0]},{size[1]}] y) {{
          ["net.inner/Conv"] h = Conv<kernel_shape=[1,1]>(x, w)
          {text}
          ["net.outer/Conv"] y = Conv<kernel_shape=[1,1]>(m, f)
        }}""",
        weights | random_weights(shapes, seed=1) | constants,
    )
    assert reason in reason_of(graph)
    with pytest.raises(PreconditionError, match=reason):
        merge_linear(graph)


@pytest.mark.parametrize(
    ("outer", "shape", "size", "reason"),
    [
        ("Conv<kernel_shape=[1,1],pads=[1,1,1,1]>", (3, 12, 1, 1), (8, 12), "no padding"),
        ("Conv<kernel_shape=[1,1],strides=[2,2]>", (3, 12, 1, 1), (3, 5), "stride 1"),
        ("Conv<kernel_shape=[3,3]>", (3, 12, 3, 3), (4, 8), "not 1x1"),
        ("Conv<kernel_shape=[1,1],group=3>", (3, 4, 1, 1), (6, 10), "has 3 groups"),
    ],
)
def test_outer_convolution_of_another_kind_is_refused(outer, shape, size, reason):
    constants = random_weights({"f": shape})
    graph = between("m = Identity(h)", {}, constants, size, outer=outer)
    assert reason in reason_of(graph)


def test_inner_map_read_by_another_node_is_refused():
    graph = graph_from_text(
        """agraph (float[5,4] x) => (float[5,3] y, float[5,12] z) {
          ["net.inner/MatMul"] h = MatMul(x, w)
          ["net.outer/MatMul"] y = MatMul(h, f)
          ["net.other/Relu"] z = Relu(h)
        }""",
        random_weights({"w": (4, 12), "f": (12, 3)}),
    )
    reason = reason_of(graph, "net.outer/MatMul")
    assert reason == (
        "MatMul net.inner/MatMul is read more than once, by net.other/Relu, net.outer/MatMul"
    )


def test_inner_map_that_is_an_output_is_refused():
    graph = graph_from_text(
        """agraph (float[5,4] x) => (float[5,3] y, float[5,12] h) {
          h = MatMul(x, w)
          ["net.outer/MatMul"] y = MatMul(h, f)
        }""",
        random_weights({"w": (4, 12), "f": (12, 3)}),
    )
    assert "is also an output of the graph" in reason_of(graph, "net.outer/MatMul")


def test_computed_weight_is_refused():
    graph = graph_from_text(
        """agraph (float[5,4] x, float[12,3] f) => (float[5,3] y) {
          h = MatMul(x, w)
          ["net.outer/MatMul"] y = MatMul(h, f)
        }""",
        random_weights({"w": (4, 12)}),
    )
    reason = reason_of(graph, "net.outer/MatMul")
    assert reason == "MatMul net.outer/MatMul has a computed weight"


def test_low_rank_pair_is_refused_because_it_would_cost_more():
    graph = graph_from_text(
        """agraph (float[5,16] x) => (float[5,16] y) {
          ["a/MatMul"] h = MatMul(x, w)
          ["b/MatMul"] y = MatMul(h, f)
        }""",
        random_weights({"w": (16, 2), "f": (2, 16)}),
    )
    assert reason_of(graph, "b/MatMul") == (
        "merged into a/MatMul it would take 1.28 kMACs, not 320 MACs"
    )
    with pytest.raises(PreconditionError, match="Leave merge_linear out"):
        merge_linear(graph)


def test_graph_without_linear_maps_is_refused():
    graph = graph_from_text("agraph (float[5] x) => (float[5] y) { y = Relu(x) }")
    assert explain_merges(graph) == []
    with pytest.raises(PreconditionError, match="got no linear map"):
        merge_linear(graph)


# ---------------------------------------------------------------- well-known models


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_segformer_b0_merges_in_both_exports(exporter):
    graph = skeleton(f"segformer_b0_{exporter}")
    merged = merge_linear(graph)
    before, after = cost_of(graph), cost_of(merged)
    (finding,) = (f for f in explain_merges(graph) if f.merged)
    assert before.macs - after.macs == finding.macs_before - finding.macs_after
    assert finding.macs_after * 17 < finding.macs_before
    assert difference(graph, merged) < TOLERANCE


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_segformer_b2_takes_the_published_macs(exporter):
    graph = skeleton(f"segformer_b2_{exporter}")
    assert cost_of(graph).macs / 1e9 == pytest.approx(62.338, abs=5e-4)
    assert cost_of(merge_linear(graph)).macs / 1e9 == pytest.approx(23.683, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet50_dynamo", "Conv .* is not 1x1 .*; and 51 more"),
        ("vit_small_torchscript", "Mul .*more than one constant per channel.*; and 95 more"),
    ],
)
def test_models_with_activations_between_all_maps_are_refused(name, reason):
    with pytest.raises(PreconditionError, match=reason):
        merge_linear(skeleton(name))


def test_merged_narrowed_and_skipped_graphs_compose():
    graph = skeleton("segformer_b0_dynamo")
    merged = merge_linear(graph)
    names = {branch.name for branch in find_residual_branches(graph)}
    assert {branch.name for branch in find_residual_branches(merged)} >= names
    skipped = sorted(names)[:2]
    (group,) = (g for g in find_channel_groups(merged) if g.name.endswith("linear_fuse"))
    kept = {"group": group.name, "keep": 96}
    one = skip_residuals(narrow_channels(merged, **kept), branches=skipped)
    other = narrow_channels(skip_residuals(merged, branches=skipped), **kept)
    assert difference(one, other) < TOLERANCE
    assert cost_of(one).macs == cost_of(other).macs < cost_of(merged).macs
