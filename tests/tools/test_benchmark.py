import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from edgert.artifacts import BuiltSet
from tests.pool.built_sets import SESSION_BYTES, built_set
from tests.tiny_graphs import conv_net

PROJECT = Path(__file__).resolve().parent.parent.parent


def benchmark(*words):
    command = [sys.executable, str(PROJECT / "tools" / "benchmark.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture
def case(tmp_path) -> tuple[BuiltSet, list[Path]]:
    models = {"full": conv_net(), "c2": conv_net(2), "small": conv_net(1)}
    graphs = [tmp_path / f"{name}.onnx" for name in models]
    for path, model in zip(graphs, models.values(), strict=True):
        onnx.save(model, str(path))
    return built_set(tmp_path / "built", **models), graphs


def test_pool_benchmark_measures_memory_and_switches(case):
    built, graphs = case
    words = ["--switches", 5, "--loads", 3, "--threads", 1, "--graphs", *graphs]
    result = benchmark("pool", built.path, "--json", *words)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert found["engines"] == ["full", "c2", "small"]
    assert found["switching"]["frames"] == 15
    assert found["switching"]["frames_lost"] == 0
    assert all(size > 1 << 20 for size in found["memory"].values())
    one, every = found["planned"]["one"], found["planned"]["all"]
    assert every["planned_bytes"] - one["planned_bytes"] == 2 * SESSION_BYTES
    assert one["before_bytes"] < one["after_bytes"]
    assert found["load_ahead"]["loads"] == 3
    assert found["load_ahead"]["busy_frames"] >= 3
    assert found["load_ahead"]["frames_lost"] == 0
    assert found["machine"]["cores"] >= 1


def test_pool_benchmark_prints_what_was_planned_and_what_was_measured(case):
    built, graphs = case
    words = ["--switches", 2, "--loads", 2, "--threads", 1, "--graphs", *graphs]
    result = benchmark("pool", built.path, *words)
    assert result.returncode == 0, result.stderr
    for line in ("what the others add", "with room for 2 of 3", "while another is loaded"):
        assert line in result.stdout


def test_pool_benchmark_refuses_another_number_of_graphs(case):
    built, graphs = case
    result = benchmark("pool", built.path, "--graphs", graphs[0])
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "3 graphs" in result.stderr


def test_missing_set_is_one_line(tmp_path):
    result = benchmark("pool", tmp_path / "none")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1


def test_control_benchmark_times_frames_and_tells_the_machine():
    words = ["--frames", 300, "--rounds", 2, "--configurations", 3]
    result = benchmark("control", *words, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["controller"], found["configurations"], found["frames"]) == (
        "predictive",
        3,
        300,
    )
    for p50_us, p99_us, most_us in zip(
        found["p50_us"], found["p99_us"], found["most_us"], strict=True
    ):
        assert 0 < p50_us <= p99_us <= most_us
    for p50_us, p99_us in zip(found["observe_p50_us"], found["observe_p99_us"], strict=True):
        assert 0 < p50_us <= p99_us
    assert found["machine"]["python"]
    text = benchmark("control", *words, "--controller", "ladder").stdout
    assert "ladder: 3 configurations" in text
    assert "decide, p99" in text
    assert "observe, p99" in text
    assert "python" in text


def test_control_benchmark_refuses_no_frames():
    result = benchmark("control", "--frames", 0)
    assert result.returncode == 2
    assert "expected --frames of at least 1, got 0" in result.stderr


def test_streams_benchmark_tells_a_turn_and_an_idle_loop():
    words = ["--frames", 200, "--rounds", 2, "--idle-s", 1]
    result = benchmark("streams", "--json", *words)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    each_us = {name: each["median"] for name, each in found["each_us"].items()}
    assert each_us["bare"] < each_us["one"]  # a loop costs something, and it is seen
    assert each_us["controller"] < each_us["four"]
    assert found["idle"]["wakes_per_s"] <= 4
    assert found["idle"]["cpu_ratio"] < 0.05
    result = benchmark("streams", *words)
    assert "StreamLoop, 4 streams" in result.stdout
    assert "% of a core" in result.stdout


def test_sensors_benchmark_tells_the_share_of_a_core():
    words = ["--seconds", 0.2, "--rounds", 2, "--board", "orin-nx"]
    result = benchmark("sensors", "--json", *words)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["board"], found["reads"], found["rounds"]) == ("orin-nx", 20, 2)
    assert set(found["core_ratio"]) == {"paced", "pacing_alone", "back_to_back"}
    assert found["core_ratio"]["back_to_back"]["least"] > 0
    result = benchmark("sensors", *words)
    assert "orin-nx, files in memory, 100 Hz, 2 rounds of 20 reads" in result.stdout


def test_sensors_benchmark_refuses_no_reads():
    result = benchmark("sensors", "--seconds", 0)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "at least one read" in result.stderr
