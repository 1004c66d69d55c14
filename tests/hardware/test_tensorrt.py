"""TensorRT on a real GPU: what nobody could see where this was written.

    make test-hardware

Figures go to build/hardware/tensorrt.json. On a Jetson fix the power mode before, and run
`edgert doctor` for what else may disturb.
"""

import contextlib

import numpy as np
import pytest

from edgert.backends.cuda_memory import open_cuda
from edgert.backends.tensorrt.backend import TensorRtBackend
from edgert.errors import ArtifactError, BackendError, EngineLoadError
from edgert.pool import Pool
from tests.hardware.checks import (
    WithoutGraphs,
    frames_of,
    graph_against_enqueue,
    memory_against_plan,
    switch_between_frames,
)

pytestmark = pytest.mark.gpu

SWITCHES = 10_000


def test_every_configuration_passes_the_parity_gate(device_built, report):
    """`build_family` refuses what doesn't; this tells by how much they pass."""
    for engine in device_built.manifest.engines:
        assert engine.parity.label_agreement > 0.99
        assert engine.parity.frames == 4
    report["parity"] = {
        engine.name: {
            "largest_difference": engine.parity.max_abs_difference,
            "of_largest_output": engine.parity.reference_max_abs,
            "label_agreement": engine.parity.label_agreement,
            "build_s": engine.build_s,
            "size_bytes": engine.size_bytes,
        }
        for engine in device_built.manifest.engines
    }


def test_every_engine_is_launched_as_a_graph(device_built, device_backend, report):
    ways = {}
    for engine in device_built.manifest.engines:
        path = device_built.path / engine.file
        with contextlib.closing(device_backend.load(path, engine.sha256)) as session:
            ways[engine.name] = session.launched_by
    report["launched_by"] = ways
    assert set(ways.values()) == {"graph"}, ways


def test_switching_between_frames_loses_and_mixes_nothing(device_built, device_backend, report):
    with Pool.open(device_built, device_backend, all_resident=True) as pool:
        report["switching"] = switch_between_frames(pool, switches=SWITCHES)
    assert report["switching"]["activate"]["p99_s"] < 1e-3


def test_memory_is_what_the_plan_told(device_built, device_backend, report):
    """Within a tenth and 32 MiB: drivers round up, and free memory is the whole machine's."""
    figures = memory_against_plan(device_built, device_backend, device_backend.free_bytes)
    report["memory"] = figures
    slack = 0.1 * figures["planned_bytes"] + (32 << 20)
    assert abs(figures["taken_bytes"] - figures["planned_bytes"]) < slack
    assert figures["not_given_back_bytes"] < slack


def test_a_graph_against_an_enqueue(device_built, device_backend, report):
    cuda = open_cuda()
    plain = TensorRtBackend(cuda=WithoutGraphs(cuda))
    try:
        with (
            Pool.open(device_built, device_backend, all_resident=True) as graphs,
            Pool.open(device_built, plain, all_resident=True) as enqueued,
        ):
            report["graph_against_enqueue"] = graph_against_enqueue(
                {"graph": graphs, "enqueue": enqueued}
            )
            for frame in frames_of(graphs):
                for name in graphs.names:
                    graphs.activate(name), enqueued.activate(name)
                    np.testing.assert_array_equal(graphs.run(frame), enqueued.run(frame))
    finally:
        plain.close()
        cuda.close()


def test_an_engine_loaded_beside_running_ones_disturbs_none(device_built, device_backend):
    """With room for two engines, wishes for others load them while frames run."""
    engines = device_built.manifest.engines
    largest = sorted(e.memory.weights_bytes + e.memory.persistent_bytes for e in engines)[-2:]
    scratch = max(e.memory.scratch_bytes + e.memory.io_bytes for e in engines)
    with Pool.open(device_built, device_backend, all_resident=True) as pool:
        frame = frames_of(pool, 1)[0]
        expected = {}
        for name in pool.names:
            pool.activate(name)
            expected[name] = pool.run(frame).copy()
    budget = sum(largest) + 2 * scratch + (64 << 20)
    random = np.random.default_rng(3)
    with Pool.open(device_built, device_backend, memory_bytes=budget) as pool:
        for _ in range(2000):
            became = pool.activate(str(random.choice(pool.names)))
            np.testing.assert_array_equal(pool.run(frame), expected[became])


def test_a_damaged_plan_is_refused_before_tensorrt_sees_it(device_built, device_backend, tmp_path):
    engine = device_built.manifest.engines[0]
    content = bytearray((device_built.path / engine.file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / engine.file).write_bytes(content)
    with pytest.raises((EngineLoadError, ArtifactError), match="sha256"):
        device_backend.load(tmp_path / engine.file, engine.sha256)


@pytest.mark.hardware
def test_layers_on_the_dla_are_told(device_backend, report, tmp_path):
    """On AGX Orin and Orin NX: a convolutional graph, and which of its layers the DLA took."""
    import onnx

    from tests.tiny_graphs import conv_net

    board = device_backend.device()
    dla = TensorRtBackend(dla_core=0)
    onnx.save(conv_net(), str(tmp_path / "graph.onnx"))
    try:
        compiled = dla.compile(tmp_path / "graph.onnx", tmp_path / "engine.plan")
    except BackendError as error:
        pytest.skip(f"no DLA on {board}: {error}")
    finally:
        dla.close()
    report["dla"] = {"layers": compiled.layers, "fallback": compiled.fallback_layers}
    assert compiled.layers.get("DLA") or compiled.fallback_layers
