"""Groups as they are found: attention heads, residual streams, whole models."""

import time

import numpy as np
import pytest

from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.channel_walk import Members
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import constant_array
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.narrow_channels import keep_units, narrow_channels
from tests.skeletons import NAMES, skeleton
from tests.surgery.graphs_channels import (
    group_with,
    in_units_of,
    ints,
    reference,
    rows_of,
    set_constant,
)
from tests.surgery.graphs_linear import difference, graph_from_text, outputs_of, random_weights

TOLERANCE = 1e-5
WIDTH, HEADS, TOKENS = 12, 3, 7


def by_name(graph):
    return {group.name: group for group in find_channel_groups(graph)}


# ---------------------------------------------------------------- attention

SEPARATE = """
  ["a.q/MatMul"] q0 = MatMul(x, wq) q1 = Add(q0, bq) q2 = Reshape(q1, parted)
  q = Transpose<perm=[0,2,1,3]>(q2)
  ["a.k/MatMul"] k0 = MatMul(x, wk) k1 = Add(k0, bk) k2 = Reshape(k1, parted)
  k = Transpose<perm=[0,2,3,1]>(k2)
  ["a.v/MatMul"] v0 = MatMul(x, wv) v1 = Add(v0, bv) v2 = Reshape(v1, parted)
  v = Transpose<perm=[0,2,1,3]>(v2)"""
FUSED_WITH_GATHER = """
  ["a.qkv/MatMul"] h0 = MatMul(x, w) h1 = Add(h0, b) h2 = Reshape(h1, three)
  h3 = Transpose<perm=[2,0,3,1,4]>(h2)
  q = Gather<axis=0>(h3, n0) k0 = Gather<axis=0>(h3, n1) v = Gather<axis=0>(h3, n2)
  k = Transpose<perm=[0,1,3,2]>(k0)"""
FUSED_WITH_SPLIT = """
  ["a.qkv/MatMul"] h0 = MatMul(x, w) h1 = Add(h0, b) h2 = Reshape(h1, three)
  h3 = Transpose<perm=[2,0,3,1,4]>(h2) q0, k0, v0 = Split<axis=0, num_outputs=3>(h3)
  q = Squeeze(q0, n00) k1 = Squeeze(k0, n00) v = Squeeze(v0, n00)
  k = Transpose<perm=[0,1,3,2]>(k1)"""
FUSED_WITH_SLICES = """
  ["a.qkv/MatMul"] h0 = MatMul(x, w) h1 = Add(h0, b)
  q0 = Slice(h1, s0, s1, s4) k0 = Slice(h1, s1, s2, s4) v0 = Slice(h1, s2, s3, s4)
  q1 = Reshape(q0, parted) k1 = Reshape(k0, parted) v1 = Reshape(v0, parted)
  q = Transpose<perm=[0,2,1,3]>(q1) k = Transpose<perm=[0,2,3,1]>(k1)
  v = Transpose<perm=[0,2,1,3]>(v1)"""
HEADS_IN_THE_BATCH = """
  ["a.q/MatMul"] q0 = MatMul(x, wq) q1 = Add(q0, bq) q2 = Reshape(q1, flat)
  q = Transpose<perm=[1,0,2]>(q2)
  ["a.k/MatMul"] k0 = MatMul(x, wk) k1 = Add(k0, bk) k2 = Reshape(k1, flat)
  k = Transpose<perm=[1,2,0]>(k2)
  ["a.v/MatMul"] v0 = MatMul(x, wv) v1 = Add(v0, bv) v2 = Reshape(v1, flat)
  v = Transpose<perm=[1,0,2]>(v2)"""
THIRDS = tuple(head for _ in range(3) for head in in_units_of(4))  # q, k, v, by head


def attention(text, *, heads=HEADS, back="m0 = Transpose<perm=[0,2,1,3]>(o)", width=WIDTH):
    """Attention over 7 tokens of 5 features, `text` making q, k and v of x."""
    shapes = {f"w{n}": (5, width) for n in "qkv"} | {f"b{n}": (width,) for n in "qkv"}
    shapes |= {"w": (5, 3 * width), "b": (3 * width,), "wp": (width, 5), "c": (heads, 7, 7)}
    weights = {"scale": np.float32(0.5), "n0": np.array(0), "n1": np.array(1)}
    weights |= {"n2": np.array(2), "n00": ints(0), "s0": ints(0), "s1": ints(width)}
    weights |= {"s2": ints(2 * width), "s3": ints(3 * width), "s4": ints(2)}
    weights |= {"parted": ints(1, TOKENS, heads, -1), "flat": ints(TOKENS, heads, -1)}
    weights |= {"three": ints(1, TOKENS, 3, heads, -1), "whole": ints(1, TOKENS, width)}
    body = f"""{text}
      s0x = MatMul(q, k) s1x = Mul(s0x, scale) s2x = Add(s1x, c) s = Softmax<axis=-1>(s2x)
      o = MatMul(s, v) {back} m = Reshape(m0, whole)
      ["a.proj/MatMul"] y = MatMul(m, wp)"""
    weights = {
        n: a
        for n, a in (weights | random_weights(shapes)).items()
        if f"{n})" in body or f"{n}," in body
    }
    return graph_from_text(
        f"agraph (float[1,{TOKENS},5] x) => (float[1,{TOKENS},5] y) {{ {body} }}", weights
    )


KINDS = {
    "separate": (SEPARATE, {}, "a", in_units_of(4), 1),
    "fused_with_gather": (FUSED_WITH_GATHER, {}, "a.qkv", THIRDS, 3),
    "fused_with_split": (FUSED_WITH_SPLIT, {}, "a.qkv", THIRDS, 3),
    "fused_with_slices": (FUSED_WITH_SLICES, {}, "a.qkv", THIRDS, 3),
    "heads_in_the_batch": (
        HEADS_IN_THE_BATCH,
        {"back": "m0 = Transpose<perm=[1,0,2]>(o)"},
        "a",
        in_units_of(4),
        1,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [[0], [1], [0, 2], [1, 2]])
def test_heads_are_units_of_queries_keys_values_and_the_output(kind, kept):
    text, options, name, owner, parts = KINDS[kind]
    graph = attention(text, **options)
    group = by_name(graph)[name]
    assert (group.blocked, group.channels, group.unit) == ("", 12 * parts, 4 * parts)
    assert (group.units, group.readers, group.contractions) == (3, ("a.proj/MatMul",), ())
    narrowed = keep_units(graph, group=name, kept=kept)
    cut = np.setdiff1d(np.arange(3), kept)
    if kind != "separate" and parts == 1:
        owner = in_units_of(4)
    full = reference(graph, group, rows_of(owner, cut))
    assert difference(full, narrowed) < TOLERANCE
    wrong = reference(graph, group, rows_of(owner, kept))
    assert difference(wrong, narrowed) > 100 * TOLERANCE
    share = cost_of(narrowed).macs / cost_of(graph).macs
    assert share == pytest.approx(len(kept) / 3)


def test_widths_within_a_single_head_are_cut_apart():
    """Queries and keys share what is contracted; values share the output's columns."""
    graph = attention(SEPARATE, heads=1)
    groups = by_name(graph)
    inner, values = groups["a"], groups["a.v"]
    assert (inner.producers, inner.readers, inner.unit) == (("a.q/MatMul", "a.k/MatMul"), (), 1)
    assert (inner.contractions, inner.blocked) == (("MatMul",), "")
    assert (values.producers, values.readers) == (("a.v/MatMul",), ("a.proj/MatMul",))
    kept, cut = [0, 3, 4, 9], np.setdiff1d(np.arange(12), [0, 3, 4, 9])
    full = graph.copy()
    for node in ("a.q/MatMul", "a.k/MatMul"):
        array = constant_array(full.node(node).inputs[1]).copy()
        array[:, cut] = 0
        set_constant(full, full.node(node), 1, array)
        bias = full.node(node).outputs[0].uses()[0][0]
        index = [constant_array(value) is not None for value in bias.inputs].index(True)
        array = constant_array(bias.inputs[index]).copy()
        array[cut] = 0
        set_constant(full, bias, index, array)
    narrowed = keep_units(graph, group="a", kept=kept)
    assert difference(full, narrowed) < TOLERANCE
    assert difference(graph, narrowed) > 100 * TOLERANCE
    narrowed = keep_units(graph, group="a.v", kept=kept)
    assert difference(reference(graph, values, cut), narrowed) < TOLERANCE


def test_attention_is_cut_more_than_once():
    graph = attention(FUSED_WITH_GATHER)
    once = keep_units(graph, group="a.qkv", kept=[0, 2])
    twice = keep_units(once, group="a.qkv", kept=[1])
    assert difference(keep_units(graph, group="a.qkv", kept=[2]), twice) == 0


# ---------------------------------------------------------------- residual streams

LAYER_NORM = "n = LayerNormalization<axis=-1, epsilon=0.00001>(s, g, b)"
IN_PARTS = (
    "u = ReduceMean<axes=[-1]>(s) d = Sub(s, u) e = Pow(d, two) f = ReduceMean<axes=[-1]>(e)"
    " i = Add(f, eps) j = Sqrt(i) k = Div(d, j) l = Mul(k, g) n = Add(l, b)"
)
STREAM_SHAPES = {
    "embed.weight": (4, 8), "pos": (1, 5, 8), "g": (8,), "b": (8,), "fc1.weight": (8, 6),
    "fc2.weight": (6, 8), "head.weight": (8, 3),
}  # fmt: skip


def stream(norm, opset):
    """Embedding -> + positions -> norm -> feed-forward -> + -> head."""
    weights = random_weights(STREAM_SHAPES)
    if "Pow" in norm:
        weights |= {"two": np.float32(2), "eps": np.float32(1e-5)}
    return graph_from_text(
        f"""agraph (float[1,5,4] x) => (float[1,5,3] y) {{
          ["embed/MatMul"] t = MatMul(x, "embed.weight")
          s = Add(t, pos)
          {norm}
          ["fc1/MatMul"] h = MatMul(n, "fc1.weight")
          r = Relu(h)
          ["fc2/MatMul"] o = MatMul(r, "fc2.weight")
          z = Add(o, s)
          ["head/MatMul"] y = MatMul(z, "head.weight")
        }}""",
        weights,
        opset=opset,
    )


def stream_in_numpy(x, kept):
    """The same with `kept` channels of the stream, statistics over these alone."""
    w = {name: array.astype(np.float64) for name, array in random_weights(STREAM_SHAPES).items()}
    s = x @ w["embed.weight"][:, kept] + w["pos"][..., kept]
    centred = s - s.mean(-1, keepdims=True)
    n = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    n = n * w["g"][kept] + w["b"][kept]
    z = np.maximum(n @ w["fc1.weight"][kept], 0) @ w["fc2.weight"][:, kept] + s
    return z @ w["head.weight"][kept]


@pytest.mark.parametrize(("norm", "opset"), [(LAYER_NORM, 18), (IN_PARTS, 13)])
@pytest.mark.parametrize("kept", [[0, 5], [1, 2, 6], list(range(8))])
def test_residual_stream_is_normalised_over_what_stays(norm, opset, kept):
    graph = stream(norm, opset)
    group = by_name(graph)["embed"]
    assert (group.channels, group.unit, group.blocked) == (8, 1, "")
    assert group.producers == ("embed/MatMul", "fc2/MatMul")
    assert group.readers == ("fc1/MatMul", "head/MatMul")
    expected_norms = ("LayerNormalization",) if opset == 18 else ("ReduceMean", "ReduceMean_1")
    assert group.normalised_by == expected_norms
    narrowed = keep_units(graph, group="embed", kept=kept)
    x = np.random.default_rng(0).standard_normal((1, 5, 4)).astype(np.float32)
    (ours,) = outputs_of(narrowed)  # draws the same x
    expected = stream_in_numpy(x.astype(np.float64), kept)
    assert np.abs(ours - expected).max() < TOLERANCE * np.abs(expected).max()
    other = stream_in_numpy(x.astype(np.float64), [(c + 1) % 8 for c in kept][::-1])
    if len(kept) < 8:
        assert np.abs(ours - other).max() > 100 * TOLERANCE * np.abs(expected).max()


def test_normalisation_over_all_channels_as_one_group_is_over_what_stays():
    """GroupNorm with one group, as exporters write it: instances of one long channel."""
    graph = graph_from_text(
        """agraph (float[1,3,4,4] x) => (float[1,2,4,4] y) {
          ["a/Conv"] a = Conv(x, wa)
          r = Reshape(a, long) i = InstanceNormalization(r, one, zero) n = Reshape(i, image)
          m = Mul(n, g)
          ["d/Conv"] y = Conv(m, wd)
        }""",
        random_weights({"wa": (6, 3, 1, 1), "wd": (2, 6, 1, 1), "g": (6, 1, 1)})
        | {"one": np.ones(1, np.float32), "zero": np.zeros(1, np.float32)}
        | {"long": ints(0, 1, -1), "image": ints(1, 6, 4, 4)},
    )
    group = by_name(graph)["a"]
    assert (group.channels, group.unit, group.blocked) == (6, 1, "")
    assert group.normalised_by == ("InstanceNormalization",)
    kept = [0, 1, 4]
    (ours,) = outputs_of(keep_units(graph, group="a", kept=kept))
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 4)).astype(np.float32)
    weights = {v.name: v.const_value.numpy() for v in graph.model.graph.initializers.values()}
    a = np.einsum("oc,nchw->nohw", weights["wa"][kept, :, 0, 0], x)
    n = (a - a.mean()) / np.sqrt(a.var() + 1e-5) * weights["g"][kept]
    expected = np.einsum("oc,nchw->nohw", weights["wd"][:, kept, 0, 0], n)
    assert np.abs(ours - expected).max() < TOLERANCE * np.abs(expected).max()


def test_feed_forward_beside_a_stream_is_not_normalised():
    group = by_name(stream(LAYER_NORM, 18))["fc1"]
    assert (group.normalised_by, group.readers) == ((), ("fc2/MatMul",))


# ---------------------------------------------------------------- which groups there are


def test_inputs_of_a_concat_are_groups_of_their_own():
    graph = graph_from_text(
        """agraph (float[1,3,4,4] x) => (float[1,2,4,4] y) {
          ["a/Conv"] a = Conv(x, wa)
          ["b/Conv"] b = Conv(a, wb)
          j = Concat<axis=1>(a, b)
          n = BatchNormalization(j, g, c, mean, var)
          ["d/Conv"] y = Conv(n, wd)
        }""",
        random_weights(
            {"wa": (4, 3, 1, 1), "wb": (6, 4, 1, 1), "wd": (2, 10, 1, 1)}
            | dict.fromkeys(("g", "c", "mean", "var"), (10,))
        ),
    )
    groups = by_name(graph)
    assert [groups[name].channels for name in "abd"] == [4, 6, 2]
    assert groups["a"].readers == ("b/Conv", "d/Conv")
    for name, width in (("a", 4), ("b", 6)):
        narrowed = keep_units(graph, group=name, kept=[0, 2])
        full = reference(graph, groups[name], np.setdiff1d(np.arange(width), [0, 2]))
        assert difference(full, narrowed) < TOLERANCE


def test_rows_that_one_group_leaves_are_another():
    """The sum ties half of b's channels to a; the other half is free."""
    graph = graph_from_text(
        """agraph (float[1,3,4,4] x) => (float[1,2,4,4] y) {
          ["a/Conv"] a = Conv(x, wa)
          ["b/Conv"] b = Conv(x, wb)
          c, d = Split<axis=1, num_outputs=2>(b)
          e = Add(a, c)
          j = Concat<axis=1>(e, d)
          ["d/Conv"] y = Conv(j, wd)
        }""",
        random_weights({"wa": (4, 3, 1, 1), "wb": (8, 3, 1, 1), "wd": (2, 8, 1, 1)}),
    )
    first, second = (g for g in find_channel_groups(graph) if "b/Conv" in g.producers)
    assert (first.producers, first.channels) == (("a/Conv", "b/Conv"), 4)
    assert (second.producers, second.channels) == (("b/Conv",), 4)
    narrowed = keep_units(graph, group=second.name, kept=[1, 3])
    assert difference(reference(graph, second, []), graph) == 0
    full = graph.copy()
    array = constant_array(full.node("d/Conv").inputs[1]).copy()
    array[:, [4, 6]] = 0
    set_constant(full, full.node("d/Conv"), 1, array)
    assert difference(full, narrowed) < TOLERANCE


def test_one_channel_is_no_group_that_can_be_cut():
    graph = graph_from_text(
        """agraph (float[1,3,4,4] x) => (float[1,2,4,4] y) {
          ["a/Conv"] a = Conv(x, wa) b = Relu(a)
          ["d/Conv"] y = Conv(b, wd)
        }""",
        random_weights({"wa": (1, 3, 1, 1), "wd": (2, 1, 1, 1)}),
    )
    assert by_name(graph)["a"].blocked == "Conv a/Conv writes one channel only"


def test_channels_that_all_go_together_are_refused_with_the_reason():
    graph = graph_from_text(
        """agraph (float[1,3,4,4] x) => (float[1,2,4,4] y) {
          ["a/Conv"] a = Conv(x, wa)
          b = Slice(a, low, high, one) c = Slice(a, high, top, one)
          j = Concat<axis=1>(c, b) k = Add(j, a)
          ["d/Conv"] y = Conv(k, wd)
        }""",
        random_weights({"wa": (5, 3, 1, 1), "wd": (2, 5, 1, 1)})
        | {"low": ints(0), "high": ints(1), "top": ints(5), "one": ints(1)},
    )
    assert by_name(graph)["a"].blocked == "all channels that Conv a/Conv writes go together"


def test_units_of_a_group_are_what_it_counts():
    graph = attention(SEPARATE)
    group = group_with(graph, "a.q/MatMul")
    assert (group.channels, group.unit, group.units) == (12, 4, 3)
    assert Members(np.array([0, 0, -1, 1])).units == 2
    assert Members(np.array([0, 0, -1, 1])).channels == 3


# ---------------------------------------------------------------- well-known models


def counts(group):
    return (
        group.channels,
        group.unit,
        len(group.producers),
        len(group.readers),
        len(group.normalised_by),
    )


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_vision_transformer_has_a_stream_and_heads(exporter):
    groups = by_name(skeleton(f"vit_small_{exporter}"))
    blocked = [group for group in groups.values() if group.blocked]
    assert [group.channels for group in blocked] == [1000]
    assert "output logits" in blocked[0].blocked
    stream_group = next(iter(groups.values()))
    assert counts(stream_group) == (384, 1, 25, 49, 25)
    heads = [group for group in groups.values() if group.unit == 64]
    assert [counts(group) for group in heads] == [(384, 64, 3, 1, 0)] * 12
    assert sum(group.channels == 1536 for group in groups.values()) == 12


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_segformer_has_streams_heads_and_projections(exporter):
    graph = skeleton(f"segformer_b0_{exporter}")
    groups = find_channel_groups(graph)
    streams = [group for group in groups if len(group.producers) == 5]
    assert [group.channels for group in streams] == [32, 64, 160, 256]
    heads = [group.units for group in groups if group.unit == 32]
    assert heads == [2, 2, 5, 5, 8, 8]
    inner = [group for group in groups if group.contractions]
    assert [group.channels for group in inner] == [32, 32]  # one head: queries and keys alone
    fuse = next(group for group in groups if group.name.endswith("linear_fuse"))
    projections = [g for g in groups if g.readers == fuse.producers]
    assert [group.channels for group in projections] == [256] * 4
    assert [group.channels for group in groups if group.blocked] == [11]


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_detr_has_two_streams(exporter):
    groups = find_channel_groups(skeleton(f"detr_resnet50_{exporter}"))
    streams = [g for g in groups if len(g.normalised_by) > 1]
    assert [(g.channels, len(g.producers), g.blocked) for g in streams] == [
        (256, 13, ""),
        (256, 17, ""),
    ]
    assert len([g for g in groups if g.unit == 32 and not g.blocked]) == 17
    assert len([g for g in groups if g.blocked]) == 3


@pytest.mark.parametrize("name", ["segformer_b2_dynamo", "detr_resnet50_dynamo"])
def test_finding_groups_takes_less_than_three_seconds(name):
    graph = skeleton(name)
    start = time.perf_counter()
    find_channel_groups(graph)
    assert time.perf_counter() - start < 3


def test_names_of_merged_and_exported_graph_are_the_same_where_groups_are():
    graph = skeleton("segformer_b0_dynamo")
    exported, merged = by_name(graph), by_name(merge_linear(graph))
    gone = set(exported) - set(merged)
    assert sorted(name.rsplit(".", 2)[1] for name in gone) == ["0", "1", "2", "3"]
    assert set(merged) <= set(exported)


def quarter_less(graph, group):
    """The group with three quarters of its units; one at least, and one less than all."""
    return narrow_channels(graph, group=group.name, keep=max(1, group.units * 3 // 4))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if "segformer_b0" in name])
def test_every_group_cut_by_a_quarter_runs(name):
    graph = skeleton(name)
    before, macs = outputs_of(graph), cost_of(graph).macs
    for group in find_channel_groups(graph):
        if group.blocked:
            continue
        narrowed = quarter_less(graph, group)
        outputs = outputs_of(narrowed)
        assert [o.shape for o in outputs] == [o.shape for o in before]
        assert all(np.isfinite(array).all() for array in outputs)
        assert any(not np.array_equal(a, b) for a, b in zip(before, outputs, strict=True))
        assert cost_of(narrowed).macs < macs


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_all_groups_cut_by_a_quarter_one_after_another_run(name):
    graph = narrowed = skeleton(name)
    for group in find_channel_groups(graph):
        if not group.blocked:
            assert by_name(narrowed)[group.name].channels == group.channels
            narrowed = quarter_less(narrowed, group)
    outputs = outputs_of(narrowed)
    assert [o.shape for o in outputs] == [tuple(value.shape) for value in graph.outputs]
    assert all(np.isfinite(array).all() for array in outputs)
    assert cost_of(narrowed).macs < 0.7 * cost_of(graph).macs


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("segformer_b0_dynamo", "linear_projections.1.proj"),
        ("segformer_b0_torchscript", "stages.2.blocks.0.attention"),
        pytest.param("resnet50_dynamo", "encoder.stages.1.layers", marks=pytest.mark.slow),
        pytest.param("vit_small_torchscript", "layers.3.attention", marks=pytest.mark.slow),
    ],
)
def test_groups_of_well_known_models_equal_columns_zeroed(name, part):
    graph = skeleton(name)
    (group,) = (g for g in find_channel_groups(graph) if g.name.endswith(part))
    kept = [unit for unit in range(group.units) if unit % 4]
    narrowed = keep_units(graph, group=group.name, kept=kept)
    owner = np.arange(group.channels) // group.unit
    full = reference(graph, group, rows_of(owner, np.setdiff1d(np.arange(group.units), kept)))
    assert difference(full, narrowed) < TOLERANCE
