import json
from pathlib import Path

import numpy as np
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import PreconditionError
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.cost import cost_of
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.narrow_channels import (
    channel_importance,
    keep_units,
    map_units,
    narrow_channels,
    narrow_groups,
)
from tests.skeletons import skeleton
from tests.surgery.graphs_linear import (
    HEAD_WIDTH,
    difference,
    graph_from_text,
    head_graph,
    outputs_of,
    perturbed,
    random_weights,
)

TOLERANCE = 1e-5


def with_columns_zeroed(graph, reader, channels, *, axis=1):
    """The full graph, the reader's weight zero for the given input channels."""
    copy = graph.copy()
    value = copy.node(reader).inputs[1]
    array = value.const_value.numpy().copy()
    np.moveaxis(array, axis, 0)[channels] = 0
    value.const_value = onnx_ir.tensor(array, name=value.name)
    return copy


def group_of(graph, name):
    (group,) = (g for g in find_channel_groups(graph) if g.name == name)
    return group


def cut_channels(graph, group, keep):
    """What importance cuts, worked out anew."""
    ranked = np.argsort(-channel_importance(graph, group=group), kind="stable")
    return np.sort(ranked[keep:])


# x -> "p" 12 channels -> what stands between -> "q" 5 channels
# name: (text from h to m, shapes, constants)
BETWEEN = {
    "nothing": ("m = Identity(h)", {}, {}),
    "relu": ("m = Relu(h)", {}, {}),
    "bias": ("m = Add(h, c)", {"c": (12, 1, 1)}, {}),
    "constant_per_position_and_channel": ("m = Mul(c, h)", {"c": (12, 6, 8)}, {}),
    "constant_per_position": ("m = Add(h, c)", {"c": (6, 8)}, {}),
    "batchnorm": (
        "m = BatchNormalization(h, g, b, mean, var)",
        {"g": (12,), "b": (12,), "mean": (12,), "var": (12,)},
        {},
    ),
    "instancenorm": ("m = InstanceNormalization(h, g, b)", {"g": (12,), "b": (12,)}, {}),
    "prelu": ("m = PRelu(h, c)", {"c": (12, 1, 1)}, {}),
    "clip": ("m = Clip(h, low, high)", {}, {"low": np.float32(-1), "high": np.float32(1)}),
    "gelu_of_parts": (
        "d = Div(h, r) e = Erf(d) a = Add(e, one) k = Mul(h, a) m = Mul(k, half)",
        {},
        {"r": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "depthwise": (
        "m = Conv<kernel_shape=[3,3],pads=[1,1,1,1],group=12>(h, dw, db)",
        {"dw": (12, 1, 3, 3), "db": (12,)},
        {},
    ),
    "depthwise_without_bias": (
        "m = Conv<kernel_shape=[3,3],pads=[1,1,1,1],group=12>(h, dw)",
        {"dw": (12, 1, 3, 3)},
        {},
    ),
    "resize": (
        'k = Resize<mode="linear">(h, , , up) m = MaxPool<kernel_shape=[2,2],strides=[2,2]>(k)',
        {},
        {"up": np.array([1, 12, 12, 16])},
    ),
    "layout": (
        "k = Reshape(h, flat) t = Transpose<perm=[0,2,1]>(k) a = Add(t, c) s = Tanh(a)"
        "u = Transpose<perm=[0,2,1]>(s) m = Reshape(u, image)",
        {"c": (12,)},
        {"flat": np.array([1, 12, 48]), "image": np.array([1, 12, 6, 8])},
    ),
    "softmax_over_positions": ("m = Softmax<axis=3>(h)", {}, {}),
    "concat_of_positions": (
        "k = Relu(h) j = Concat<axis=2>(h, k, c) m = Slice(j, low, high, two)",
        {"c": (1, 12, 2, 8)},
        {"low": np.array([8]), "high": np.array([14]), "two": np.array([2])},
    ),
    "gate_over_all_channels": ("k = Sigmoid(x1) m = Mul(h, k)", {}, {}),
    "squeeze_and_excite": (
        "g = GlobalAveragePool(h) a = Conv<kernel_shape=[1,1]>(g, w1) r = Relu(a)"
        '["n.q2/Conv"] e = Conv<kernel_shape=[1,1]>(r, w2, b2) s = Sigmoid(e) m = Mul(h, s)',
        {"w1": (3, 12, 1, 1), "w2": (12, 3, 1, 1), "b2": (12,)},
        {},
    ),
    "residual": (
        '["n.k/Conv"] k = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(h, kw, kb) m = Add(k, h)',
        {"kw": (12, 12, 3, 3), "kb": (12,)},
        {},
    ),
}


def between(text, shapes, constants):
    """x -> 3x3 convolution "n.p" -> the operators in `text` -> 1x1 convolution "n.q" -> y."""
    weights = random_weights({"wp": (12, 4, 3, 3), "bp": (12,), "wq": (5, 12, 1, 1), "bq": (5,)})
    return graph_from_text(
        f"""agraph (float[1,4,6,8] x, float[1,1,6,8] x1) => (float[1,5,6,8] y) {{
          ["n.p/Conv"] h = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(x, wp, bp)
          {text}
          ["n.q/Conv"] y = Conv<kernel_shape=[1,1]>(m, wq, bq)
        }}""",
        weights | random_weights(shapes, seed=1) | constants,
    )


def reference(graph, group, kept):
    """The full graph with what reads the cut channels set to zero, for every reader."""
    cut = np.setdiff1d(np.arange(group.channels), kept)
    for reader in group.readers:
        graph = with_columns_zeroed(graph, reader, cut)
    return graph


# ---------------------------------------------------------------- cutting


@pytest.mark.parametrize("name", BETWEEN)
def test_narrowed_graph_equals_the_full_one_with_columns_zeroed(name):
    graph = between(*BETWEEN[name])
    (group,) = (g for g in find_channel_groups(graph) if "n.p/Conv" in g.producers)
    narrowed = narrow_channels(graph, group=group.name, keep=7, order="prefix")
    assert difference(reference(graph, group, np.arange(7)), narrowed) < TOLERANCE
    assert cost_of(narrowed).macs < cost_of(graph).macs
    assert group_of(narrowed, group.name).channels == 7


@pytest.mark.parametrize("name", ["relu", "depthwise", "squeeze_and_excite"])
def test_perturbed_weight_shows_in_the_comparison(name):
    graph = between(*BETWEEN[name])
    (group,) = (g for g in find_channel_groups(graph) if "n.p/Conv" in g.producers)
    narrowed = narrow_channels(graph, group=group.name, keep=7, order="prefix")
    wrong = perturbed(narrowed, "n.q/Conv")
    assert difference(reference(graph, group, np.arange(7)), wrong) > TOLERANCE


@given(keep=st.integers(1, HEAD_WIDTH), seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_head_narrows_to_any_width(keep, seed):
    graph = head_graph(seed=seed)
    narrowed = narrow_channels(graph, group="head.fuse", keep=keep)
    cut = cut_channels(graph, "head.fuse", keep)
    full = with_columns_zeroed(graph, "/head/classifier/Conv", cut)
    assert difference(full, narrowed, seed=seed) < TOLERANCE


def test_cutting_other_channels_shows_in_the_comparison():
    graph = head_graph()
    narrowed = narrow_channels(graph, group="head.fuse", keep=6)
    wrong = np.sort(np.roll(cut_channels(graph, "head.fuse", 6), 1) + 1) % HEAD_WIDTH
    assert sorted(wrong) != sorted(cut_channels(graph, "head.fuse", 6))
    full = with_columns_zeroed(graph, "/head/classifier/Conv", wrong)
    assert difference(full, narrowed) > TOLERANCE


def test_matmul_and_gemm_are_cut():
    graph = graph_from_text(
        """agraph (float[5,6] x) => (float[5,4] y) {
          ["a/MatMul"] h = MatMul(x, w)
          p = Add(h, b)
          q = Relu(p)
          ["b/Gemm"] r = Gemm<transB=1, alpha=0.5>(q, v, c)
          s = Relu(r)
          ["c/Gemm"] y = Gemm(s, u)
        }""",
        random_weights({"w": (6, 9), "b": (9,), "v": (8, 9), "c": (8,), "u": (8, 4)}),
    )
    first = narrow_channels(graph, group="a", keep=5, order="prefix")
    assert difference(with_columns_zeroed(graph, "b/Gemm", slice(5, 9)), first) < TOLERANCE
    second = narrow_channels(graph, group="b", keep=3, order="prefix")
    full = with_columns_zeroed(graph, "c/Gemm", slice(3, 8), axis=0)
    assert difference(full, second) < TOLERANCE


def test_matmul_with_the_weight_on_the_left_is_cut():
    graph = graph_from_text(
        """agraph (float[1,6,9] x) => (float[1,3,9] y) {
          ["a/MatMul"] h = MatMul(w, x)
          p = Relu(h)
          ["b/MatMul"] y = MatMul(f, p)
        }""",
        random_weights({"w": (8, 6), "f": (3, 8)}),
    )
    narrowed = narrow_channels(graph, group="a", keep=2, order="prefix")
    copy = graph.copy()
    value = copy.node("b/MatMul").inputs[0]
    array = value.const_value.numpy().copy()
    array[:, 2:] = 0
    value.const_value = onnx_ir.tensor(array, name=value.name)
    assert difference(copy, narrowed) < TOLERANCE


def test_all_channels_kept_is_the_same_graph_bit_for_bit():
    graph = head_graph()
    same = narrow_channels(graph, group="head.fuse", keep=HEAD_WIDTH)
    assert same is not graph
    assert [node.name for node in same.nodes] == [node.name for node in graph.nodes]
    for one, other in zip(outputs_of(graph), outputs_of(same), strict=True):
        assert np.array_equal(one, other)


def test_the_argument_stays_unchanged():
    graph = between(*BETWEEN["depthwise"])
    before = outputs_of(graph)
    narrow_channels(graph, group="n.p", keep=3)
    assert [v.shape[0] for v in graph.node("n.p/Conv").inputs[1:]] == [12, 12]
    assert np.array_equal(before[0], outputs_of(graph)[0])


def test_constants_shared_with_other_nodes_stay_whole_for_them():
    graph = graph_from_text(
        """agraph (float[1,4,6,8] x, float[1,12,6,8] z)
            => (float[1,5,6,8] y, float[1,12,6,8] k) {
          ["n.p/Conv"] h = Conv<kernel_shape=[1,1]>(x, w)
          m = Add(h, c)
          k = Add(z, c)
          ["n.q/Conv"] y = Conv<kernel_shape=[1,1]>(m, f)
        }""",
        random_weights({"w": (12, 4, 1, 1), "f": (5, 12, 1, 1), "c": (12, 1, 1)}),
    )
    narrowed = narrow_channels(graph, group="n.p", keep=7, order="prefix")
    full = with_columns_zeroed(graph, "n.q/Conv", slice(7, 12))
    assert difference(full, narrowed) < TOLERANCE


def test_importance_is_the_product_of_the_norms():
    graph = between(*BETWEEN["relu"])
    p = graph.node("n.p/Conv").inputs[1].const_value.numpy().astype(np.float64)
    q = graph.node("n.q/Conv").inputs[1].const_value.numpy().astype(np.float64)
    expected = np.linalg.norm(p.reshape(12, -1), axis=1) * np.linalg.norm(q[:, :, 0, 0], axis=0)
    assert channel_importance(graph, group="n.p") == pytest.approx(expected, rel=1e-12)


def test_importance_keeps_the_heaviest_channels_in_their_order():
    graph = between(*BETWEEN["nothing"])
    narrowed = narrow_channels(graph, group="n.p", keep=4)
    kept = np.sort(np.argsort(-channel_importance(graph, group="n.p"))[:4])
    full = graph.node("n.p/Conv").inputs[1].const_value.numpy()
    assert np.array_equal(narrowed.node("n.p/Conv").inputs[1].const_value.numpy(), full[kept])


# ---------------------------------------------------------------- finding


def test_groups_are_found_and_named_by_scope():
    graph = between(*BETWEEN["squeeze_and_excite"])
    groups = {group.name: group for group in find_channel_groups(graph)}
    assert groups["n"].producers == ("n.p/Conv", "n.q2/Conv")
    assert set(groups["n"].readers) == {"n.q/Conv", "Conv"}
    assert groups["n"].blocked == ""
    assert groups["n.q"].blocked == "the graph's output y carries these channels"


def test_groups_that_share_a_scope_are_numbered():
    graph = graph_from_text(
        """agraph (float[5,4] x) => (float[5,2] y) {
          ["m/MatMul"] a = MatMul(x, p)
          b = Relu(a)
          ["m/MatMul_1"] c = MatMul(b, q)
          d = Relu(c)
          ["m/MatMul_2"] y = MatMul(d, r)
        }""",
        random_weights({"p": (4, 6), "q": (6, 7), "r": (7, 2)}),
    )
    found = [(group.name, group.channels) for group in find_channel_groups(graph)]
    assert found == [("m", 6), ("m_1", 7), ("m_2", 2)]


def test_merged_head_is_one_group_of_the_same_name():
    graph = head_graph()
    merged = merge_linear(graph)
    assert group_of(graph, "head.fuse").producers == ("/head/fuse/Conv",)
    group = group_of(merged, "head.fuse")
    assert group.producers == tuple(f"head.fuse/proj.{i}.Conv" for i in (2, 1, 0))
    assert group.readers == ("/head/classifier/Conv",)
    assert group.channels == HEAD_WIDTH


def test_narrowing_before_or_after_merging_is_the_same():
    graph = head_graph()
    kept = {"group": "head.fuse", "keep": 6, "order": "prefix"}
    one = narrow_channels(merge_linear(graph), **kept)
    other = merge_linear(narrow_channels(graph, **kept))
    assert difference(one, other) < TOLERANCE
    assert cost_of(one).macs == cost_of(other).macs


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "shapes", "constants", "reason"),
    [
        (
            "k = Reshape(h, mixed) r = Relu(k) m = Reshape(r, whole)",
            {},
            {"mixed": np.array([1, 8, 3, 24]), "whole": np.array([1, 12, 6, 8])},
            "Reshape Reshape does not keep the channel axis whole",
        ),
        ("m = Softmax<axis=1>(h)", {}, {}, "normalises over these channels"),
        (
            "k = ReduceSum(h, one) m = Mul(h, k)",
            {},
            {"one": np.array([1])},
            "ReduceSum ReduceSum sums these channels",
        ),
        (
            "k = Gather<axis=1>(h, third) m = Mul(h, k)",
            {},
            {"third": np.array([[2]])},
            "Gather Gather picks single channels",
        ),
        (
            "k = Concat<axis=1>(h, x) i = Reshape(k, groups) n = Relu(i) o = Reshape(n, whole)"
            "m = Slice(o, low, high, one)",
            {},
            {
                "groups": np.array([1, 2, 8, 48]),
                "whole": np.array([1, 16, 6, 8]),
                "low": np.array([0]),
                "high": np.array([12]),
                "one": np.array([1]),
            },
            "Reshape Reshape keeps these channels together with others",
        ),
        (
            "g = GlobalAveragePool(z) k = Conv<kernel_shape=[1,1]>(h, g) m = Add(h, k)",
            {},
            {},
            "has a computed weight",
        ),
        ("m = Add(h, z)", {}, {}, "the graph's input z carries these channels"),
        (
            "k = Transpose<perm=[0,2,1,3]>(h) m = Conv<kernel_shape=[1,1]>(k, r)",
            {"r": (12, 6, 1, 1)},
            {},
            "Conv Conv mixes along another axis",
        ),
        (
            "f = Reshape(h, flat) t = Transpose<perm=[0,2,1]>(f) g = MatMul(f, t)"
            "k = MatMul(g, f) m = Reshape(k, whole)",
            {},
            {"flat": np.array([1, 12, 48]), "whole": np.array([1, 12, 6, 8])},
            "carries the channels along two axes",
        ),
        (
            "k = Transpose<perm=[0,2,1,3]>(h) c = Slice(k, low, high, one)"
            "t = Transpose<perm=[0,2,1,3]>(c) m = LpNormalization<axis=1>(h)",
            {},
            {"low": np.array([0]), "high": np.array([2]), "one": np.array([1])},
            "LpNormalization LpNormalization does not treat each channel alone",
        ),
    ],
)
def test_group_that_cannot_be_cut_is_refused(text, shapes, constants, reason):
    weights = random_weights({"wp": (12, 4, 1, 1), "wq": (5, 12, 1, 1)})
    graph = graph_from_text(
        f"""agraph (float[1,4,6,8] x, float[1,12,6,8] z) => (float[1,5,6,8] y) {{
          ["n.p/Conv"] h = Conv<kernel_shape=[1,1]>(x, wp)
          {text}
          ["n.q/Conv"] y = Conv<kernel_shape=[1,1]>(m, wq)
        }}""",
        weights | random_weights(shapes, seed=1) | constants,
    )
    (group,) = (g for g in find_channel_groups(graph) if "n.p/Conv" in g.producers)
    with pytest.raises(PreconditionError, match=reason):
        narrow_channels(graph, group=group.name, keep=6)


def test_group_that_nothing_reads_is_refused():
    graph = graph_from_text(
        "agraph (float[5,4] x) => (float[5] y) { h = MatMul(x, w) y = ArgMax<axis=1>(h) }",
        random_weights({"w": (4, 6)}),
    )
    with pytest.raises(PreconditionError, match="ArgMax ArgMax is not an operator"):
        narrow_channels(graph, group="MatMul", keep=3)


@pytest.mark.parametrize("keep", [0, -1, HEAD_WIDTH + 1])
def test_width_out_of_range_is_refused(keep):
    with pytest.raises(PreconditionError, match=f"expected 1 to {HEAD_WIDTH} channels kept"):
        narrow_channels(head_graph(), group="head.fuse", keep=keep)


def test_unknown_group_is_refused_and_near_ones_named():
    with pytest.raises(PreconditionError, match=r"of the 5 groups .*, such as head\.fuse"):
        narrow_channels(head_graph(), group="head.fused", keep=3)


def test_unknown_order_is_misuse():
    with pytest.raises(ValueError, match="'importance' or 'prefix'"):
        narrow_channels(head_graph(), group="head.fuse", keep=3, order="random")


# ---------------------------------------------------------------- units, alignment, rankings


def heads_graph():
    """Twelve channels in three heads of four."""
    return between(
        "k = Reshape(h, heads) r = Softmax<axis=-1>(k) m = Reshape(r, whole)",
        {},
        {"heads": np.array([1, 3, 4, 48]), "whole": np.array([1, 12, 6, 8])},
    )


def test_keep_counts_units():
    narrowed = narrow_channels(heads_graph(), group="n.p", keep=2)
    assert group_of(narrowed, "n.p").channels == 8
    with pytest.raises(PreconditionError, match="1 to 3 units of 4 channels kept, got 4"):
        narrow_channels(heads_graph(), group="n.p", keep=4)


def test_importance_is_by_unit():
    graph = heads_graph()
    p = graph.node("n.p/Conv").inputs[1].const_value.numpy().astype(np.float64)
    q = graph.node("n.q/Conv").inputs[1].const_value.numpy().astype(np.float64)
    rows = np.linalg.norm(p.reshape(3, -1), axis=1)
    columns = np.linalg.norm(q[:, :, 0, 0].T.reshape(3, -1), axis=1)
    assert channel_importance(graph, group="n.p") == pytest.approx(rows * columns, rel=1e-12)


@pytest.mark.parametrize(
    ("keep", "align", "channels"),
    [
        (5, 1, 5),
        (5, 8, 8),
        (8, 8, 8),
        (9, 8, 12),
        (3, 5, 5),
        (11, 5, 12),
        (1, 100, 12),
        (12, 8, 12),
    ],
)
def test_channels_kept_are_rounded_up_to_a_multiple(keep, align, channels):
    graph = between(*BETWEEN["relu"])
    narrowed = narrow_channels(graph, group="n.p", keep=keep, align=align)
    assert group_of(narrowed, "n.p").channels == channels


@pytest.mark.parametrize(("keep", "align", "channels"), [(1, 8, 8), (1, 4, 4), (1, 3, 12)])
def test_whole_units_are_rounded_up(keep, align, channels):
    narrowed = narrow_channels(heads_graph(), group="n.p", keep=keep, align=align)
    assert group_of(narrowed, "n.p").channels == channels


def test_alignment_keeps_the_next_most_important():
    graph = between(*BETWEEN["relu"])
    aligned = narrow_channels(graph, group="n.p", keep=5, align=8)
    assert difference(narrow_channels(graph, group="n.p", keep=8), aligned) == 0


def test_alignment_below_one_is_misuse():
    with pytest.raises(ValueError, match="align is 1 or more, not 0"):
        narrow_channels(heads_graph(), group="n.p", keep=1, align=0)


def ranking_file(folder, groups):
    path = folder / "ranking.json"
    path.write_text(json.dumps({"groups": groups}), encoding="utf-8")
    return path


def test_ranking_from_a_file_says_what_stays(tmp_path):
    graph = between(*BETWEEN["relu"])
    ranked = [7, 2, 11, 0, 5, 1, 3, 4, 6, 8, 9, 10]
    path = ranking_file(tmp_path, {"n.p": ranked, "other": [0]})
    narrowed = narrow_channels(graph, group="n.p", keep=4, ranking=path)
    kept = keep_units(graph, group="n.p", kept=[0, 2, 7, 11])
    assert difference(kept, narrowed) == 0
    assert (
        difference(reference(graph, group_of(graph, "n.p"), [0, 2, 7, 11]), narrowed) < TOLERANCE
    )


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({}, "at groups.n.p: expected the units 0 to 2, each once, got nothing"),
        ({"n.p": [0, 1]}, "got 2 numbers that are not these"),
        ({"n.p": [0, 1, 1]}, "got 3 numbers that are not these"),
        ({"n.p": [1, 2, 3]}, "got 3 numbers that are not these"),
        ({"n.p": [0, 1, 2, 3]}, "got 4 numbers that are not these"),
        ({"n.p": [0, 1, "2"]}, "expected int"),
    ],
)
def test_ranking_that_does_not_fit_is_refused_in_one_line(tmp_path, groups, words):
    path = ranking_file(tmp_path, groups)
    with pytest.raises(PreconditionError) as caught:
        narrow_channels(heads_graph(), group="n.p", keep=2, ranking=path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_ranking_is_refused_in_one_line(tmp_path):
    with pytest.raises(PreconditionError, match="no such file or directory"):
        narrow_channels(heads_graph(), group="n.p", keep=2, ranking=tmp_path / "none.json")


def test_ranking_that_is_no_mapping_of_groups_is_refused(tmp_path):
    path = tmp_path / "ranking.json"
    for text in ("[1, 2]", "{", '{"groups": [0, 1, 2]}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(PreconditionError, match="read "):
            narrow_channels(heads_graph(), group="n.p", keep=2, ranking=path)


def test_all_units_named_keep_the_graph():
    graph = heads_graph()
    same = keep_units(graph, group="n.p", kept=[0, 1, 2])
    assert same is not graph
    assert difference(graph, same) == 0


@pytest.mark.parametrize("kept", [[], [1, 0], [0, 0], [-1, 2], [0, 3], list(range(20))])
def test_units_that_do_not_fit_are_refused(kept):
    with pytest.raises(PreconditionError, match="units among 0 to 2 in rising order") as caught:
        keep_units(heads_graph(), group="n.p", kept=kept)
    assert "\n" not in str(caught.value)


def test_units_of_maps_say_where_each_unit_lies():
    units = map_units(heads_graph(), group="n.p")
    assert {name: u.tolist() for name, u in units.producers.items()} == {
        "n.p/Conv": [0] * 4 + [1] * 4 + [2] * 4
    }
    assert list(units.readers) == ["n.q/Conv"]
    joined = between(
        "j = Concat<axis=1>(x, h) r = Relu(j) m = Slice(r, low, high, one)",
        {},
        {"low": np.array([2]), "high": np.array([14]), "one": np.array([1])},
    )
    assert map_units(joined, group="n.p").readers["n.q/Conv"].tolist() == [-1, -1, *range(10)]


# ---------------------------------------------------------------- well-known models


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_segformer_fused_width_is_a_group_before_and_after_merging(exporter):
    graph = skeleton(f"segformer_b2_{exporter}")
    merged = merge_linear(graph)
    (before,) = (g for g in find_channel_groups(graph) if g.name.endswith("linear_fuse"))
    (after,) = (g for g in find_channel_groups(merged) if g.name.endswith("linear_fuse"))
    assert before.name == after.name
    assert (before.channels, before.blocked) == (after.channels, after.blocked) == (768, "")
    assert (len(before.producers), len(after.producers)) == (1, 4)
    narrowed = narrow_channels(merged, group=after.name, keep=512)
    assert cost_of(narrowed).macs / 1e9 == pytest.approx(22.534, abs=5e-4)


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_segformer_narrows_feed_forward_through_its_depthwise_convolution(exporter):
    graph = skeleton(f"segformer_b0_{exporter}")
    groups = [g for g in find_channel_groups(graph) if g.name.endswith(("fc1", "dense1"))]
    assert len(groups) == 8
    group = groups[0]
    narrowed = narrow_channels(graph, group=group.name, keep=group.channels // 2)
    cut = cut_channels(graph, group.name, group.channels // 2)
    full = with_columns_zeroed(graph, group.readers[0], cut, axis=0)
    assert difference(full, narrowed) < TOLERANCE


def test_resnet_residual_stream_is_one_group():
    graph = skeleton("resnet50_torchscript")
    widths = {g.channels: g for g in find_channel_groups(graph) if len(g.producers) > 1}
    assert sorted(widths) == [256, 512, 1024, 2048]
    assert len(widths[1024].producers) == 7
    narrowed = narrow_channels(graph, group=widths[256].name, keep=200)
    full = reference(graph, widths[256], kept_of(graph, widths[256], 200))
    assert difference(full, narrowed) < TOLERANCE


def kept_of(graph, group, keep):
    cut = cut_channels(graph, group.name, keep)
    return np.setdiff1d(np.arange(group.channels), cut)


def test_group_read_by_control_flow_is_refused():
    graph = graph_from_text(
        """agraph (float[5,4] x, bool c) => (float[5,3] y) {
          ["n.p/MatMul"] h = MatMul(x, w)
          ["n.if/If"] i = If (c) <
            then_branch = g1 () => (float[5,6] a) { a = Relu(h) },
            else_branch = g2 () => (float[5,6] b) { b = Neg(h) }
          >
          ["n.q/MatMul"] y = MatMul(i, v)
        }""",
        random_weights({"w": (4, 6), "v": (6, 3)}),
    )
    with pytest.raises(PreconditionError, match="in a graph of its own"):
        narrow_channels(graph, group="n.p", keep=3)
    with pytest.raises(PreconditionError, match=r"If n\.if/If does not commute"):
        merge_linear(graph)


# ---------------------------------------------------------------- several groups at once


@pytest.mark.parametrize(
    "widths",
    [
        {"stage1.block1.ffn.fc1": 40, "stage1.block2.ffn.fc1": 64, "decode.fuse": 96},
        {"stage1": 16, "stage1.block1.ffn.fc1": 32, "stage1.block1.attention.sr": 8},
        {"stage3.block1.attention": 3, "stage3": 80, "stage3.block1.ffn.fc1": 320},
    ],
)
def test_several_groups_at_once_are_what_they_are_one_by_one(bundled_family: Path, widths):
    graph = merge_linear(load_graph(bundled_family / "base.onnx"))
    at_once = narrow_groups(graph, widths=widths, order="prefix")
    one_by_one = graph
    for group, keep in widths.items():
        one_by_one = narrow_channels(one_by_one, group=group, keep=keep, order="prefix")
    assert cost_of(at_once) == cost_of(one_by_one)
    assert [node.name for node in at_once.nodes] == [node.name for node in one_by_one.nodes]
    for mine, other in zip(at_once.nodes, one_by_one.nodes, strict=True):
        for value, twin in zip(mine.inputs, other.inputs, strict=True):
            if value is not None and value.const_value is not None:
                np.testing.assert_array_equal(
                    value.const_value.numpy(), twin.const_value.numpy(), err_msg=mine.name
                )
    assert cost_of(at_once).macs < cost_of(graph).macs


def test_of_several_groups_the_one_that_does_not_fit_is_named(bundled_family: Path):
    graph = merge_linear(load_graph(bundled_family / "base.onnx"))
    with pytest.raises(PreconditionError, match="narrow stage2 to 65"):
        narrow_groups(graph, widths={"stage1": 16, "stage2": 65})
    with pytest.raises(PreconditionError, match="no such group"):
        narrow_groups(graph, widths={"stage9": 16})


def test_all_units_of_all_groups_are_the_graph_itself(bundled_family: Path):
    graph = merge_linear(load_graph(bundled_family / "base.onnx"))
    assert cost_of(narrow_groups(graph, widths={"stage1": 32})) == cost_of(graph)
