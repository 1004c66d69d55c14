"""Finding attention: on real exports, under the names of its residual branches."""

import numpy as np
import pytest

from edgert.surgery.attention import find_attentions
from edgert.surgery.attention_sites import find_attention_sites
from edgert.surgery.graph_view import GraphView
from edgert.surgery.prune_tokens import PruningSite, prune_tokens
from edgert.surgery.residuals import find_residual_branches
from tests.skeletons import NAMES, skeleton
from tests.surgery.graphs_residual import NETS, graph_from_text, random_weights
from tests.surgery.graphs_vit import STYLES, Vit

VITS, DETRS, SEGFORMERS = (
    [name for name in NAMES if name.startswith(kind)] for kind in ("vit", "detr", "segformer")
)


def attentions(graph):
    return find_attentions(graph, GraphView(graph))


@pytest.mark.parametrize("name", VITS + SEGFORMERS)
def test_an_attention_has_the_name_of_its_residual_branch(name):
    graph = skeleton(name)
    branches = [b.name for b in find_residual_branches(graph) if b.name.endswith("attention")]
    assert [attention.name for attention in attentions(graph)] == branches


@pytest.mark.parametrize("name", VITS)
def test_vit_small_has_twelve_sites_with_a_class_token(name):
    sites = find_attention_sites(skeleton(name))
    assert [site.name for site in sites] == [f"vit.layers.{n}.attention" for n in range(12)]
    assert {(s.heads, s.queries, s.keys, s.protected, s.fewest) for s in sites} == {
        (6, 197, 197, 1, 3)
    }
    assert all(site.prunable and site.grid is None for site in sites)


@pytest.mark.parametrize("name", [n for n in SEGFORMERS if "b0" in n])
def test_segformer_has_pictures_of_keys_and_no_site_to_prune(name):
    sites = find_attention_sites(skeleton(name))
    assert [site.heads for site in sites] == [1, 1, 2, 2, 5, 5, 8, 8]
    assert [site.keys for site in sites] == [165] * 6 + [180] * 2
    assert [site.queries for site in sites] == [10800] * 2 + [2700] * 2 + [690] * 2 + [180] * 2
    assert [site.grid for site in sites] == [(11, 15)] * 6 + [(12, 15)] * 2
    assert not any(site.prunable or site.merge_blocked for site in sites)
    assert "10800 queries but 165 keys" in sites[0].blocked
    assert "dwconv/Reshape lays the tokens out" in sites[-1].blocked


@pytest.mark.parametrize("name", DETRS)
def test_detr_can_be_pruned_in_its_encoder_alone(name):
    sites = {site.name: site for site in find_attention_sites(skeleton(name))}
    assert [name for name, site in sites.items() if site.prunable] == [
        f"encoder.layers.{number}.self_attn" for number in range(6)
    ]
    assert len(sites) == 17  # the first decoder self-attention works on constants only
    assert sites["encoder.layers.0.self_attn"].protected == 0
    assert all(site.merge_blocked and site.grid is None for site in sites.values())


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("resnet")])
def test_a_convolutional_net_has_none(name):
    assert find_attention_sites(skeleton(name)) == []


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("class_tokens", [0, 1, 3])
def test_each_way_to_write_attention_is_found(style, class_tokens):
    sites = find_attention_sites(Vit(style=style, class_tokens=class_tokens).graph())
    assert [site.name for site in sites] == [f"layers.{n}.attention" for n in range(3)]
    assert {(s.heads, s.queries, s.protected) for s in sites} == {
        (2, 9 + class_tokens, class_tokens)
    }


def test_registers_that_nothing_reads_are_protected_too():
    """Three constants in front, of which the head reads the first."""
    assert {site.protected for site in find_attention_sites(Vit(class_tokens=3).graph())} == {3}


def test_registers_are_still_protected_behind_a_pruning_site():
    sites = [PruningSite("layers.0.attention", 8)]
    pruned = find_attention_sites(prune_tokens(Vit(class_tokens=3).graph(), sites=sites))
    assert [(site.queries, site.protected) for site in pruned if site.prunable] == [(8, 3)] * 2


def test_a_softmax_over_classes_or_channels_is_no_attention():
    assert attentions(NETS["chain"].graph()) == []
    text = """g (float[1,6,4] x) => (float[1,6,4] y) {
        s = Softmax<axis = 1>(x) t = Transpose<perm = [0, 2, 1]>(x) m = MatMul(x, t)
        u = Softmax<axis = 1>(m) y = MatMul(u, x) }"""
    assert attentions(graph_from_text(text)) == []


def test_attention_without_a_residual_sum_is_named_by_its_scope():
    text = """g (float[1,6,4] x) => (float[1,4] y) {
        ["pool.0.attention.q/MatMul"] q = MatMul(x, wa)
        t = Transpose<perm = [0, 2, 1]>(x)
        ["pool.0.attention/MatMul"] s = MatMul(q, t) p = Softmax(s)
        ["pool.0.attention/MatMul_1"] a = MatMul(p, x)
        y = ReduceMean<keepdims = 0>(a, axis) }"""
    graph = graph_from_text(text, random_weights({"wa": (4, 4)}) | {"axis": np.array([1])})
    [site] = find_attention_sites(graph)
    assert site.name == "pool.0.attention"
    assert site.blocked == "no residual sum follows MatMul pool.0.attention/MatMul_1"


def test_two_attentions_in_one_branch_have_names_of_their_own():
    text = """g (float[1,6,4] x) => (float[1,4] y) {
        t = Transpose<perm = [0, 2, 1]>(x)
        ["b.0.one.q/MatMul"] q = MatMul(x, wa) ["b.0.one/MatMul"] s = MatMul(q, t)
        p = Softmax(s) ["b.0.one/MatMul_1"] a = MatMul(p, x)
        ["b.0.two.q/MatMul"] q2 = MatMul(x, wb) ["b.0.two/MatMul"] s2 = MatMul(q2, t)
        p2 = Softmax(s2) ["b.0.two/MatMul_1"] a2 = MatMul(p2, a)
        ["b.0.out/MatMul"] o = MatMul(a2, wc) ["b.0/Add"] r = Add(x, o)
        y = ReduceMean<keepdims = 0>(r, axis) }"""
    shapes = {"wa": (4, 4), "wb": (4, 4), "wc": (4, 4)}
    graph = graph_from_text(text, random_weights(shapes) | {"axis": np.array([1])})
    assert [attention.name for attention in attentions(graph)] == ["b.0.one", "b.0.two"]


def test_attentions_of_a_graph_without_scopes_are_named_by_their_nodes():
    text = """g (float[1,6,4] x) => (float[1,6,4] y) {
        t = Transpose<perm = [0, 2, 1]>(x) ["a"] s = MatMul(x, t) p = Softmax(s)
        ["b"] v = MatMul(p, x) u = Transpose<perm = [0, 2, 1]>(v) ["c"] s2 = MatMul(v, u)
        p2 = Softmax(s2) ["d"] y = MatMul(p2, v) }"""
    assert [attention.name for attention in attentions(graph_from_text(text))] == ["b", "d"]


def test_masks_and_guards_around_the_softmax_are_looked_through():
    text = """g (float[1,6,4] x) => (float[1,4] y) {
        q = MatMul(x, wa) t = Transpose<perm = [0, 2, 1]>(x) s = MatMul(q, t)
        d = Div(s, two) m = Add(d, mask) p = Softmax(m) n = IsNaN(p) w = Where(n, zero, p)
        a = MatMul(w, x) r = Add(x, a) y = ReduceMean<keepdims = 0>(r, axis) }"""
    constants = random_weights({"wa": (4, 4)}) | {
        "axis": np.array([1]),
        "two": np.array(2, np.float32),
        "zero": np.array(0, np.float32),
        "mask": np.zeros((1, 6, 6), np.float32),
    }
    [site] = find_attention_sites(graph_from_text(text, constants))
    assert (site.heads, site.queries, site.keys, site.prunable) == (1, 6, 6, True)
