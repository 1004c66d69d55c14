"""Which residual branches are found, which sums are none, and what branches are called."""

import re

import onnx_ir as ir
import pytest
import yaml

from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from edgert.surgery.residual_names import Region, branch_names
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.skeletons import NAMES, skeleton, skeleton_proto
from tests.surgery.graphs_residual import (
    NETS,
    NO_BRANCHES,
    SINGLE_BRANCHES,
    SQUARE,
    VECTORS,
    graph_from_text,
    no_branch,
    random_weights,
    single_branch,
)

# model -> (identity, projection)
COUNTS = {
    "segformer_b0": (16, 0),
    "segformer_b2": (32, 0),
    "vit_small": (24, 0),
    "resnet50": (12, 4),
    "detr_resnet50": (41, 4),  # 16 backbone + 12 encoder + 17 decoder
    "swin_tiny": (24, 0),
    "mobilenet_v3": (10, 0),  # the 15 blocks but those that stride or change the width
    "yolo9_tiny": (42, 0),  # 7 aggregation blocks x 2 paths x 3 bottlenecks
    "yolox_nano": (7, 0),  # 1 + 3 + 3 bottlenecks of the backbone
}


def names_of(graph: Graph) -> list[str]:
    return [branch.name for branch in find_residual_branches(graph)]


# ---------------------------------------------------------------- found


@pytest.mark.parametrize("name", NETS)
def test_small_nets_have_their_branches(name):
    net = NETS[name]
    found = {b.name: b.shortcut for b in find_residual_branches(net.graph())}
    assert found == net.branches


@pytest.mark.parametrize("name", SINGLE_BRANCHES)
def test_a_single_branch_is_found_whatever_its_form(name):
    [branch] = find_residual_branches(single_branch(name))
    assert branch.shortcut == SINGLE_BRANCHES[name][2]


@pytest.mark.parametrize("name", NO_BRANCHES)
def test_what_only_looks_like_a_branch_is_none(name):
    assert find_residual_branches(no_branch(name)) == []


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("model", COUNTS)
def test_known_models_have_all_their_branches(model, exporter):
    branches = find_residual_branches(skeleton(f"{model}_{exporter}"))
    kinds = [branch.shortcut for branch in branches]
    assert (kinds.count("identity"), kinds.count("projection")) == COUNTS[model]


def test_decoder_counts_cross_attention_of_constant_queries_but_no_work_on_zeros():
    first = [n for n in names_of(skeleton("detr_resnet50_dynamo")) if "decoder.layers.0." in n]
    assert first == ["decoder.layers.0.encoder_attn", "decoder.layers.0.mlp"]


def test_branches_come_in_the_order_of_their_sums():
    graph = skeleton("vit_small_dynamo")
    order = {node.name: position for position, node in enumerate(graph.nodes)}
    positions = [order[branch.add] for branch in find_residual_branches(graph)]
    assert positions == sorted(positions)


def test_a_deep_chain_is_searched_to_its_end():
    count = 150
    lines = "".join(
        f"h{i} = MatMul(x{i}, wa) r{i} = Relu(h{i}) f{i} = MatMul(r{i}, wb) "
        f"x{i + 1} = Add(x{i}, f{i}) "
        for i in range(count)
    )
    text = f"g (float[1,4] x0) => (float[1,4] x{count}) {{ {lines} }}"
    weights = random_weights({"wa": (4, 4), "wb": (4, 4)})
    assert len(find_residual_branches(graph_from_text(text, weights))) == count


def test_an_unknown_operator_with_weights_counts_as_a_layer():
    weights = random_weights({"w": (4, 4)})
    text = f"{VECTORS} {{ h = ai.example.Dense(x, w) y = Add(x, h) }}"
    graph = graph_from_text(text, weights)
    graph.node("Dense").outputs[0].shape = ir.Shape((1, 4))
    assert names_of(graph) == ["Dense"]


def test_a_subgraph_that_reads_the_branch_keeps_it():
    text = f"""{VECTORS} <bool yes = {{1}}> {{
        h = MatMul(x, wa) s = Add(x, h)
        t = If(yes) <then_branch = a () => (float[1,4] u) {{ u = Relu(h) }},
                     else_branch = b () => (float[1,4] v) {{ v = Neg(h) }}>
        y = Mul(s, t) }}"""
    assert names_of(graph_from_text(text, random_weights({"wa": (4, 4)}))) == []


# ---------------------------------------------------------------- what is told about them


@pytest.mark.parametrize(
    "name", [n for n in NAMES if not n.startswith(("segformer_b2", "detr", "swin", "yolo9"))]
)
def test_nodes_and_macs_are_what_goes_when_the_branch_goes(name):
    graph = skeleton(name)
    before = {node.name for node in graph.nodes}
    macs = cost_of(graph).macs
    for branch in find_residual_branches(graph)[::4]:
        left = skip_residuals(graph, branches=[branch.name])
        assert before - {node.name for node in left.nodes} == set(branch.nodes)
        assert macs - cost_of(left).macs == branch.macs > 0


def test_nodes_made_of_a_constant_shortcut_alone_go_with_the_branch():
    text = """g (float[1,7,4] memory) => (float[1,5,4] y, float[1,5,4] z) {
        k = MatMul(memory, wa) kt = Transpose<perm = [0, 2, 1]>(k) qk = MatMul(query, kt)
        s = Softmax(qk) o = MatMul(s, memory) ["/Sum"] x = Add(o, stream)
        ["/Constant"] h = MatMul(x, wb) ["/Relu"] r = Relu(h) ["/Output"] z = MatMul(r, wd)
        ["/Later"] q = MatMul(r, kt) p = Softmax(q) y = MatMul(p, memory) }"""
    weights = random_weights(SQUARE | {"query": (1, 5, 4), "stream": (1, 5, 4)})
    graph = graph_from_text(text, weights)
    [branch] = find_residual_branches(graph)
    assert branch.nodes[-3:] == ("/Sum", "/Constant", "/Relu")
    left = skip_residuals(graph, branches=[branch.name])
    gone = {node.name for node in graph.nodes} - {node.name for node in left.nodes}
    assert gone == set(branch.nodes)


def test_what_becomes_constant_without_the_branch_goes_with_it():
    graph = skeleton("detr_resnet50_torchscript")
    branches = {branch.name: branch for branch in find_residual_branches(graph)}
    branch = branches["decoder.layers.0.encoder_attn"]
    left = skip_residuals(graph, branches=[branch.name])
    gone = {node.name for node in graph.nodes} - {node.name for node in left.nodes}
    assert gone == set(branch.nodes)
    assert cost_of(graph).macs - cost_of(left).macs == branch.macs
    assert set(branches["decoder.layers.0.mlp"].nodes) < gone
    assert branches["decoder.layers.1.encoder_attn"].add not in gone


def test_shortcut_and_branch_values_are_the_sum_operands():
    graph = NETS["bottleneck"].graph()
    first, second = find_residual_branches(graph)
    assert (first.shortcut_value, first.branch_value) == ("p", "c")
    assert (second.shortcut_value, second.branch_value) == ("e", "i")
    assert first.nodes == ("stages.0.conv.0/Conv", "stages.0/Relu", "stages.0.conv.1/Conv",
                           "stages.0/Add")  # fmt: skip


# ---------------------------------------------------------------- names


def test_names_are_module_paths():
    assert names_of(skeleton("segformer_b0_dynamo"))[:3] == [
        "segformer.stages.0.blocks.0.attention",
        "segformer.stages.0.blocks.0.mlp",
        "segformer.stages.0.blocks.1.attention",
    ]
    assert names_of(skeleton("vit_small_torchscript"))[-1] == "vit.layers.11.mlp"
    assert (
        names_of(skeleton("resnet50_torchscript"))[0] == "resnet.encoder.stages.0.layers.0.layer"
    )


@pytest.mark.parametrize("model", COUNTS)
def test_names_are_the_same_from_both_exporters(model):
    assert names_of(skeleton(f"{model}_dynamo")) == names_of(skeleton(f"{model}_torchscript"))


@pytest.mark.parametrize("name", NAMES)
def test_names_are_unique_and_go_unquoted_into_yaml_and_command_lines(name):
    names = names_of(skeleton(name))
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", n) for n in names)
    assert yaml.safe_load(f"[{', '.join(names)}]") == names


def test_names_stay_without_module_paths():
    model = skeleton_proto("resnet50_dynamo")
    for number, node in enumerate(model.graph.node):
        del node.metadata_props[:]
        node.name = f"node_{number}" if number % 2 else ""
    graph = normalised(Graph(ir.from_proto(model)))
    names = names_of(graph)
    assert len(set(names)) == 16
    left = skip_residuals(graph, branches=names[::3])
    assert names_of(left) == [n for i, n in enumerate(names) if i % 3]


@pytest.mark.parametrize(
    ("add", "layers", "expected"),
    [
        ("/m/enc/layer.0/Add", ["/m/enc/layer.0/attn/q/MatMul", "/m/enc/layer.0/attn/o/MatMul"],
         "enc.layer.0.attn"),
        ("enc.layer.0.output/Add", ["enc.layer.0.up/MatMul", "enc.layer.0.output.dense/MatMul"],
         "enc.layer.0.output"),
        ("enc.layer.0.attn.output/Add", ["enc.layer.0.attn.q/MatMul",
                                         "enc.layer.0.attn.output.d/MatMul"], "enc.layer.0.attn"),
        ("blocks.3/Add", ["blocks.3.dw/Conv", "blocks.3.pw/Conv"], "blocks.3"),
        ("blocks.3/Add_1", ["blocks.3.fc1/MatMul", "blocks.3.fc2/MatMul"], "blocks.3.fc2"),
        ("blocks.3/Add_1", ["blocks.3/MatMul_3", "blocks.3/MatMul_4"], "blocks.3.MatMul_4"),
        # Positions refined on the way from block to block name nothing.
        ("dec.layers.1/Add", ["dec.boxes.0/MatMul", "dec.layers.1.attn.q/MatMul",
                              "dec.layers.1.attn.o/MatMul"], "dec.layers.1.attn"),
        # One exporter doubles the name of a sequence.
        ("/net/s/Add", ["/net/s/layer/layer.0/conv/Conv", "/net/s/layer/layer.1/conv/Conv"],
         "s.layer"),
        ("/net/s/s.1/s.1.0/Add", ["/net/s/s.1/s.1.0/a/Conv", "/net/s/s.1/s.1.0/b/Conv"], "s.1.0"),
        ("/net/s/s/s.0/Add", ["/net/s/s/s.0/a/Conv", "/net/s/s/s.0/b/Conv"], "s.s.0"),
        ("net.s.s.0/Add", ["net.s.s.0.a/Conv", "net.s.s.0.b/Conv"], "s.s.0"),
        # Weights used again and again.
        ("a.attn/Add_3", ["a.attn.q/MatMul_1", "a.attn.o/MatMul_1"], "a.attn.o.1"),
        ("a.attn/Add_3", ["a.attn.q_1/MatMul", "a.attn.o_1/MatMul"], "a.attn.o.1"),
        # No module paths at all; several of them; characters and words that YAML would take amiss.
        ("Add_7", ["Conv_3", "Conv_4"], "Conv_4"),
        ("Add", ["conv1/Conv", "conv2/Conv"], "conv2"),
        ("0/Add", ["0.1/Conv"], "branch.0.1"),
        ("Add", ["on/Conv"], "branch.on"),
        ("Add", ["a b:c/Conv"], "a_b_c"),
        ("top/Add_2", [], "top.Add_2"),
    ],
)  # fmt: skip
def test_a_name_is_made_of_its_own_branch(add, layers, expected):
    assert branch_names([Region(add, tuple(layers))]) == [expected]


def test_names_that_collide_grow_until_they_differ():
    regions = [
        Region("s/Add", ("s.win/MatMul", "s.a/MatMul")),
        Region("s/Add", ("s.win/MatMul", "s.b/MatMul")),
    ]
    assert branch_names(regions) == ["s.a", "s.b"]
    twins = [Region("s/Add", ("s.a/MatMul",)), Region("s/Add_1", ("s.a/MatMul",))]
    assert len(set(branch_names(twins))) == 2


def test_finding_changes_nothing():
    graph = NETS["nested"].graph()
    before = ir.to_proto(graph.model).SerializeToString()
    find_residual_branches(graph)
    assert ir.to_proto(graph.model).SerializeToString() == before
