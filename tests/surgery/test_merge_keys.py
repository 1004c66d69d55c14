"""Merging keys: numbers against numpy code of the same attention, work saved, refusals."""

from math import ceil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.artifacts.family import load_family
from edgert.errors import PreconditionError
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import label_agreement, measure_miou
from edgert.profiling.dataset import open_labelled_frames
from edgert.surgery.attention_sites import find_attention_sites
from edgert.surgery.channels_first import channels_first
from edgert.surgery.cost import cost_of, node_costs
from edgert.surgery.graph import Graph, constant_array, save_graph, static_shape, values_of
from edgert.surgery.load import load_graph
from edgert.surgery.merge_keys import MergingSite, merge_keys
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.residuals import find_residual_branches
from tests.skeletons import NAMES, skeleton
from tests.surgery.graphs_residual import NETS, graph_from_text, outputs_of, softmax
from tests.surgery.graphs_vit import Vit

BASE = Path(__file__).parents[2] / "engines" / "segformer-b0-camvid" / "base.onnx"
B0, B2 = ([n for n in NAMES if n.startswith(f"segformer_{size}")] for size in ("b0", "b2"))
TOLERANCE = 1e-5


def merged(graph, windows):
    return merge_keys(graph, sites=[MergingSite(name, window) for name, window in windows.items()])


def all_sites(graph, window=2):
    return {site.name: window for site in find_attention_sites(graph) if site.grid}


def run(graph, folder, feeds, *extra):
    """Outputs, and the values of more names, unoptimised."""
    copy = graph.copy()
    by_name = {value.name: value for value in values_of(copy)}
    copy.model.graph.outputs.extend(by_name[name] for name in extra)
    path = folder / "graph.onnx"
    save_graph(Graph(copy.model), path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options).run(None, feeds)


def means(tokens, grid, window):
    """Tokens (rows * columns, C) averaged over squares, those at the border over what is there."""
    rows, columns = grid
    image = tokens.reshape(rows, columns, -1)
    return np.stack(
        [
            image[i : i + window, j : j + window].reshape(-1, image.shape[2]).mean(axis=0)
            for i in range(0, rows, window)
            for j in range(0, columns, window)
        ]
    )


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("name", "window"), [("stage1.block1", 2), ("stage3.block2", 3), ("stage4.block1", 2)]
)
def test_the_bundled_model_attends_to_means_as_numpy_does(name, window, tmp_path):
    graph = load_graph(BASE)
    at = f"{name}.attention"
    edited = merged(graph, {at: window})
    [site] = [s for s in find_attention_sites(graph) if s.name == at]
    source = f"{at}/{'norm' if 'stage4' in name else 'sr/norm'}/LayerNormalization"
    x = np.random.default_rng(1).standard_normal(static_shape(graph.inputs[0]), np.float32)
    product = edited.node(f"{at}/MatMul_1").outputs[0].name
    _, tokens, queries, found = run(
        edited, tmp_path, {graph.inputs[0].name: x}, source, f"{at}/Mul", product
    )
    weights = {
        f"{layer}.{kind}": constant_array(graph.model.graph.initializers[f"{at}.{layer}.{kind}"])
        for layer in ("k", "v")
        for kind in ("weight", "bias")
    }
    scale = constant_array(graph.model.graph.initializers[f"{at}.mul_1.1"])

    def attended(pooled):
        k, v = (
            (pooled @ weights[f"{layer}.weight"] + weights[f"{layer}.bias"])
            .reshape(len(pooled), site.heads, -1)
            .transpose(1, 0, 2)
            for layer in ("k", "v")
        )
        return softmax(queries[0] @ (k.transpose(0, 2, 1) * scale)) @ v

    pooled = means(tokens[0], site.grid, window)
    assert found.shape[1:] == attended(pooled).shape
    assert np.abs(found[0] - attended(pooled)).max() < TOLERANCE
    assert np.abs(found[0] - attended(pooled[::2])).max() > 100 * TOLERANCE
    assert np.abs(found[0] - attended(tokens[0])).max() > 100 * TOLERANCE


# A 4 x 6 picture of 3 channels; each place is a query, keys lie in another layout in each text.
LAYOUTS = {
    "tokens": """n = Transpose<perm = [0, 2, 1]>(r) k = MatMul(n, wk) v = MatMul(n, wv)
        kt = Transpose<perm = [0, 2, 1]>(k)""",
    "channels in front": """n = Identity(r) kt = MatMul(wk_left, n) vt = MatMul(wv_left, n)
        v = Transpose<perm = [0, 2, 1]>(vt)""",
}


def attention_on_a_picture(layout, rows=4, columns=6, bias=False):
    weights = {
        name: np.random.default_rng(seed).standard_normal((3, 3), dtype=np.float32)
        for seed, name in enumerate(("wq", "wk", "wv"))
    }
    used = weights | {"flat": np.array([1, 3, rows * columns])}
    if layout == "channels in front":
        used |= {"wk_left": weights["wk"].T.copy(), "wv_left": weights["wv"].T.copy()}
        del used["wk"], used["wv"]
    biased = ""
    if bias:
        used["table"] = np.random.default_rng(9).standard_normal(
            (1, 1, rows * columns), np.float32
        )
        biased = "b = Add(s, table)"
    text = f"""g (float[1,3,{rows},{columns}] x) => (float[1,{rows * columns},3] y) {{
        r = Reshape(x, flat) {LAYOUTS[layout]} t = Transpose<perm = [0, 2, 1]>(r)
        q = MatMul(t, wq) s = MatMul(q, kt) {biased} p = Softmax({"b" if bias else "s"})
        ["attention/MatMul"] y = MatMul(p, v) }}"""
    return graph_from_text(text, used), weights


@settings(deadline=None, max_examples=20)
@given(
    layout=st.sampled_from(list(LAYOUTS)),
    rows=st.integers(2, 5),
    columns=st.integers(2, 5),
    window=st.integers(2, 5),
)
def test_any_window_on_any_picture_in_any_layout(layout, rows, columns, window):
    window = min(window, max(rows, columns))
    graph, weights = attention_on_a_picture(layout, rows, columns)
    [site] = find_attention_sites(graph)
    assert site.grid == (rows, columns)
    x = np.random.default_rng(4).standard_normal((1, 3, rows, columns), np.float32)
    [y] = outputs_of(merged(graph, {site.name: window}), {"x": x})
    tokens = x.reshape(3, -1).T
    pooled = means(tokens, (rows, columns), window)
    k, v = pooled @ weights["wk"], pooled @ weights["wv"]
    expected = softmax(tokens @ weights["wq"] @ k.T) @ v
    assert np.abs(y[0] - expected).max() < TOLERANCE


def test_a_window_of_one_is_the_graph_as_it_was():
    graph, _ = attention_on_a_picture("tokens")
    [site] = find_attention_sites(graph)
    edited = merged(graph, {site.name: 1})
    assert [n.name for n in edited.nodes] == [n.name for n in graph.nodes]


# ---------------------------------------------------------------- real exports


def attention_macs(graph, name):
    """MACs of the two products of an attention, and of the layers that make keys and values."""
    macs = {node.name: node.macs for node in node_costs(graph)}
    products = {n: m for n, m in macs.items() if n.rpartition("/")[0].endswith(name) and m}
    layers = {n: m for n, m in macs.items() if f"{name}.k" in n or f"{name}.v" in n}
    return sum(products.values()), sum(layers.values())


@pytest.mark.parametrize("name", [n for n in B2 if n.endswith("dynamo")])
def test_a_window_of_two_quarters_the_work_on_keys(name):
    graph = skeleton(name)
    edited = merged(graph, all_sites(graph))
    sites = {site.name: site for site in find_attention_sites(edited)}
    assert len(sites) == 16
    saved = 0
    for site in find_attention_sites(graph):
        assert (site.grid, sites[site.name].keys) == ((16, 16), 64)
        assert sites[site.name].queries == site.queries
        scope = site.name.removeprefix("segformer.")
        products, layers = attention_macs(graph, scope)
        width = site.heads * 64
        assert products == 2 * site.queries * 256 * width
        assert layers == 2 * 256 * width**2
        assert attention_macs(edited, scope) == (products // 4, layers // 4)
        saved += (products + layers) * 3 // 4
    assert cost_of(graph).macs - cost_of(edited).macs == saved


@pytest.mark.parametrize("name", B0)
def test_every_attention_of_segformer_merges_and_stays_static(name, tmp_path):
    graph = skeleton(name)
    edited = merged(graph, all_sites(graph))
    sites = find_attention_sites(edited)
    assert [site.keys for site in sites] == [ceil(11 / 2) * 8] * 6 + [6 * 8] * 2
    assert all(static_shape(value) is not None for value in values_of(edited))
    assert cost_of(edited).unknown_operators == []
    names = [branch.name for branch in find_residual_branches(graph)]
    assert [branch.name for branch in find_residual_branches(edited)] == names
    again = merged(edited, {site.name: 2 for site in sites})  # means of means
    assert [site.keys for site in find_attention_sites(again)] == [3 * 4] * 8
    x = np.random.default_rng(5).standard_normal(static_shape(graph.inputs[0]), np.float32)
    [y] = run(edited, tmp_path, {graph.inputs[0].name: x})
    assert y.shape == static_shape(graph.outputs[0])
    assert np.isfinite(y).all()


def test_it_goes_with_the_lossless_edits_in_any_order(tmp_path):
    graph = load_graph(BASE)
    windows = all_sites(graph)
    before = channels_first(merge_linear(merged(graph, windows)))
    after = merged(channels_first(merge_linear(graph)), windows)
    assert cost_of(before).macs == cost_of(after).macs < 0.83 * cost_of(merge_linear(graph)).macs
    x = np.random.default_rng(5).standard_normal(static_shape(graph.inputs[0]), np.float32)
    [one], [other] = (run(g, tmp_path, {graph.inputs[0].name: x}) for g in (before, after))
    assert np.abs(one - other).max() < 1e-4 * np.abs(one).max()


@pytest.mark.slow
def test_merging_two_by_two_costs_the_bundled_model_little(camvid, tmp_path):
    """Seen on all 101 frames, November 2026: 65.7 % mIoU against 66.2 %."""
    graph = load_graph(BASE)
    family = load_family(BASE.parent).family
    preprocess = Preprocessor(family.input)
    frames = [
        (preprocess(image).copy(), labels)
        for image, labels in open_labelled_frames(camvid / "val", limit=10)
    ]
    scores, first = [], []
    for number, edited in enumerate((graph, merged(graph, all_sites(graph)))):
        path = tmp_path / f"{number}.onnx"
        save_graph(merge_linear(edited), path)
        session = onnxruntime.InferenceSession(str(path))
        name = graph.inputs[0].name
        first.append(session.run(None, {name: frames[0][0]})[0])
        score, _ = measure_miou(
            lambda tensor, s=session, n=name: s.run(None, {n: tensor})[0],
            frames,
            classes=len(family.labels),
            ignore_label=family.ignore_label,
        )
        scores.append(score)
    assert abs(scores[0] - scores[1]) < 0.03
    assert label_agreement(first[1], first[0]) > 0.9


# ---------------------------------------------------------------- refusals


def refused(graph, windows):
    with pytest.raises(PreconditionError) as caught:
        merged(graph, windows)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("window", [-1, 0, 7])
def test_a_window_out_of_range_is_refused(window):
    graph, _ = attention_on_a_picture("tokens")
    [site] = find_attention_sites(graph)
    assert "a window of 1 to 6, for 4 x 6 keys" in refused(graph, {site.name: window})


def test_an_unknown_attention_is_refused_with_near_names():
    message = refused(skeleton(B0[0]), {"segformer.stages.9.blocks.0.attention": 2})
    assert "blocks.0.attention" in message.partition("nearest are")[2]


def test_no_site_is_refused():
    assert "got none" in refused(skeleton(B0[0]), {})


def test_a_graph_without_attention_is_refused():
    assert "one without any" in refused(NETS["chain"].graph(), {"blocks.0": 2})


def test_tokens_with_a_class_token_are_no_picture():
    message = refused(Vit().graph(), {"layers.0.attention": 2})
    assert "are not the rows and columns of an image" in message


def test_keys_that_come_with_the_queries_from_one_layer_are_refused():
    graph = Vit(style="fused", class_tokens=0).graph()
    assert "no tokens in common" in refused(graph, {"layers.0.attention": 2})


def test_queries_that_share_the_keys_positions_are_refused():
    name = next(n for n in NAMES if n.startswith("detr"))
    message = refused(skeleton(name), {"encoder.layers.1.self_attn": 2})
    assert "come from one layer with its keys" in message


def test_keys_that_a_table_tells_apart_are_refused():
    graph, _ = attention_on_a_picture("tokens", bias=True)
    [site] = find_attention_sites(graph)
    assert "tells keys apart by table" in refused(graph, {site.name: 2})
