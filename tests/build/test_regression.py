"""Costs by count, and by a clock that the test holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.build.regression import (
    CostLimits,
    GraphCost,
    LatencyRatio,
    check_changed,
    compare_costs,
    compare_latency,
    fingerprint,
    graph_cost,
    measure_latency,
)
from edgert.surgery.cost import cost_of
from edgert.surgery.load import load_graph
from tests.build.broken_graphs import parent_model, set_weight, write_healthy_pair
from tests.skeletons import skeleton
from tests.surgery.graphs_residual import graph_from_text

# ---------------------------------------------------------------- counts


def test_activations_peak_where_most_values_live_at_once():
    # x 64 B; a 64 B; b 256 B; y 16 B. While b is computed x (read last by c), a and b live.
    graph = graph_from_text(
        """g (float[1,16] x) => (float[1,4] y) {
        a = Relu(x) b = MatMul(a, wide) c = MatMul(b, narrow) d = Add(c, x)
        y = MatMul(d, out) }""",
        {"wide": np.zeros((16, 64), np.float32), "narrow": np.zeros((64, 16), np.float32),
         "out": np.zeros((16, 4), np.float32)},
    )  # fmt: skip
    cost = graph_cost(graph)
    assert cost.activations_bytes == 64 + 64 + 256
    assert cost.weights_bytes == 4 * (16 * 64 + 64 * 16 + 16 * 4)
    assert cost.macs == cost_of(graph).macs == 16 * 64 + 64 * 16 + 16 * 4


def test_a_value_that_nobody_reads_and_an_output_are_counted():
    graph = graph_from_text(
        """g (float[1,16] x) => (float[1,16] y, float[1,8] z) {
        y = Relu(x) a, z = Split <axis = 1> (y, half) }""",
        {"half": np.array([8, 8])},
    )
    assert graph_cost(graph).activations_bytes == 64 + 32 + 32  # y stays to the end


def test_a_model_costs_less_after_its_merge(tmp_path):
    parent, derived = write_healthy_pair(tmp_path)
    costs = [graph_cost(load_graph(path)) for path in (derived, parent)]
    assert compare_costs(*costs) == []
    assert compare_costs(*reversed(costs))[0].stage == "cost"


@pytest.mark.parametrize("name", ["segformer_b0_dynamo", "resnet50_torchscript"])
def test_peak_lies_between_the_largest_value_and_all_of_them(name):
    graph = skeleton(name)
    cost, all_bytes = graph_cost(graph), cost_of(graph).activation_bytes
    largest = max(4 * int(np.prod(node.outputs[0].shape)) for node in graph.nodes)
    assert largest <= cost.activations_bytes < all_bytes / 2


@pytest.mark.parametrize(
    ("got", "complaints"),
    [
        (GraphCost(1000, 1 << 20, 1 << 20), []),
        (GraphCost(1001, 1 << 20, 1 << 20), ["multiply-accumulates"]),
        (GraphCost(1000, (1 << 20) + 60_000, (1 << 20) + 60_000), []),
        (GraphCost(1000, 3 << 20, 1 << 20), ["bytes of weights"]),
        (GraphCost(1000, 1 << 20, 3 << 20), ["bytes of activations"]),
        (GraphCost(9999, 9 << 20, 9 << 20),
         ["multiply-accumulates", "bytes of weights", "bytes of activations"]),
    ],
)  # fmt: skip
def test_each_cost_has_its_limit(got, complaints):
    found = compare_costs(got, GraphCost(1000, 1 << 20, 1 << 20))
    assert len(found) == len(complaints)
    assert all(word in f.expected for f, word in zip(found, complaints, strict=True))
    assert not any(f.warning for f in found)
    assert compare_costs(got, GraphCost(1, 1, 1), limits=CostLimits(1e9, 1e9, 1e9)) == []


# ---------------------------------------------------------------- is it the parent


def test_names_and_order_of_weights_do_not_make_another_graph(tmp_path):
    import onnx

    model = parent_model()
    onnx.save(model, str(tmp_path / "a.onnx"))
    for node in model.graph.node:
        node.name = f"other/{node.name}"
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name not in ("pixel_values", "logits", ""):
                    names[index] = f"renamed.{name}"
    for tensor in model.graph.initializer:
        tensor.name = f"renamed.{tensor.name}"
    weights = list(reversed(model.graph.initializer))
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights)
    onnx.save(model, str(tmp_path / "b.onnx"))
    one, other = load_graph(tmp_path / "a.onnx"), load_graph(tmp_path / "b.onnx")
    [finding] = check_changed(other, one)
    assert "node for node" in finding.got


@pytest.mark.parametrize("what", ["weight", "attribute", "operator", "order"])
def test_any_change_makes_another_graph(tmp_path, what):
    import onnx

    model = parent_model()
    onnx.save(model, str(tmp_path / "a.onnx"))
    nodes = {node.name: node for node in model.graph.node}
    if what == "weight":
        set_weight(model, "ffn.fc2.bias", lambda array: array + np.float32(1e-7))
    elif what == "attribute":
        nodes["norm1/LayerNormalization"].attribute[0].f = 2e-5
    elif what == "operator":
        nodes["head.act/Relu"].op_type = "Elu"
    else:
        inputs = nodes["head.join/Concat"].input
        inputs[0], inputs[1] = inputs[1], inputs[0]
    onnx.save(model, str(tmp_path / "b.onnx"))
    one, other = load_graph(tmp_path / "a.onnx"), load_graph(tmp_path / "b.onnx")
    assert fingerprint(one) != fingerprint(other)
    assert check_changed(other, one) == []


# ---------------------------------------------------------------- latency


class Machine:
    """A clock, and runs that let it go on."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.order: list[str] = []

    def clock(self) -> float:
        return self.now_s

    def run(self, name: str, *durations_s: float):
        left = list(durations_s)

        def once() -> None:
            self.order.append(name)
            self.now_s += left.pop(0) if len(left) > 1 else left[0]

        return once


def test_rounds_take_turns_and_change_who_comes_first():
    machine = Machine()
    found = measure_latency(machine.run("d", 0.5, 0.02), machine.run("p", 0.5, 0.01),
                            rounds=4, clock=machine.clock)  # fmt: skip
    assert "".join(machine.order) == "dp" + "pd" + "dp" + "pd" + "dp"  # first the warm-up
    assert found.ratio == pytest.approx(2)
    assert (found.derived_s, found.parent_s) == (pytest.approx(0.02), pytest.approx(0.01))


def test_one_busy_moment_changes_the_range_and_not_the_ratio():
    machine = Machine()
    derived = machine.run("d", 0.01, 0.01, 0.01, 0.9, 0.01)
    found = measure_latency(derived, machine.run("p", 0.01), rounds=5, clock=machine.clock)
    assert found.ratio == pytest.approx(1)
    assert found.most == pytest.approx(90)
    assert compare_latency(found) == []


@pytest.mark.parametrize(
    ("ratio", "least", "derived_s", "verdict"),
    [
        (0.5, 0.4, 0.05, None),
        (1.05, 0.9, 0.05, None),
        (1.3, 1.2, 0.05, "warning"),
        (1.8, 1.6, 0.05, "error"),
        (1.8, 0.8, 0.05, "warning"),  # not in every round: the machine was busy
        (3.0, 2.9, 0.0005, None),  # too short to be judged
    ],
)
def test_slower_is_a_warning_and_far_slower_an_error(ratio, least, derived_s, verdict):
    latency = LatencyRatio(derived_s, derived_s / ratio, ratio, least, ratio + 0.1)
    found = compare_latency(latency)
    assert [("warning" if f.warning else "error") for f in found] == ([verdict] if verdict else [])
    assert all(f"{ratio:.2f} times" in f.got for f in found)


@given(st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=9), st.floats(0.2, 5))
def test_a_machine_that_gets_slower_meets_both_alike(rounds_s, factor):
    machine = Machine()
    derived = machine.run("d", 1.0, *(factor * t for t in rounds_s), 1.0)
    parent = machine.run("p", 1.0, *rounds_s, 1.0)
    found = measure_latency(derived, parent, rounds=len(rounds_s), clock=machine.clock)
    assert found.least <= found.ratio <= found.most
    assert found.ratio == pytest.approx(factor)
