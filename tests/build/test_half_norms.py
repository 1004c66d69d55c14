from edgert.build.check import check_graph
from edgert.build.half_norms import half_norm_findings
from edgert.surgery.graph import save_graph
from edgert.surgery.lower_precision import lower_precision
from tests.skeletons import skeleton, skeleton_proto
from tests.surgery.graphs_linear import graph_from_text
from tests.surgery.variants import as_graph, half_precision


def test_graph_without_half_norms_has_no_finding():
    graph = skeleton("segformer_b0_dynamo")
    assert half_norm_findings(graph) == []
    assert half_norm_findings(lower_precision(graph)) == []


def test_half_norms_are_one_warning_that_names_the_first():
    graph = as_graph(half_precision(skeleton_proto("segformer_b0_dynamo")))
    [finding] = half_norm_findings(graph)
    first = next(n for n in graph.nodes if n.op_type == "LayerNormalization")
    assert finding.node == f"{first.name} (LayerNormalization)"
    assert finding.warning
    assert finding.got.endswith("and 35 more")


def test_verify_warns_of_them_and_goes_on(tmp_path):
    graph = graph_from_text(
        """agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) {
        h = Cast<to=10>(x) ["head/Softmax"] s = Softmax<axis=1>(h) y = Cast<to=1>(s) }"""
    )
    save_graph(graph, tmp_path / "half.onnx")
    report = check_graph(tmp_path / "half.onnx", measure=None)
    assert report.stages[-1] == "optimisation"
    assert report.errors == []
    [finding] = report.findings
    assert finding.node == "head/Softmax (Softmax)"
    assert "half precision in head/Softmax" in finding.got
