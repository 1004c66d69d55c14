import numpy as np
import pytest
from own_process import run_step

from tests.conftest import PROJECT


@pytest.fixture(autouse=True)
def _own_steps(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


def step(name, folder, timeout_s=30.0, **parameters):
    return run_step(f"tests.tools.steps:{name}", folder, parameters, timeout_s=timeout_s)


def test_a_step_returns_its_result_with_time_and_memory(tmp_path):
    outcome = step("add", tmp_path / "sum", a=2, b=3)
    assert outcome.failed == ""
    assert outcome.result == {"sum": 5, "folder": "sum"}
    assert 0 < outcome.seconds < 30
    assert 8 << 20 < outcome.peak_bytes < 512 << 20


def test_memory_is_the_peak_of_this_step_and_not_what_started_it(tmp_path):
    held = np.ones(300 << 17)  # 300 MiB here, in the process that starts the steps
    small = step("take_memory", tmp_path / "small", mebibytes=1)
    large = step("take_memory", tmp_path / "large", mebibytes=200)
    assert held.sum() == 300 << 17
    assert small.peak_bytes < 200 << 20
    assert 190 << 20 < large.peak_bytes - small.peak_bytes < 210 << 20


def test_every_failure_is_one_line(tmp_path):
    refused = step("refuse", tmp_path)
    assert refused.failed == "build it: expected bricks, got none. Bring some."
    assert refused.result == {}
    assert not refused.timed_out
    assert step("fail", tmp_path).failed == "RuntimeError: out of"
    assert step("crash", tmp_path).failed == "ended by signal 6: about to crash"
    assert "nowhere" in step("nowhere", tmp_path).failed


def test_a_step_that_hangs_is_ended(tmp_path):
    outcome = step("hang", tmp_path, timeout_s=1.0)
    assert outcome.failed == "not done after 1 s"
    assert outcome.timed_out
    assert 1 <= outcome.seconds < 20


def test_a_result_from_before_is_not_taken_for_a_new_one(tmp_path):
    assert step("add", tmp_path, a=1, b=1).result["sum"] == 2
    again = step("fail", tmp_path)
    assert again.result == {}
    assert again.peak_bytes == 0
