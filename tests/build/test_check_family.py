"""A family's configurations, checked one by one; what is refused does not stop the others."""

import resource
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import pytest

from edgert.artifacts import load_family
from edgert.artifacts.family import save_family
from edgert.build.check_family import check_family, check_file
from edgert.build.nvidia.report import Compilation, Refusal
from edgert.build.targets import OnnxRuntimeTarget, TensorRtTarget
from edgert.errors import BuildError
from edgert.records import Configuration
from tests.build.nvidia_graphs import save_text
from tests.tiny_family import make_tiny_family


@dataclass
class Compiler:
    """Takes every graph but those that it is told to refuse, and remembers what it read."""

    refuses: tuple[str, ...] = ()
    nodes: dict[str, int] = field(default_factory=dict)

    def compile(self, graph: Path, name: str) -> Compilation:
        self.nodes[name] = len(onnx.load(str(graph)).graph.node)
        if name in self.refuses:
            return Compilation(refused=Refusal("compile", "a plan", "no tactic", "Look"))
        return Compilation(layers={"CONVOLUTION": {"FLOAT": 3}}, plan_bytes=10)


def with_configurations(folder: Path, *added: Configuration) -> Path:
    family = load_family(folder).family
    family.configurations.extend(added)
    save_family(folder / "family.yaml", family)
    return folder


def test_every_configuration_is_derived_held_against_the_target_and_compiled(tiny_family):
    compiler, steps = Compiler(), []
    checks = check_family(
        load_family(tiny_family), target=TensorRtTarget(), compiler=compiler,
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert [check.name for check in checks] == ["full", "c2", "c1"]
    assert [check.errors for check in checks] == [[], [], []]
    assert compiler.nodes["full"] > compiler.nodes["c2"] > compiler.nodes["c1"]
    assert steps == [(0, 3, "full"), (1, 3, "c2"), (2, 3, "c1"), (3, 3, "done")]


def test_without_a_compiler_the_target_alone_is_asked(tiny_family):
    checks = check_family(load_family(tiny_family), target=OnnxRuntimeTarget.installed())
    assert [check.compiled for check in checks] == [None] * 3


def test_a_refused_configuration_is_one_line_and_the_others_go_on(tiny_family):
    wrong = Configuration(name="c0", edits=[{"skip_residuals": {"branches": ["block9.mix"]}}])
    folder = load_family(
        with_configurations(tiny_family, wrong, Configuration(name="whole", edits=[]))
    )
    checks = check_family(folder, target=TensorRtTarget(), compiler=Compiler(refuses=("c2",)))
    assert [bool(check.errors) for check in checks] == [False, True, False, True, False]
    [compile_error], [derive_error] = checks[1].errors, checks[3].errors
    assert str(compile_error) == "c2, compile: expected a plan, got no tactic. Look."
    assert str(derive_error).startswith(f"c0, derive, {tiny_family}/family.yaml at configurations")
    assert "block9.mix" in str(derive_error)
    assert len(str(derive_error).splitlines()) == 1
    assert checks[3].compiled is None


def test_what_the_target_refuses_is_compiled_all_the_same(tmp_path):
    text = """<ir_version: 10, opset_import: ["" : 21]>
        g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"""
    path = save_text(text, tmp_path / "m.onnx")
    compiler = Compiler()
    check = check_file(path, "m", target=TensorRtTarget(), compiler=compiler)
    [error] = check.errors
    assert "m, operators, node block/Relu0 (Relu)" in str(error)
    assert check.compiled is not None
    assert compiler.nodes == {"m": 1}


def test_what_can_not_be_read_is_not_compiled(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x00" * 40)
    compiler = Compiler()
    check = check_file(tmp_path / "m.onnx", "m", target=TensorRtTarget(), compiler=compiler)
    assert len(check.errors) == 1
    assert check.compiled is None
    assert compiler.nodes == {}


def test_derived_graphs_lie_there_one_at_a_time_and_not_afterwards(tiny_family, tmp_path):
    seen = []

    class Looking(Compiler):
        def compile(self, graph: Path, name: str) -> Compilation:
            seen.append(sorted(path.suffix for path in graph.parent.iterdir()))
            return super().compile(graph, name)

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = load_family(tiny_family)
    check_family(folder, target=TensorRtTarget(), compiler=Looking(), scratch=scratch)
    assert seen == [[".onnx", ".weights"]] * 3
    assert list(scratch.iterdir()) == []


@contextmanager
def files_of_at_most(size_bytes: int):
    """As on a full disk, writing more fails; what is written so far stays."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    folder = load_family(make_tiny_family(tmp_path / "tiny"))
    (tmp_path / "scratch").mkdir()
    with files_of_at_most(2000), pytest.raises(BuildError, match="write the derived graph full"):
        check_family(folder, target=TensorRtTarget(), scratch=tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []
