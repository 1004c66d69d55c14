"""The checks for a real device, on fakes of plain memory: they run, and they can fail."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgert.artifacts import load_family, load_thermal
from edgert.backends.tensorrt.backend import TensorRtBackend
from edgert.build.compile import build_family
from edgert.cli.main import main
from edgert.pool import Pool
from edgert.records import Limits
from tests.backends.cuda_memory.fake_cuda import FakeCuda
from tests.backends.tensorrt.fake_tensorrt import FakeTensorRt
from tests.hardware.checks import (
    THERMAL_BOUNDS,
    WithoutGraphs,
    calibrated,
    graph_against_enqueue,
    memory_against_plan,
    refuse_implausible,
    switch_between_frames,
    temperature_held,
)
from tests.runtime.fakes import Rig, controlled


def fake_backend(tmp_path, cuda, **options):
    vendor = FakeTensorRt(options.pop("memory", cuda))
    return TensorRtBackend(cuda=cuda, vendor=vendor, root=tmp_path / "no machine", **options)


@pytest.fixture
def cuda():
    return FakeCuda()


@pytest.fixture
def backend(tmp_path, cuda):
    return fake_backend(tmp_path, cuda)


@pytest.fixture
def built(tiny_family, backend):
    return build_family(load_family(tiny_family), backend, device="orin").built


def test_switching_is_counted_and_timed(built, backend):
    with Pool.open(built, backend) as pool:
        figures = switch_between_frames(pool, switches=50)
    assert (figures["switches"], figures["wrong"]) == (50, 0)
    assert figures["activate"]["p50_s"] <= figures["activate"]["p99_s"]


def test_an_engine_that_stands_in_for_another_is_found(built, backend):
    class Stuck(Pool):
        def activate(self, name):
            super().activate(name if name != "c1" else "c2")
            return name

    with Stuck.open(built, backend) as pool, pytest.raises(AssertionError):
        switch_between_frames(pool, switches=30)


def test_memory_is_held_against_the_plan(built, backend, cuda):
    figures = memory_against_plan(built, backend, cuda.free_bytes)
    assert figures["engines"] == 3
    assert figures["planned_bytes"] > 0
    assert figures["taken_bytes"] > 0


def test_graphs_and_plain_runs_are_timed_in_turns(built, backend, cuda, tmp_path):
    plain = fake_backend(tmp_path, WithoutGraphs(cuda), memory=cuda)
    with Pool.open(built, backend) as graphs, Pool.open(built, plain) as enqueued:
        before = cuda.count("launch")
        figures = graph_against_enqueue({"graph": graphs, "enqueue": enqueued}, rounds=2, runs=3)
        launches = cuda.count("launch") - before
        frame = np.zeros(graphs.input.shape, np.float32)
        assert np.array_equal(graphs.run(frame), enqueued.run(frame))
    assert set(figures) == {"full", "c2", "c1"}
    assert launches == 3 * 2 * (1 + 3)  # the graphs' runs, and no others
    assert all(f["ratio_median"] > 0 for f in figures.values())


@pytest.fixture
def calibration(tiny_family, tmp_path, monkeypatch):
    """What `edgert calibrate` says of an emulated board, by the checks for a real one."""
    monkeypatch.setenv("EDGERT_THREADS", "1")
    assert main(["build", str(tiny_family)]) == 0
    board = ["--board", "emulated-orin-nano-slow", "--virtual-time"]
    file = tmp_path / "thermal.json"
    return file, calibrated(tiny_family, file, *board, provenance="emulated")


def test_a_board_is_calibrated_and_told(calibration):
    _, figures = calibration
    assert figures["sink_j_per_k"] == pytest.approx(250, rel=0.1)
    assert figures["residual_c"] < 0.5
    assert "standard errors" in figures["method"]


def test_constants_that_no_board_has_are_found(calibration):
    file, _ = calibration
    constants = load_thermal(file)
    refuse_implausible(constants, provenance="emulated")
    for name, (_, high) in THERMAL_BOUNDS.items():
        wrong = msgspec.structs.replace(constants, **{name: 1.01 * high})
        with pytest.raises(AssertionError, match=name):
            refuse_implausible(wrong, provenance="emulated")
    slow_die = msgspec.structs.replace(constants, die_j_per_k=299.0, die_to_sink_k_per_w=4.9)
    with pytest.raises(AssertionError, match="a die of"):
        refuse_implausible(slow_die, provenance="emulated")
    with pytest.raises(AssertionError):
        refuse_implausible(constants, provenance="measured")


def run_emulated(controller: str, limit_c: float | None, log: Path, *, frames: int = 900) -> None:
    """A minute of an emulated board, in virtual time, that heats up within half of it."""
    limits = Limits(period_s=0.069, temp_c=limit_c)
    Rig(controlled(controller, limits), limits=limits, frames=frames, board=True, log=log).run()


def test_a_temperature_limit_is_kept_and_told(tmp_path):
    rested = []
    figures = temperature_held(run_emulated, tmp_path, rest=rested.append)
    assert figures["start_c"] < rested[0] < figures["limit_c"] < figures["dearest_hottest_c"]
    assert figures["hottest_c"] <= figures["limit_c"]
    assert (figures["frames"], figures["skipped"]) == (900, 0)
    assert figures["switches"] > 0


def test_a_limit_that_is_not_kept_and_a_board_that_stays_cool_are_found(tmp_path):
    def brief(controller, limit_c, log):
        run_emulated(controller, limit_c, log, frames=3)

    def careless(controller, limit_c, log):
        run_emulated("fixed-dearest", limit_c, log)

    with pytest.raises(AssertionError, match="warms the board by"):
        temperature_held(brief, tmp_path, rest=print)
    with pytest.raises(AssertionError, match="s over"):
        temperature_held(careless, tmp_path, rest=print)
