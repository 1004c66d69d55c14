"""Pruning tokens: numbers against numpy code of the same nets, real exports, refusals."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import PreconditionError
from edgert.surgery.attention_sites import find_attention_sites
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, save_graph, static_shape, values_of
from edgert.surgery.load import load_graph
from edgert.surgery.prune_tokens import PruningSite, prune_tokens
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.skeletons import NAMES, skeleton
from tests.surgery.graphs_residual import (
    NETS,
    graph_from_text,
    outputs_of,
    random_weights,
    softmax,
)
from tests.surgery.graphs_vit import STYLES, Vit, picture

TOLERANCE = 1e-5  # float32, outputs around 1
VITS = [name for name in NAMES if name.startswith("vit")]
DETRS = [name for name in NAMES if name.startswith("detr")]
SCORES = ("attention_and_value", "attention", "class_attention")


def pruned(graph, keeps, **more):
    sites = [PruningSite(attention=name, keep=keep) for name, keep in keeps.items()]
    return prune_tokens(graph, sites=sites, **more)


def block(number):
    return f"layers.{number}.attention"


def as_text(graph):
    return [
        (n.name, n.op_type, [v.name if v else "" for v in n.inputs], [v.name for v in n.outputs])
        for n in graph.nodes
    ]


def result(graph, x):
    [y] = outputs_of(graph, {graph.inputs[0].name: x})
    return y


# ---------------------------------------------------------------- numbers


CASES = [(c, score) for c in (0, 1, 3) for score in SCORES if c or score != "class_attention"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("class_tokens", "score"), CASES)
@pytest.mark.parametrize("keeps", [{0: 6}, {1: 7}, {0: 8, 1: 6}], ids=str)
def test_a_pruned_net_computes_what_numpy_computes(style, class_tokens, keeps, score):
    net = Vit(style=style, class_tokens=class_tokens)
    edited = pruned(net.graph(), {block(b): n for b, n in keeps.items()}, score=score)
    expected = net.run(picture(), keep=keeps, score=score)
    assert np.abs(result(edited, picture()) - expected).max() < TOLERANCE


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("class_tokens", [0, 1])
def test_positions_that_are_added_later_are_reduced_alike(style, class_tokens):
    net = Vit(style=style, class_tokens=class_tokens, late_positions=True)
    edited = pruned(net.graph(), {block(0): 7})
    y = result(edited, picture())
    assert np.abs(y - net.run(picture(), keep={0: 7})).max() < TOLERANCE
    cut_in_place = Vit(style=style, class_tokens=class_tokens).run(picture(), keep={0: 7})
    assert np.abs(y - cut_in_place).max() > 100 * TOLERANCE


WEIGHTS = random_weights(dict.fromkeys(("q1", "k1", "v1", "q2", "k2", "v2", "m"), (4, 4)))


def attended(x, number, bias=0.0):
    q, k, v = (x @ WEIGHTS[f"{name}{number}"] for name in "qkv")
    shares = softmax(q @ k.T + bias)
    return shares @ v, shares, v


def reduction(shares, v, keep):
    """The matrix (keep, N) that numpy prunes with: one row for each best token, then the mean."""
    received = shares.sum(axis=0)
    order = np.argsort(-(received / received.max() + softmax(v.sum(axis=1))), kind="stable")
    matrix = np.zeros((keep, len(v)), np.float32)
    matrix[np.arange(keep - 1), order[: keep - 1]] = 1
    matrix[-1, order[keep - 1 :]] = 1 / (len(v) - keep + 1)
    return matrix


def attention_text(number, x, name, bias=""):
    return f"""q{name} = MatMul({x}, q{number}) k{name} = MatMul({x}, k{number})
        v{name} = MatMul({x}, v{number}) t{name} = Transpose<perm = [1, 0]>(k{name})
        s{name} = MatMul(q{name}, t{name}) {bias} p{name} = Softmax({"sb" if bias else f"s{name}"})
        ["layers.{number}.attention/MatMul"] a{name} = MatMul(p{name}, v{name})
        ["layers.{number}/Add"] r{name} = Add({x}, a{name})"""


@pytest.mark.parametrize("inner_first", [False, True])
def test_what_was_computed_before_and_is_added_later_is_reduced_alike(inner_first):
    """Attention and a layer side by side: (x + attention) + layer, or x + (attention + layer)."""
    summed = attention_text(1, "x", "z")
    if inner_first:
        summed = summed.replace("Add(x, az)", "Add(az, g)")
    text = f"""g (float[8,4] x) => (float[4] y) {{ h = MatMul(x, m) g = Relu(h) {summed}
        w = Add({"x, rz" if inner_first else "rz, g"}) y = ReduceMean<keepdims = 0>(w, axis) }}"""
    used = {name: WEIGHTS[name] for name in ("q1", "k1", "v1", "m")}
    graph = graph_from_text(text, used | {"axis": np.array([0])})
    x = np.random.default_rng(6).standard_normal((8, 4), np.float32)
    [site] = find_attention_sites(graph)
    y = result(pruned(graph, {site.name: 5}), x)
    added, shares, v = attended(x, 1)
    matrix = reduction(shares, v, 5)
    expected = (matrix @ (x + added) + matrix @ np.maximum(x @ WEIGHTS["m"], 0)).mean(axis=0)
    assert np.abs(y - expected).max() < TOLERANCE


def test_a_bias_between_tokens_is_reduced_on_both_sides():
    bias = "sb = Add(sw, table)"
    text = f"""g (float[8,4] x) => (float[4] y) {{ {attention_text(1, "x", "z")}
        {attention_text(2, "rz", "w", bias)} y = ReduceMean<keepdims = 0>(rw, axis) }}"""
    table = np.random.default_rng(7).standard_normal((8, 8), np.float32)
    used = {name: array for name, array in WEIGHTS.items() if name != "m"}
    graph = graph_from_text(text, used | {"axis": np.array([0]), "table": table})
    x = np.random.default_rng(6).standard_normal((8, 4), np.float32)
    y = result(pruned(graph, {find_attention_sites(graph)[0].name: 5}), x)
    added, shares, v = attended(x, 1)
    matrix = reduction(shares, v, 5)
    kept = matrix @ (x + added)
    expected = (kept + attended(kept, 2, matrix @ table @ matrix.T)[0]).mean(axis=0)
    assert np.abs(y - expected).max() < TOLERANCE
    without = (kept + attended(kept, 2, table[:5, :5])[0]).mean(axis=0)
    assert np.abs(y - without).max() > 100 * TOLERANCE


@pytest.mark.parametrize("opset", [17, 18, 23])
def test_reductions_are_written_as_the_opset_wants_them(opset):
    net = Vit(opset=opset, class_tokens=0)
    edited = pruned(net.graph(), {block(0): 5})
    y = result(edited, picture())
    assert np.abs(y - net.run(picture(), keep={0: 5})).max() < TOLERANCE


def test_other_tokens_give_other_numbers():
    net = Vit()
    y = result(pruned(net.graph(), {block(0): 6}), picture())
    first = net.run(picture(), keep={0: 6}, kept=np.arange(9))
    assert np.abs(y - first).max() > 100 * TOLERANCE
    assert np.abs(y - net.run(picture())).max() > 100 * TOLERANCE


@pytest.mark.parametrize("score", SCORES)
def test_another_score_keeps_other_tokens(score):
    net = Vit(seed=2)
    y = result(pruned(net.graph(), {block(0): 5}, score=score), picture())
    for other in SCORES:
        difference = np.abs(y - net.run(picture(), keep={0: 5}, score=other)).max()
        assert (difference < TOLERANCE) == (score == other)


def with_outputs(graph, *values):
    """A copy that hands out more of its values."""
    names = [value.name for value in values]
    copy = graph.copy()
    by_name = {value.name: value for value in values_of(copy)}
    copy.model.graph.outputs.extend(by_name[name] for name in names)
    return Graph(copy.model)


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 1000),
    image=st.integers(0, 1000),
    keep=st.integers(3, 9),
    score=st.sampled_from(SCORES),
)
def test_the_kept_tokens_are_the_ones_with_the_highest_scores(seed, image, keep, score):
    net = Vit(seed=seed)
    edited = pruned(net.graph(), {block(0): keep}, score=score)
    [sort] = [node for node in edited.nodes if node.op_type == "TopK"]
    [joined] = [n for n in edited.nodes if n.name == "layers.0/prune_tokens/Concat"]
    stream = edited.node("layers.0/Add").outputs[0]
    _, scores, before, after = outputs_of(
        with_outputs(edited, sort.inputs[0], stream, joined.outputs[0]), {"x": picture(image)}
    )
    best = keep - 2
    kept = [int(np.abs(before[0, 1:] - row).sum(axis=1).argmin()) for row in after[0, 1:-1]]
    gone = sorted(set(range(9)) - set(kept))
    assert len(set(kept)) == best
    assert scores[kept].min() >= scores[gone].max()
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    np.testing.assert_array_equal(after[0, 0], before[0, 0])
    np.testing.assert_array_equal(after[0, 1:-1], before[0, 1:][kept])
    np.testing.assert_allclose(after[0, -1], before[0, 1:][gone].mean(axis=0), atol=TOLERANCE)


@settings(deadline=None, max_examples=10)
@given(style=st.sampled_from(STYLES), which=st.sets(st.sampled_from([0, 1]), min_size=1))
def test_keeping_all_tokens_is_the_graph_as_it_was(style, which):
    net = Vit(style=style)
    edited = pruned(net.graph(), {block(b): net.tokens for b in which})
    assert as_text(edited) == as_text(net.graph())


# ---------------------------------------------------------------- real exports


def vit_macs(keeps):
    """ViT-S/16 at 224, counted by hand: keeps maps a block to the tokens behind its attention."""
    width, n = 384, 197
    total = 196 * 3 * 16 * 16 * width + width * 1000
    for number in range(12):
        total += 4 * n * width * width + 2 * n * n * width
        n = keeps.get(number, n)
        total += 2 * n * width * 4 * width
    return total


@pytest.mark.parametrize("name", VITS)
@pytest.mark.parametrize("keeps", [{3: 140}, {3: 140, 6: 100, 9: 60}], ids=["one", "three"])
def test_vit_small_has_fewer_macs_and_static_shapes(name, keeps):
    graph = skeleton(name)
    edited = pruned(graph, {f"vit.layers.{b}.attention": n for b, n in keeps.items()})
    assert cost_of(graph).macs == vit_macs({})
    assert cost_of(edited).macs == vit_macs(keeps)
    assert cost_of(edited).unknown_operators == []
    assert all(static_shape(value) is not None for value in values_of(edited))
    y = result(edited, np.random.default_rng(5).standard_normal((1, 3, 224, 224), np.float32))
    assert y.shape == (1, 1000)
    assert np.isfinite(y).all()
    before = {node.name: node.op_type for node in graph.nodes}
    after = {node.name: node.op_type for node in edited.nodes}
    assert before.items() <= after.items()  # attention and all else are there still
    names = [branch.name for branch in find_residual_branches(graph)]
    assert [branch.name for branch in find_residual_branches(edited)] == names


DETR_KEEPS = {"encoder.layers.1.self_attn": 60, "encoder.layers.3.self_attn": 30}


@pytest.mark.parametrize("name", DETRS)
def test_detr_prunes_its_encoder_and_keeps_all_queries(name):
    graph = skeleton(name)
    edited = pruned(graph, DETR_KEEPS)
    assert cost_of(edited).macs < cost_of(graph).macs
    assert all(static_shape(value) is not None for value in values_of(edited))
    sites = {site.name: site for site in find_attention_sites(edited)}
    assert sites["encoder.layers.2.self_attn"].keys == 60
    assert sites["decoder.layers.2.encoder_attn"].keys == 30
    assert sites["decoder.layers.2.encoder_attn"].queries == 100
    assert [static_shape(v) for v in edited.outputs] == [static_shape(v) for v in graph.outputs]


@pytest.mark.slow  # 40 million random weights
def test_pruned_detr_runs_after_it_was_saved(tmp_path):
    graph = skeleton(DETRS[0])
    path = tmp_path / "pruned.onnx"
    save_graph(pruned(graph, DETR_KEEPS), path)
    x = np.random.default_rng(5).standard_normal(static_shape(graph.inputs[0]), np.float32)
    outputs = outputs_of(load_graph(path), {graph.inputs[0].name: x})
    assert [y.shape for y in outputs] == [static_shape(value) for value in graph.outputs]
    assert all(np.isfinite(y).all() for y in outputs)


@pytest.mark.parametrize("name", VITS)
def test_one_edit_after_another_is_both_at_once(name):
    graph = skeleton(name)
    first, second = {"vit.layers.2.attention": 150}, {"vit.layers.7.attention": 90}
    assert as_text(pruned(pruned(graph, first), second)) == as_text(pruned(graph, first | second))


def test_branches_of_a_pruned_graph_can_be_dropped():
    net = Vit()
    edited = skip_residuals(pruned(net.graph(), {block(0): 6}), branches=["layers.1.attention"])
    other = pruned(skip_residuals(net.graph(), branches=["layers.1.attention"]), {block(0): 6})
    np.testing.assert_allclose(result(edited, picture()), result(other, picture()), atol=TOLERANCE)


def test_the_graph_itself_is_untouched():
    graph = Vit(late_positions=True).graph()
    before = as_text(graph), [static_shape(value) for value in values_of(graph)]
    pruned(graph, {block(0): 6, block(1): 5})
    assert (as_text(graph), [static_shape(value) for value in values_of(graph)]) == before


# ---------------------------------------------------------------- refusals


def refused(graph, keeps, **more):
    with pytest.raises(PreconditionError) as caught:
        pruned(graph, keeps, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("keep", [-1, 0, 2, 11])
def test_a_number_of_tokens_out_of_range_is_refused(keep):
    message = refused(Vit().graph(), {block(0): keep})
    assert "expected 3 to 10 tokens kept" in message
    assert f"got {keep}." in message


def test_a_later_site_cannot_keep_more_than_an_earlier_one_left():
    assert "3 to 6 tokens" in refused(Vit().graph(), {block(0): 6, block(1): 8})


def test_the_least_and_the_most_tokens_are_taken():
    net = Vit()
    for keep in (3, 9):
        y = result(pruned(net.graph(), {block(0): keep}), picture())
        assert np.abs(y - net.run(picture(), keep={0: keep})).max() < TOLERANCE


def test_an_unknown_attention_is_refused_with_near_names():
    message = refused(Vit().graph(), {"layer.1.attention": 6})
    assert "nearest are layers.1.attention" in message


def test_no_site_and_a_repeated_site_are_refused():
    graph = Vit().graph()
    assert "got none" in refused(graph, {})
    with pytest.raises(PreconditionError, match=r"layers\.0\.attention more than once"):
        prune_tokens(graph, sites=[PruningSite(block(0), 6), PruningSite(block(0), 7)])


def test_a_graph_without_attention_is_refused():
    assert "one without any" in refused(NETS["chain"].graph(), {"blocks.0": 3})


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("segformer_b0")])
def test_dense_prediction_is_refused_with_the_node_that_needs_all_tokens(name):
    message = refused(skeleton(name), {"segformer.stages.3.blocks.1.attention": 90})
    assert "dwconv/Reshape lays the tokens out as 1 x 1024 x 12 x 15" in message


def test_tokens_that_are_an_output_are_refused():
    message = refused(skeleton(DETRS[0]), {"decoder.layers.3.self_attn": 50})
    assert "output logits needs every token" in message


def test_cross_attention_is_refused():
    message = refused(skeleton(DETRS[0]), {"decoder.layers.3.encoder_attn": 50})
    assert "are not the tokens it is added to" in message


def test_a_score_by_the_class_token_needs_one():
    graph = Vit(class_tokens=0).graph()
    assert "class token" in refused(graph, {block(0): 6}, score="class_attention")


def test_attention_in_one_operator_is_refused():
    text = """g (float[1,6,4] x) => (float[1,4] y) {
    q = MatMul(x, wa) k = MatMul(x, wb) v = MatMul(x, wc)
    a = Attention<q_num_heads = 2, kv_num_heads = 2>(q, k, v)
    o = MatMul(a, wd) s = Add(x, o) y = ReduceMean<keepdims = 0>(s, axis) }"""
    weights = {w: np.eye(4, dtype=np.float32) for w in ("wa", "wb", "wc", "wd")}
    graph = graph_from_text(text, weights | {"axis": np.array([1])}, opset=23)
    [site] = find_attention_sites(graph)
    assert (site.heads, site.queries, site.keys) == (2, 6, 6)
    assert "keeps its shares to itself" in refused(graph, {site.name: 4})


def test_several_images_at_once_are_refused():
    text = """g (float[2,6,4] x) => (float[2,4] y) {
    q = MatMul(x, wa) k = MatMul(x, wb) v = MatMul(x, wc) t = Transpose<perm = [0, 2, 1]>(k)
    s = MatMul(q, t) p = Softmax(s) a = MatMul(p, v) o = MatMul(a, wd) r = Add(x, o)
    y = ReduceMean<keepdims = 0>(r, axis) }"""
    weights = {w: np.eye(4, dtype=np.float32) for w in ("wa", "wb", "wc", "wd")}
    graph = graph_from_text(text, weights | {"axis": np.array([1])})
    [site] = find_attention_sites(graph)
    assert "tokens of several images, (2, 6, 4)" in refused(graph, {site.name: 4})


def test_sites_are_read_from_yaml_as_derive_does():
    [site] = msgspec.convert([{"attention": "a", "keep": 3}], list[PruningSite])
    assert site == PruningSite("a", 3)
    for wrong in ({"attention": "a"}, {"attention": "a", "keep": "3"}, {"name": "a", "keep": 3}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert([wrong], list[PruningSite])
