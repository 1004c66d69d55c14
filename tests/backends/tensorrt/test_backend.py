import dataclasses
import logging

import onnx
import pytest

from edgert.artifacts import sha256_from_file
from edgert.backends.base import load_own
from edgert.backends.tensorrt.backend import TIMING_CACHE, TensorRtBackend
from edgert.errors import ArtifactError, BackendError
from tests.backends.cuda_memory.fake_cuda import ORIN, FakeCuda
from tests.backends.tensorrt.fake_tensorrt import CACHE_TAG, FakeTensorRt
from tests.graph_builder import GraphBuilder
from tests.tiny_graphs import conv_net

MODEL = "NVIDIA Jetson Orin Nano Developer Kit"


@pytest.fixture
def board(tmp_path):
    """The files of a board that say what it is."""
    root = tmp_path / "root"
    (root / "proc" / "device-tree").mkdir(parents=True)
    (root / "proc" / "device-tree" / "model").write_bytes(MODEL.encode() + b"\0")
    (root / "etc").mkdir()
    release = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n"
    (root / "etc" / "nv_tegra_release").write_text(release)
    return root


def opened(cuda=None, version="10.3.0.30", **options):
    cuda = cuda or FakeCuda()
    return TensorRtBackend(cuda=cuda, vendor=FakeTensorRt(cuda, version), **options)


def other_device(**changes):
    return FakeCuda(dataclasses.replace(ORIN, **changes))


# ---------------------------------------------------------------- what engines depend on


def test_identity_names_runtime_gpu_board_and_flags(board):
    assert opened(root=board).identity() == {
        "runtime": "tensorrt 10.3.0.30",
        "compute_capability": "8.7",
        "device": "Orin",
        "board": MODEL,
        "workspace": "as TensorRT finds",
        "optimisation": "3",
        "tf32": "off",
        "types": "as the graph states",
        "dla": "none",
        "plugins": "none",
    }


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"version": "10.3.0.26"}, "runtime"),
        ({"cuda": other_device(compute_capability=(11, 0))}, "compute_capability"),
        ({"cuda": other_device(name="Thor")}, "device"),
        ({"workspace_bytes": 1 << 28}, "workspace"),
        ({"optimisation_level": 5}, "optimisation"),
        ({"dla_core": 0}, "dla"),
    ],
)  # fmt: skip
def test_whatever_changes_an_engine_changes_the_identity(change, key):
    before, after = opened().identity(), opened(**change).identity()
    assert [name for name in before if before[name] != after[name]] == [key]


def test_another_board_with_the_same_gpu_is_another_identity(board, tmp_path):
    first, second = opened(root=board), opened(root=tmp_path / "elsewhere")
    assert first.identity()["board"] == MODEL
    assert second.identity()["board"] == "unknown"


def test_conditions_are_driver_system_and_power_mode(board):
    conditions = opened(root=board).conditions()
    assert conditions == {
        "runtime": "tensorrt 10.3.0.30",
        "device": "Orin",
        "driver": "12.6",
        "l4t": "36.4.3",
        "power_mode": "unknown",
    }


def test_driver_and_system_do_not_make_engines_stale(board, tmp_path):
    before = opened(root=board).identity()
    (board / "etc" / "nv_tegra_release").write_text("# R36 (release), REVISION: 5.0, GCID: 1\n")
    assert opened(root=board).identity() == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Orin", "orin-sm87"), ("NVIDIA GeForce RTX 4090", "nvidia-geforce-rtx-4090-sm87")],
)
def test_device_is_named_after_the_gpu(name, expected):
    assert opened(other_device(name=name)).device() == expected


# ---------------------------------------------------------------- memory


def test_free_memory_of_an_integrated_device_is_what_the_kernel_could_give(board):
    (board / "proc" / "meminfo").write_text("MemFree: 100 kB\nMemAvailable:  2048 kB\n")
    assert opened(root=board).free_bytes() == 2 << 20


@pytest.mark.parametrize("integrated", [True, False])
def test_free_memory_is_the_drivers_figure_elsewhere(board, integrated):
    if not integrated:  # with memory of its own, the kernel's table says nothing of it
        (board / "proc" / "meminfo").write_text("MemAvailable:  2048 kB\n")
    cuda = other_device(integrated=integrated)
    assert opened(cuda, root=board).free_bytes() == cuda.budget_bytes


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("threads", 0, "threads from 1"),
        ("workspace_bytes", 0, "bytes of workspace from 1"),
        ("optimisation_level", 6, "optimisation level from 0 to 5"),
        ("optimisation_level", -1, "optimisation level from 0 to 5"),
        ("dla_core", -1, "core of the DLA from 0"),
    ],
)
def test_option_out_of_range_is_refused(option, value, expected):
    with pytest.raises(BackendError) as error:
        TensorRtBackend(**{option: value})
    assert (error.value.expected, error.value.got) == (expected, str(value))


def test_nothing_is_opened_before_it_is_needed(cuda, trt):
    TensorRtBackend(cuda=cuda, vendor=trt)
    assert (cuda.calls, trt.calls) == ([], [])


def test_threads_of_the_settings_reach_the_builder(cuda, trt, graph, tmp_path):
    TensorRtBackend(3, cuda=cuda, vendor=trt).compile(graph, tmp_path / "e.plan")
    assert trt.called("build")[0][1] == 3


# ---------------------------------------------------------------- compile


def test_compile_reports_version_and_layers(backend, graph, tmp_path):
    report = backend.compile(graph, tmp_path / "e.plan")
    assert report.version == "10.3.0.30"
    assert report.layers == {"GPU": 7}
    assert report.fallback_layers == []


def test_compile_gives_back_what_inspecting_took(backend, graph, cuda, tmp_path):
    backend.compile(graph, tmp_path / "e.plan")
    assert cuda.open_names == []


def test_family_shares_one_timing_cache(backend, graph, trt, tmp_path):
    backend.compile(graph, tmp_path / "first.plan")
    first = (tmp_path / TIMING_CACHE).read_bytes()
    model = conv_net(channels=4)
    model.graph.node[0].name = "another"
    onnx.save(model, str(graph))
    backend.compile(graph, tmp_path / "second.plan")
    assert trt.called("create_timing_cache") == [(b"",), (first,)]
    second = (tmp_path / TIMING_CACHE).read_bytes()
    assert set(first[len(CACHE_TAG) :].split(b"\n")) < set(second[len(CACHE_TAG) :].split(b"\n"))
    assert backend.carried_files == (TIMING_CACHE,)


def test_cache_lies_beside_the_engine_not_the_graph(backend, graph, tmp_path):
    (tmp_path / "built").mkdir()
    backend.compile(graph, tmp_path / "built" / "e.plan")
    names = sorted(path.name for path in (tmp_path / "built").iterdir())
    assert names == ["e.plan", TIMING_CACHE]


def test_failed_compile_leaves_the_engine_that_stood_there(backend, graph, trt, tmp_path):
    engine = tmp_path / "e.plan"
    backend.compile(graph, engine)
    before = engine.read_bytes()
    trt.build_error = "no"
    with pytest.raises(BackendError):
        backend.compile(graph, engine)
    assert engine.read_bytes() == before


def test_engine_that_cannot_be_written_is_one_line(backend, graph, tmp_path):
    with pytest.raises(ArtifactError) as error:
        backend.compile(graph, tmp_path / "nowhere" / "e.plan")
    assert "\n" not in str(error.value)


def test_progress_of_a_build_is_handed_on(graph, tmp_path):
    seen = []
    opened().compile(graph, tmp_path / "e.plan", progress=lambda *report: seen.append(report))
    assert seen[-1] == (100, 100, "built")


def test_dla_placement_is_reported_and_fall_back_is_loud(graph, tmp_path, caplog):
    cuda = FakeCuda()
    trt = FakeTensorRt(cuda)
    trt.dla_cores = 2
    backend = TensorRtBackend(cuda=cuda, vendor=trt, dla_core=1)
    report = backend.compile(graph, tmp_path / "e.plan")
    assert report.layers == {"DLA": 3, "GPU": 4}
    fallback = ["node_of_d", "node_of_e", "node_of_f", "node_of_logits"]
    assert report.fallback_layers == fallback
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.getMessage() == (
        f"e.plan: 4 layers can't run on the DLA and run on the GPU: {', '.join(fallback)}"
    )
    trt.calls.clear()
    load_own(backend, tmp_path / "e.plan").close()
    assert trt.called("deserialize")[0][1] == 1  # the runtime's core too


def test_dla_that_no_layer_fits_is_loud(graph, tmp_path, caplog):
    builder = GraphBuilder(0)
    builder.add("Softmax", "only", ["x"], "y")
    onnx.save(builder.model({"x": (1, 4)}, {"y": (1, 4)}), str(graph))
    cuda = FakeCuda()
    trt = FakeTensorRt(cuda)
    trt.dla_cores = 1
    TensorRtBackend(cuda=cuda, vendor=trt, dla_core=0).compile(graph, tmp_path / "e.plan")
    assert "asked for the DLA, and nothing was seen to run there" in caplog.text


def test_board_without_a_dla_refuses_in_one_line(graph, tmp_path):
    with pytest.raises(BackendError, match="got 0 cores") as error:
        opened(dla_core=0).compile(graph, tmp_path / "e.plan")
    assert "\n" not in str(error.value)
    assert list(tmp_path.glob("*.plan")) == []


# ---------------------------------------------------------------- close


def test_reserved_memory_goes_with_the_backend(cuda, trt):
    with TensorRtBackend(cuda=cuda, vendor=trt) as backend:
        backend.reserve(4096)
        assert len(cuda.open_names) == 1
    assert cuda.open_names == []
    assert not cuda.closed  # it was handed in


def test_backend_can_be_used_again_after_close(build, backend):
    engine = build()
    backend.close()
    backend.close()
    session = backend.load(engine[0], sha256_from_file(engine[0]))
    session.close()
