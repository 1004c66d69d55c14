"""What a build refuses to list: every configuration goes through the stages of the check."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgert.artifacts import load_built, load_family, sha256_from_file
from edgert.backends import open_backend
from edgert.build.compile import build_family
from edgert.errors import BuildError, VerificationError
from tests.build.broken_graphs import set_weight
from tests.tiny_family import make_tiny_family


def change_base(family: Path, change) -> None:
    """Change the base model, and its hash in family.yaml with it."""
    base, file = family / "base.onnx", family / "family.yaml"
    model = onnx.load(str(base))
    before = sha256_from_file(base)
    change(model)
    base.write_bytes(model.SerializeToString())
    file.write_text(file.read_text().replace(before, sha256_from_file(base)))


def build(family: Path):
    backend = open_backend("onnxruntime", threads=1)
    return build_family(load_family(family), backend, device="here")


def refused(family: Path) -> str:
    with pytest.raises(BuildError) as caught:
        build(family)
    assert "\n" not in str(caught.value)
    assert not (family / "built" / "here").exists()
    assert isinstance(caught.value, VerificationError)
    return str(caught.value)


def test_what_is_not_finite_is_refused_at_its_node(tiny_family: Path):
    def spoil(model: onnx.ModelProto) -> None:
        set_weight(model, "block2.mix.in.bias", lambda array: array * np.float32(np.inf))

    change_base(tiny_family, spoil)
    line = refused(tiny_family)
    assert line.startswith("verify full, run, node block2.mix.in/Conv (Conv)")


def test_what_does_not_depend_on_the_frame_is_refused(tiny_family: Path):
    change_base(tiny_family, lambda m: set_weight(m, "stem.weight", np.zeros_like))
    assert "depends on the frame" in refused(tiny_family)


def test_a_configuration_without_edits_is_its_parent_and_may_be(tiny_family: Path):
    file = tiny_family / "family.yaml"
    text = file.read_text()
    at = text.index("configurations:") + len("configurations:\n")
    indent = text[at:].split("-")[0]
    file.write_text(f"{text[:at]}{indent}- name: exported\n{indent}  edits: []\n{text[at:]}")
    manifest = build(tiny_family).built.manifest
    assert [engine.name for engine in manifest.engines] == ["exported", "full", "c2", "c1"]


def test_a_base_with_a_free_batch_is_compared_as_a_batch_of_one(tmp_path: Path):
    family = make_tiny_family(tmp_path / "tiny")

    def free(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"

    change_base(family, free)
    build(family)
    folder = family / "built" / "here"
    files = {path.name for path in folder.iterdir()}
    engines = {engine.file for engine in load_built(folder).manifest.engines}
    assert files == {"manifest.json", "weights.bin", *engines}  # and no copy of the base


def test_parity_covers_noise_waves_and_extremes(tiny_family: Path):
    manifest = build(tiny_family).built.manifest
    assert {engine.parity.inputs for engine in manifest.engines} == {9}
    assert all(engine.parity.max_abs_difference < 1e-3 for engine in manifest.engines)
