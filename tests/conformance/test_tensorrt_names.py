"""Every name of TensorRT that our code uses, looked up in NVIDIA's own bindings of each version.

They prove names, never behaviour: the libraries below the bindings are a stub.
"""

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edgert.backends.tensorrt.vendor import VERSION_DEPENDENT
from tests.backends.tensorrt import fake_tensorrt
from tests.conformance.tensorrt_names import PROGRAM, names_in, names_in_folder
from tests.conformance.wheels import ROOT, run_python, wheel_folder

# JetPack 6; 7.0 and 7.1; 7.2 (10.16.2, of which 10.16.1 is on the index); 11.4.
VERSIONS = ("10.3.0", "10.13.3.9", "10.16.1.11", "11.4.0.106")
SOURCE = ROOT / "edgert" / "backends" / "tensorrt"
STUB = Path(__file__).with_name("tensorrt_stub.c")
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")


@pytest.fixture(scope="session")
def stub_folder(tmp_path_factory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here for the stub library")
    folder = tmp_path_factory.mktemp("stub")
    for library in LIBRARIES:
        for major in (10, 11):
            target = folder / f"lib{library}.so.{major}"
            subprocess.run([compiler, "-shared", "-fPIC", "-o", target, STUB], check=True)
    return folder


@pytest.fixture(params=VERSIONS)
def version(request) -> str:
    return request.param


@pytest.fixture
def missing(version, stub_folder):
    """Looks names up in one version; gives those that it lacks."""
    bindings = wheel_folder(f"tensorrt-cu12-bindings=={version}")

    def look_up(names):
        program = PROGRAM.format(module="tensorrt_bindings", names=json.dumps(sorted(names)))
        environment = {"LD_LIBRARY_PATH": str(stub_folder)}
        done = run_python(program, bindings, environment=environment)
        assert done.returncode == 0, done.stderr
        stated, lacking = json.loads(done.stdout)
        assert stated == version
        return set(lacking)

    return look_up


def fake_names() -> set[str]:
    """Public names of the fake's classes, whose names are NVIDIA's after "Fake"."""
    tree = ast.parse(Path(fake_tensorrt.__file__).read_text())
    names = set()
    for node in tree.body:
        if (
            isinstance(node, ast.ClassDef)
            and node.name.startswith("Fake")
            and node.name != "FakeTensorRt"
        ):
            for item in ast.walk(node):
                found = ""
                if isinstance(item, ast.FunctionDef):
                    found = item.name
                elif isinstance(item, ast.Attribute) and ast.unparse(item.value) == "self":
                    found = item.attr
                if found and not found.startswith("_"):
                    names.add(f"{node.name.removeprefix('Fake')}.{found}")
    for kind in fake_tensorrt.ENUMS:
        names |= {f"{kind.__name__}.{member.name}" for member in kind}
    return names


# ---------------------------------------------------------------- the collector, without NVIDIA


def test_names_are_found_in_the_module_and_on_objects():
    source = """
def build(vendor: Any, logger: Any, parsed: Parsed) -> Any:
    config = parsed.builder.create_builder_config()
    config.set_flag(vendor.BuilderFlag.TF32)
    config.DLA_core = 1
    self._context.execute_async_v3(0)
    class Monitor(vendor.IProgressMonitor):
        def phase_start(self): ...
        @contextmanager
        def own(self): ...
        def _private(self): ...
"""
    assert names_in(source) >= {
        "Builder.create_builder_config",
        "IBuilderConfig.set_flag",
        "IBuilderConfig.DLA_core",
        "BuilderFlag.TF32",
        "IExecutionContext.execute_async_v3",
        "IProgressMonitor",
        "IProgressMonitor.phase_start",
    }
    assert not {name for name in names_in(source) if "own" in name or "_private" in name}


def test_parameters_of_another_type_are_ours():
    assert names_in("def load(engine: Path) -> None:\n    engine.with_name('x')") == set()
    assert names_in("def load(engine: Any) -> None:\n    engine.name") == {"ICudaEngine.name"}


def test_the_adapters_names_are_found():
    names = names_in_folder(SOURCE)
    assert len(names) > 60
    assert names >= {
        "ICudaEngine.device_memory_size_v2",
        "ExecutionContextAllocationStrategy.USER_MANAGED",
        "OnnxParser.parse_from_file",
        "ParserError.node_name",
        "IBuilderConfig.can_run_on_DLA",
        "ITimingCache.serialize",
        "EngineInspector.get_engine_information",
        "IProgressMonitor.step_complete",
        "ILogger.log",
    }


def test_every_object_of_the_vendors_is_spoken_to_somewhere():
    """Else a renamed variable would take its names out of the check without a word."""
    owners = {name.partition(".")[0] for name in names_in_folder(SOURCE)}
    assert owners >= {
        "Builder", "EngineInspector", "IBuilderConfig", "ICudaEngine", "IExecutionContext",
        "ILayer", "ILogger", "INetworkDefinition", "IProgressMonitor", "ITensor", "ITimingCache",
        "OnnxParser", "ParserError", "Runtime",
    }  # fmt: skip


# ---------------------------------------------------------------- NVIDIA's own bindings


@pytest.mark.nvidia
def test_every_name_exists_in_every_version(missing, version):
    allowed = {name for name, versions in VERSION_DEPENDENT.items() if version not in versions}
    assert missing(names_in_folder(SOURCE)) == allowed


@pytest.mark.nvidia
def test_names_that_were_made_up_or_removed_are_reported(missing, version):
    """Or the test above would prove nothing."""
    names = names_in_folder(SOURCE) | {"ICudaEngine.levitate", "BuilderFlag.FP16", "Levitation"}
    removed = {"BuilderFlag.FP16"} if version.startswith("11.") else set()
    assert missing(names) == {"ICudaEngine.levitate", "Levitation"} | removed


@pytest.mark.nvidia
def test_the_fake_has_no_name_that_the_real_one_lacks(missing, version):
    removed = (
        {"NetworkDefinitionCreationFlag.EXPLICIT_BATCH"} if version.startswith("11.") else set()
    )
    assert missing(fake_names()) == removed


@pytest.mark.nvidia
def test_bindings_without_a_library_behind_them_refuse_in_one_line(version, stub_folder, tmp_path):
    """What a machine without a GPU gets: the bindings' own exception, as our error."""
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"never read")
    program = f"""
from pathlib import Path
import tensorrt_bindings as vendor
from edgert.backends.tensorrt.loading import open_runtime
from edgert.backends.tensorrt.network import parse_network
from edgert.backends.tensorrt.vendor import installed_version, is_rtx, open_logger
from edgert.errors import BackendError

print(is_rtx(vendor), installed_version(vendor))
logger = open_logger(vendor)
for step in (
    lambda: parse_network(vendor, logger, Path({str(graph)!r})),
    lambda: open_runtime(vendor, logger),
):
    try:
        step()
    except BackendError as error:
        print(error)
"""
    bindings = wheel_folder(f"tensorrt-cu12-bindings=={version}")
    done = run_python(program, bindings, environment={"LD_LIBRARY_PATH": str(stub_folder)})
    assert done.returncode == 0, done.stderr
    first, builder, runtime = done.stdout.splitlines()
    numbers = tuple(int(part) for part in version.split("."))
    assert first == f"False {numbers}"
    assert builder.startswith(
        "open TensorRT's builder: expected a CUDA device that it can use, got "
    )
    assert runtime.startswith(
        "open TensorRT's runtime: expected a CUDA device that it can use, got "
    )
