import numpy as np
import pytest

from edgert.errors import PreconditionError
from edgert.surgery.half_plan import check_keep, plan_half, why_not_half
from tests.surgery.graphs_linear import graph_from_text

LARGEST, TINY = np.float32(1e5), np.float32(1e-6)


def plan_of(body, weights=None, *, output="float[1,4,6,6] y", **asked):
    graph = graph_from_text(
        f"agraph (float[1,4,6,6] x) => ({output}) {{ {body} }}",
        {"w": np.ones((4, 4, 1, 1), np.float32)} | (weights or {}),
    )
    plan = plan_half(graph, **asked)
    return {node.op_type for node in plan.half}, plan.kept


CONV = '["c"] h = Conv(x, w)'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('["n"] s = Softmax<axis=1>(h)', "normalises"),
        ('["n"] s = GlobalAveragePool(h)', "sums over many numbers"),
        ('["n"] s = ReduceSum(h)', "sums over many numbers"),
        ('["n"] s = Exp(h)', "leaves the range of float16 easily"),
        ('["n"] s = Mul(h, h)', "squares, which leaves the range of float16 at 256"),
        ('["n"] s = Div(x, h)', "divides by a number that may be tiny"),
        ('m = ReduceMax(h) ["n"] s = Sub(h, m)', "takes off what a reduction found"),
        ('["n"] s = Add(h, large)', "its constant large reaches 1e+05, beyond 65504"),
        ('["n"] s = Add(h, tiny)', "its constant tiny has numbers of 1.0e-06"),
    ],
)
def test_operator_stays_with_its_reason(body, reason):
    constants = {"large": np.array([1, LARGEST], np.float32).repeat(3), "tiny": TINY.reshape(1)}
    half, kept = plan_of(f"{CONV} {body} y = Conv(s, w)", constants)
    assert "Conv" in half
    assert kept["n"].startswith(reason)


@pytest.mark.parametrize(
    "body", ["s = ReduceMax(h)", "s = Relu(h)", "s = Div(h, two)", "s = Erf(h)"]
)
def test_operator_that_loses_nothing_is_lowered(body):
    _, kept = plan_of(
        f"{CONV} {body} z = Add(h, s) y = Conv(z, w)", {"two": np.float32(2).reshape(1)}
    )
    assert kept == {}


def test_layout_between_float32_nodes_stays_between_them():
    _, kept = plan_of(
        f'{CONV} s = Softmax(h) ["t"] t = Transpose<perm=[0,1,3,2]>(s) e = Exp(t) y = Conv(e, w)'
    )
    assert kept["t"] == "stands between nodes that stay in float32"


def test_layout_on_the_way_to_float16_is_lowered():
    half, _ = plan_of(f"{CONV} s = Softmax(h) t = Transpose<perm=[0,1,3,2]>(s) y = Conv(t, w)")
    assert "Transpose" in half
    half, _ = plan_of(f"{CONV} t = Transpose<perm=[0,1,3,2]>(h) y = Softmax(t)")
    assert "Transpose" in half


def test_normalisation_that_is_spelled_out_stays_as_a_whole():
    _, kept = plan_of(
        f"""{CONV}
        m = ReduceMean(h, axes) ["centre"] d = Sub(h, m) ["square"] q = Pow(d, two)
        v = ReduceMean(q, axes) ["epsilon"] e = Add(v, eps) ["root"] r = Sqrt(e)
        ["divide"] n = Div(d, r) y = Conv(n, w)
        """,
        {
            "axes": np.array([1]),
            "two": np.array(2, np.float32),
            "eps": np.array(0.5, np.float32),  # would fit: it stays for where it stands
        },
    )
    assert {"centre", "square", "epsilon", "root", "divide"} <= set(kept)


def test_residual_stream_behind_a_normalisation_is_lowered():
    half, kept = plan_of(
        f"""{CONV} n = Softmax(h) ["b"] b = Conv(n, w) ["sum"] s = Add(n, b) t = Softmax(s)
        y = Conv(t, w)"""
    )
    assert "sum" not in kept
    assert "Add" in half


def test_comparison_of_float32_stays_beside_it():
    _, kept = plan_of(
        f'{CONV} s = Softmax(h) ["nan"] i = IsNaN(s) z = Where(i, s, s) y = Conv(z, w)'
    )
    assert "nan" in kept


def test_names_and_operators_are_kept_when_asked():
    body = '["a"] h = Conv(x, w) ["b"] s = Relu(h) y = Conv(s, w)'
    assert plan_of(body, keep=["a", "Relu"])[1] == {"a": "asked for", "b": "asked for"}


def test_values_that_were_large_on_frames_stay():
    body = '["a"] h = Conv(x, w) ["b"] s = Relu(h) y = Conv(s, w)'
    assert plan_of(body, largest={"h": 3.2e4})[1] == {}
    kept = plan_of(body, largest={"h": 3.3e4})[1]
    assert kept == dict.fromkeys("ab", "h reached 3.3e+04")


@pytest.mark.parametrize(
    ("numbers", "slack", "fits"),
    [
        ([0.0, 1.0, 65504.0], None, True),
        ([65536.0], None, False),
        ([-np.inf, 1.0], None, True),  # a mask
        ([np.nan], None, True),
        ([0.0, 0.0], None, True),
        ([1.0, 1e-7], None, True),  # beside a larger one
        ([1.0, 1e-7], 1, False),  # divided by
        ([6.2e-5], None, True),
        ([6.0e-5], None, False),
        ([2e-6], 64, True),
        ([5e-7], 64, False),
    ],
)
def test_constants_fit_or_do_not(numbers, slack, fits):
    assert (why_not_half(np.array(numbers, np.float32), slack=slack) == "") is fits


def test_what_is_kept_has_to_be_there():
    graph = graph_from_text("agraph (float[1,4] x) => (float[1,4] y) { y = Relu(x) }")
    check_keep("test", graph, [])
    check_keep("test", graph, ["Relu"])
    with pytest.raises(PreconditionError, match="one of the graph's 1 operators and nodes"):
        check_keep("test", graph, ["Rellu"])
    with pytest.raises(PreconditionError, match="each entry of keep once"):
        check_keep("test", graph, ["Relu", "Relu"])
