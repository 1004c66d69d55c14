import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgert.artifacts import load_built, load_family, sha256_from_file, stale_reasons
from edgert.backends import open_backend
from edgert.backends.onnxruntime import reference_session
from edgert.build.compile import build_family, reasons_to_build
from edgert.build.derive import derive
from edgert.errors import ArtifactError, EdgertError, VerificationError
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph


@pytest.fixture
def backend():
    return open_backend("onnxruntime", threads=1)


def test_build_leaves_manifest_weights_and_one_engine_each(tiny_family: Path, backend):
    result = build_family(load_family(tiny_family), backend, device="here")
    assert result.rebuilt
    assert result.reasons
    manifest = load_built(tiny_family / "built" / "here").manifest
    assert [engine.name for engine in manifest.engines] == ["full", "c2", "c1"]
    files = {p.name for p in (tiny_family / "built" / "here").iterdir()}
    assert files == {"manifest.json", "weights.bin", *(e.file for e in manifest.engines)}
    assert manifest.baselines_macs["merged"] < manifest.baselines_macs["exported"]
    macs = [engine.cost.macs for engine in manifest.engines]
    assert macs == sorted(macs, reverse=True)
    assert macs[0] == manifest.baselines_macs["merged"]


def test_engines_compute_what_their_graphs_do(tiny_family: Path, tmp_path: Path, backend):
    folder = load_family(tiny_family)
    built = build_family(folder, backend, device="here").built
    x = np.random.default_rng(1).standard_normal(folder.family.input.shape).astype(np.float32)
    base = load_graph(folder.graph_path)
    outputs = []
    for configuration in folder.family.configurations:
        path = tmp_path / f"{configuration.name}.onnx"
        save_graph(derive(base, configuration.edits, subject="derive"), path)
        want = reference_session(path).run({"pixel_values": x})["logits"]
        got = backend.load(
            built.engine_path(configuration.name),
            sha256_from_file(built.engine_path(configuration.name)),
        ).run({"pixel_values": x})
        np.testing.assert_allclose(got["logits"], want, atol=1e-5)
        outputs.append(want.copy())
    assert not np.allclose(outputs[0], outputs[1], atol=1e-3)  # the configurations do differ


def test_what_is_up_to_date_is_left_alone(tiny_family: Path, backend):
    folder = load_family(tiny_family)
    build_family(folder, backend, device="here")
    manifest = tiny_family / "built" / "here" / "manifest.json"
    before = manifest.stat().st_mtime_ns
    again = build_family(folder, backend, device="here")
    assert not again.rebuilt
    assert manifest.stat().st_mtime_ns == before
    assert build_family(folder, backend, device="here", force=True).rebuilt


def test_changed_configurations_are_built_again_and_said_so(tiny_family: Path, backend):
    build_family(load_family(tiny_family), backend, device="here")
    file = tiny_family / "family.yaml"
    file.write_text(file.read_text().replace("name: c1", "name: c0"))
    folder = load_family(tiny_family)
    [reason] = reasons_to_build(folder, backend, folder.built_path("here"))
    assert reason.startswith("configurations was")
    result = build_family(folder, backend, device="here")
    assert [engine.name for engine in result.built.manifest.engines] == ["full", "c2", "c0"]


def test_another_device_makes_a_set_stale_in_words(tiny_family: Path, backend):
    manifest = build_family(load_family(tiny_family), backend, device="here").built.manifest
    other = {**manifest.built_for, "runtime_version": "0.0.1"}
    reasons = stale_reasons(manifest, built_for=other, built_from=manifest.built_from)
    assert reasons == [
        f"runtime version was {manifest.built_for.get('runtime_version', 'not stated')}, is 0.0.1"
    ]


@pytest.mark.parametrize("file", ["weights.bin", "full.onnx"])
def test_a_damaged_file_is_refused_and_built_again(tiny_family: Path, backend, file: str):
    built = build_family(load_family(tiny_family), backend, device="here").built
    path = built.path / file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=f"{file}: expected sha256"):
        load_built(built.path)
    assert build_family(load_family(tiny_family), backend, device="here").rebuilt
    load_built(built.path)


def test_a_damaged_manifest_is_one_line(tiny_family: Path, backend):
    built = build_family(load_family(tiny_family), backend, device="here").built
    manifest = json.loads((built.path / "manifest.json").read_text())
    manifest["engines"][0]["cost"]["macs"] = "many"
    (built.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"engines\[0\]\.cost\.macs: expected int, got 'many'"):
        load_built(built.path)


def test_a_failed_build_keeps_the_old_set(tiny_family: Path, backend):
    build_family(load_family(tiny_family), backend, device="here")
    before = (tiny_family / "built" / "here" / "manifest.json").read_bytes()
    file = tiny_family / "family.yaml"
    file.write_text(file.read_text().replace("block3.mix", "block9.mix"))
    with pytest.raises(EdgertError, match=r"family\.yaml at configurations\[1\].*block9\.mix"):
        build_family(load_family(tiny_family), backend, device="here")
    assert (tiny_family / "built" / "here" / "manifest.json").read_bytes() == before
    assert not list((tiny_family / "built").glob(".here.*.tmp"))


def test_progress_counts_every_step(tiny_family: Path, backend):
    steps = []
    build_family(
        load_family(tiny_family), backend, device="here",
        progress=lambda done, total, what: steps.append((done, total, what)),
    )  # fmt: skip
    assert [done for done, _, _ in steps] == list(range(8))
    assert steps[-1] == (7, 7, "done")


class Spoiling:
    """A backend whose engines have one weight changed: the gate must catch them."""

    def __init__(self, inner) -> None:
        self._inner = inner
        self.name, self.engine_suffix = inner.name, inner.engine_suffix
        self.carried_files, self.shared_weights_file = (), inner.shared_weights_file
        self.identity, self.load = inner.identity, inner.load

    def compile(self, graph: Path, engine: Path, *, progress=None) -> None:
        model = onnx.load(str(graph))
        for tensor in model.graph.initializer:
            if tensor.name == "head.predict.weight":
                array = numpy_helper.to_array(tensor).copy()
                array.flat[0] += 0.05
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
                break
        spoiled = engine.with_name("spoiled.onnx")
        onnx.save(model, str(spoiled))
        self._inner.compile(spoiled, engine)
        spoiled.unlink()


def test_a_perturbed_weight_is_caught_by_the_gate(tiny_family: Path, backend):
    with pytest.raises(VerificationError, match="verify full"):
        build_family(load_family(tiny_family), Spoiling(backend), device="here")
    assert not (tiny_family / "built" / "here").exists()


KILLED_AT_STEP = """
import os, pathlib, signal, sys
from edgert.artifacts import load_family
from edgert.backends import open_backend
from edgert.build.compile import build_family

def progress(done, total, what):
    if done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

backend = open_backend("onnxruntime", threads=1)
build_family(load_family(pathlib.Path(sys.argv[1])), backend, device="here", progress=progress)
"""


@pytest.mark.parametrize("step", [1, 3, 5])
def test_kill_during_build_then_rebuild(tiny_family: Path, backend, step: int):
    command = [sys.executable, "-c", KILLED_AT_STEP, str(tiny_family), str(step)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    built = tiny_family / "built"
    assert list(built.glob(".here.*.tmp/*.onnx"))  # it was in the middle of it
    assert not (built / "here").exists()
    assert build_family(load_family(tiny_family), backend, device="here").rebuilt
    load_built(built / "here")
    assert not list(built.glob(".here.*.tmp"))


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs mount")
def test_full_disk_during_build_is_one_line(tiny_family: Path, tmp_path: Path):
    """On a tmpfs that has room for the family and not for its engines."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        shutil.copytree(tiny_family, small / "tiny")
        command = [sys.executable, "-m", "edgert", "build", str(small / "tiny")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert "expected room on the disk" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert not list((small / "tiny").glob("built/*/manifest.json"))
        assert not list((small / "tiny").glob("built/.*.tmp"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
