import logging
import threading

import onnx
import pytest

from edgert.backends.tensorrt.builder import BuildOptions, build_plan
from edgert.backends.tensorrt.network import parse_network
from edgert.backends.tensorrt.plan_header import plan_version
from edgert.backends.tensorrt.vendor import open_logger
from edgert.errors import BackendError
from tests.backends.tensorrt.fake_tensorrt import (
    CACHE_TAG,
    BuilderFlag,
    DeviceType,
    MemoryPoolType,
    ProfilingVerbosity,
)
from tests.tiny_graphs import conv_net


@pytest.fixture
def compile_plan(trt, cuda, graph):
    """Builds the graph; gives the plan and the builder's configuration that it was built with."""

    def build(options=None, **arguments):
        logger = open_logger(trt)
        parsed = parse_network(trt, logger, graph)
        arguments.setdefault("prepare_thread", cuda.use_in_this_thread)
        built = build_plan(
            trt, logger, parsed, options or BuildOptions(), subject="compile it", **arguments
        )
        return built, trt.called("build")[-1][0]

    return build


# ---------------------------------------------------------------- what is asked for


def test_plan_begins_with_the_version_that_built_it(compile_plan):
    assert str(plan_version(compile_plan()[0].plan)) == "TensorRT 10.3.0.30"


def test_layers_are_described_and_tf32_is_off(compile_plan):
    _, config = compile_plan()
    assert config.profiling_verbosity is ProfilingVerbosity.DETAILED
    assert BuilderFlag.TF32 not in config._flags


def test_options_reach_the_builder(compile_plan, trt):
    options = BuildOptions(workspace_bytes=1 << 26, optimisation_level=5, threads=3)
    _, config = compile_plan(options)
    assert config._limits == {MemoryPoolType.WORKSPACE: 1 << 26}
    assert config.builder_optimization_level == 5
    assert trt.called("build")[-1][1] == 3


def test_without_options_the_builder_keeps_its_own(compile_plan, trt):
    _, config = compile_plan()
    assert config._limits == {}
    assert trt.called("build")[-1][1] == 0


def test_more_can_be_set_on_the_builders_configuration(compile_plan):
    seen = []
    _, config = compile_plan(adjust=seen.append)
    assert seen == [config]


def test_options_in_words_differ_wherever_engines_do():
    different = [
        BuildOptions(),
        BuildOptions(workspace_bytes=1 << 20),
        BuildOptions(optimisation_level=4),
        BuildOptions(dla_core=0),
        BuildOptions(dla_core=1),
    ]
    assert len({str(options.text()) for options in different}) == len(different)
    assert BuildOptions(threads=4).text() == BuildOptions().text()  # engines are the same


# ---------------------------------------------------------------- timing cache


def test_first_build_begins_a_timing_cache(compile_plan, trt):
    built, _ = compile_plan()
    assert trt.called("create_timing_cache") == [(b"",)]
    assert built.timing_cache.startswith(CACHE_TAG)
    assert b"Conv:conv" in built.timing_cache


def test_second_build_starts_from_the_firsts_cache_and_keeps_it(compile_plan, trt, graph):
    first, _ = compile_plan()
    model = conv_net(channels=4)
    model.graph.node[0].name = "another"
    onnx.save(model, str(graph))
    second, _ = compile_plan(timing_cache=first.timing_cache)
    assert trt.called("create_timing_cache")[-1] == (first.timing_cache,)
    assert {b"Conv:conv", b"Conv:another"} <= set(second.timing_cache[9:].split(b"\n"))


def test_cache_of_another_device_is_left_unused_and_told(compile_plan, caplog):
    built, _ = compile_plan(timing_cache=b"measured elsewhere")
    assert "timing cache left unused" in caplog.text
    assert "another CUDA device" in caplog.text
    assert built.timing_cache.startswith(CACHE_TAG)


def test_rtx_has_no_timing_cache(compile_plan, trt):
    trt.ComputeCapability = object()
    assert compile_plan()[0].timing_cache == b""
    assert trt.called("create_timing_cache") == []


# ---------------------------------------------------------------- progress and failure


def test_progress_goes_up_to_its_end(compile_plan):
    seen = []
    compile_plan(progress=lambda *report: seen.append(report))
    parts = [done for done, _, _ in seen]
    assert parts == sorted(parts)
    assert seen[-1] == (100, 100, "built")
    assert {text for _, _, text in seen} == {"Building engine", "Timing tactics", "built"}


def test_interrupt_stops_the_build_after_the_step_under_way(compile_plan, trt):
    def interrupt(done, total, text):
        if text == "Timing tactics":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_plan(progress=interrupt)
    assert trt.stopped_after == 0  # of seven


def test_build_runs_in_a_thread_that_has_the_device(compile_plan, cuda):
    before = set(cuda.threads)
    compile_plan()
    assert len(cuda.threads - before) == 1
    assert threading.get_ident() in before


def test_build_in_a_thread_without_the_device_is_an_error_line(compile_plan):
    with pytest.raises(BackendError, match="no CUDA context in this thread"):
        compile_plan(prepare_thread=lambda: None)


def test_failed_build_gives_the_vendors_last_words(compile_plan, trt, caplog):
    trt.build_error = "Error Code 10: could not find any implementation for node conv."
    with pytest.raises(BackendError) as error:
        compile_plan()
    assert str(error.value) == (
        "compile it: expected a plan, got Error Code 10: could not find any implementation for "
        "node conv. Check the graph."
    )
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_failed_build_under_a_limit_points_at_the_limit(compile_plan, trt):
    trt.build_error = "no implementation"
    with pytest.raises(BackendError, match="Allow more workspace"):
        compile_plan(BuildOptions(workspace_bytes=1))


def test_build_out_of_memory_says_so(compile_plan, trt):
    trt.build_error = "Error Code 1: Cuda Runtime (out of memory)"
    with pytest.raises(BackendError, match="set a lower limit for the workspace"):
        compile_plan()


# ---------------------------------------------------------------- DLA


def test_layers_go_to_the_dla_where_they_can(compile_plan, trt):
    trt.dla_cores = 2
    built, config = compile_plan(BuildOptions(dla_core=1))
    assert (config.default_device_type, config.DLA_core) == (DeviceType.DLA, 1)
    assert BuilderFlag.GPU_FALLBACK in config._flags
    assert built.dla_layers == tuple(
        f"{{ForeignNode[{n}]}}" for n in ("conv", "node_of_b", "node_of_c")
    )
    assert built.fallback_layers == ("node_of_d", "node_of_e", "node_of_f", "node_of_logits")


def test_without_a_dla_core_nothing_is_asked_of_it(compile_plan, trt):
    trt.dla_cores = 2
    built, config = compile_plan()
    assert config.default_device_type is DeviceType.GPU
    assert BuilderFlag.GPU_FALLBACK not in config._flags
    assert (built.dla_layers, built.fallback_layers) == ((), ())


@pytest.mark.parametrize(
    ("cores", "expected", "got"),
    [(0, "a board and a TensorRT with a DLA", "0 cores"), (1, "a core below 1", "core 1")],
)
def test_core_that_is_not_there_is_refused_before_the_build(
    compile_plan, trt, cores, expected, got
):
    trt.dla_cores = cores
    with pytest.raises(BackendError) as error:
        compile_plan(BuildOptions(dla_core=1))
    assert (error.value.expected, error.value.got) == (expected, got)
    assert trt.called("build") == []
