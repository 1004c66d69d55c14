import pytest

from edgert.profiling.latency import latency_statistics, measure_latencies


def test_statistics_of_known_times():
    statistics = latency_statistics([0.001 * n for n in range(1, 102)], warmup_runs=7)
    assert statistics.median_s == pytest.approx(0.051)
    assert statistics.p95_s == pytest.approx(0.096)
    assert statistics.p99_s == pytest.approx(0.100)
    assert statistics.iqr_s == pytest.approx(0.050)
    assert (statistics.runs, statistics.warmup_runs) == (101, 7)


def test_engines_take_turns_and_warm_up_first():
    order: list[str] = []
    results = measure_latencies(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")},
        rounds=2,
        runs_per_round=3,
        warmup_runs=2,
    )
    turn = ["a"] * 4 + ["b"] * 4
    assert order == ["a"] * 2 + ["b"] * 2 + turn * 2
    assert results["a"].runs == 6
    assert results["a"].warmup_runs == 2 + 2


def test_slower_work_measures_slower():
    def spin(count: int) -> None:
        sum(range(count))

    results = measure_latencies(
        {"long": lambda: spin(40_000), "short": lambda: spin(400)}, rounds=5, runs_per_round=5
    )
    assert results["long"].median_s > 5 * results["short"].median_s


def test_progress_counts_the_rounds():
    seen = []
    measure_latencies(
        {"a": lambda: None}, rounds=3, runs_per_round=1, progress=lambda *step: seen.append(step)
    )
    assert [done for done, _, _ in seen] == [0, 1, 2, 3]
