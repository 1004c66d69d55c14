import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from edgert.artifacts import BuiltSet
from tests.test_pool import built_set
from tests.tiny_graphs import conv_net

PROJECT = Path(__file__).resolve().parent.parent.parent


def benchmark(*words):
    command = [sys.executable, str(PROJECT / "tools" / "benchmark.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture
def case(tmp_path) -> tuple[BuiltSet, list[Path]]:
    models = {"full": conv_net(), "small": conv_net(1)}
    graphs = [tmp_path / f"{name}.onnx" for name in models]
    for path, model in zip(graphs, models.values(), strict=True):
        onnx.save(model, str(path))
    return built_set(tmp_path / "built", **models), graphs


def test_pool_benchmark_measures_memory_and_switches(case):
    built, graphs = case
    result = benchmark("pool", built.path, "--json", "--switches", 5, "--graphs", *graphs)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert found["engines"] == ["full", "small"]
    assert found["switching"]["frames"] == 15
    assert found["switching"]["frames_lost"] == 0
    assert all(size > 1 << 20 for size in found["memory"].values())
    assert found["machine"]["cores"] >= 1


def test_pool_benchmark_refuses_another_number_of_graphs(case):
    built, graphs = case
    result = benchmark("pool", built.path, "--graphs", graphs[0])
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "2 graphs" in result.stderr


def test_missing_set_is_one_line(tmp_path):
    result = benchmark("pool", tmp_path / "none")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
