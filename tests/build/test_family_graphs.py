"""Families of several models: what each configuration starts from, and what is built of it."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from edgert.artifacts import load_built, load_family, sha256_from_file, stale_reasons
from edgert.backends import open_backend
from edgert.backends.base import load_own
from edgert.backends.onnxruntime import reference_session
from edgert.build.check_family import check_family
from edgert.build.compile import build_family, reasons_to_build
from edgert.build.derive import derive_configuration
from edgert.build.family_graphs import FamilyGraphs, edge_specs
from edgert.build.targets import TARGETS
from edgert.errors import ArtifactError, EdgertError, PreconditionError, VerificationError
from edgert.pool import Pool, plan_built
from edgert.preprocess import Preprocessor
from edgert.surgery.cost import cost_of
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear
from tests.scaled_family import make_scaled_family, small_model
from tests.tiny_family import LABELS, tiny_model

NAMES = ["w", "w1", "full", "c2", "c1", "s", "s1"]


@pytest.fixture(scope="module")
def built_once(tmp_path_factory) -> Path:
    """Built under built/here. Not to be changed."""
    folder = make_scaled_family(tmp_path_factory.mktemp("scaled") / "scaled")
    build_family(load_family(folder), open_backend("onnxruntime", threads=1), device="here")
    return folder


@pytest.fixture
def family(built_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built_once, tmp_path / "scaled"))


@pytest.fixture
def backend():
    return open_backend("onnxruntime", threads=1)


def change_yaml(folder: Path, change) -> None:
    file = folder / "family.yaml"
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content))


def configuration(folder: Path, name: str):
    return next(c for c in load_family(folder).family.configurations if c.name == name)


# ---------------------------------------------------------------- what is derived


def test_each_configuration_starts_from_its_own_model(built_once: Path):
    folder = load_family(built_once)
    graphs = FamilyGraphs(folder)
    macs = {c.model: cost_of(graphs.of(c)).macs for c in folder.family.configurations}
    own = {"": "base.onnx", "wide": "wide.onnx", "small": "small.onnx"}
    for model, file in own.items():
        assert macs[model] == cost_of(load_graph(built_once / file)).macs


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda family: family["input"].update(name="pixel_valeus"),
            "expected the input pixel_valeus (1, 3, 24, 32) that family.yaml states, got "
            "pixel_values (1, 3, 24, 32). Correct the input's name and shape in family.yaml.",
        ),
        (
            lambda family: family["input"].update(shape=[1, 3, 12, 16]),
            "expected the input pixel_values (1, 3, 12, 16) that family.yaml states, got "
            "pixel_values (1, 3, 24, 32). Correct the input's name and shape in family.yaml.",
        ),
        (
            lambda family: family["labels"].pop(),
            "expected 2 classes, as family.yaml has labels, got 3. Give each class its label in "
            "family.yaml, in the model's order.",
        ),
        (
            lambda family: family.update(task="classification"),
            "expected an output of 2 dimensions, as family.yaml says that the task is "
            "classification, got logits (1, 3, 6, 8). Write `task: segmentation` in family.yaml, "
            "or give the graph of that task.",
        ),
    ],
    ids=["name", "shape", "labels", "task"],
)
def test_what_family_yaml_says_of_the_base_has_to_be_so(family: Path, change, line: str):
    """Else engines would be built that no picture fits, or whose answers have no names."""
    change_yaml(family, change)
    for name in ("full", "s"):
        with pytest.raises(ArtifactError) as refused:
            FamilyGraphs(load_family(family)).of(configuration(family, name))
        assert str(refused.value) == f"read {family / 'base.onnx'}: {line}"


def test_all_have_the_inputs_and_outputs_of_the_base(built_once: Path):
    folder = load_family(built_once)
    graphs = FamilyGraphs(folder)
    edges = edge_specs(load_graph(folder.graph_path))
    for c in folder.family.configurations:
        derived = derive_configuration(folder, c, base=graphs, subject="derive")
        assert edge_specs(derived) == edges


def test_a_model_is_read_once_for_all_its_configurations(built_once: Path):
    folder = load_family(built_once)
    graphs = FamilyGraphs(folder)
    w, w1, full = folder.family.configurations[:3]
    assert graphs.of(w) is graphs.of(w1)
    assert graphs.of(full) is graphs.base


def test_the_base_graph_alone_will_do(built_once: Path):
    folder = load_family(built_once)
    base = load_graph(folder.graph_path)
    derived = derive_configuration(
        folder, configuration(built_once, "s"), base=base, subject="derive"
    )
    assert cost_of(derived).macs == cost_of(load_graph(built_once / "small.onnx")).macs


def test_a_model_with_the_family_s_edges_is_its_own_parent(tmp_path: Path, built_once: Path):
    """Then the gate holds engines against the file as it was exported."""
    folder = make_scaled_family(tmp_path / "same")
    onnx.save(tiny_model(9, channels=12), str(folder / "wide.onnx"))

    def same_edges(content) -> None:
        content["models"][0]["input"] = content["input"]
        content["models"][0]["sha256"] = sha256_from_file(folder / "wide.onnx")

    change_yaml(folder, same_edges)
    loaded = load_family(folder)
    graphs = FamilyGraphs(loaded)
    assert graphs.file_of(configuration(folder, "w"), tmp_path) == folder / "wide.onnx"
    assert graphs.file_of(configuration(folder, "full"), tmp_path) == folder / "base.onnx"
    adapted = graphs.file_of(configuration(folder, "s"), tmp_path)
    assert adapted == tmp_path / "small.adapted.onnx"
    assert reference_session(adapted).outputs[0].shape == (1, len(LABELS), 6, 8)


# ---------------------------------------------------------------- what is built


def test_the_set_has_an_engine_for_each_and_nothing_else(built_once: Path):
    built = load_built(built_once / "built" / "here")
    assert [engine.name for engine in built.manifest.engines] == NAMES
    files = {path.name for path in built.path.iterdir()}
    assert files == {"manifest.json", "weights.bin", *(f"{name}.onnx" for name in NAMES)}


def test_baselines_are_the_base_model_s(built_once: Path):
    base = load_graph(built_once / "base.onnx")
    assert load_built(built_once / "built" / "here").manifest.baselines_macs == {
        "exported": cost_of(base).macs,
        "merged": cost_of(merge_linear(base)).macs,
    }


@pytest.mark.parametrize("name", ["w", "s"])
def test_an_engine_gives_what_its_model_gives_behind_the_family_s_preprocessing(
    built_once: Path, tmp_path: Path, backend, name: str
):
    folder = load_family(built_once)
    c = configuration(built_once, name)
    parent = FamilyGraphs(folder).file_of(c, tmp_path)
    picture = np.random.default_rng(2).integers(0, 256, (24, 32, 3), np.uint8)
    tensor = Preprocessor(folder.family.input)(picture)
    want = reference_session(parent).run({"pixel_values": tensor})["logits"]
    engine = load_own(backend, built_once / "built" / "here" / f"{name}.onnx")
    got = engine.run({"pixel_values": tensor})["logits"]
    assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()
    engine.close()


def test_weights_are_shared_and_memory_is_planned_for_all_models(built_once: Path, backend):
    built = load_built(built_once / "built" / "here")
    plan = plan_built(built, backend, memory_bytes=10**12)
    assert set(plan.resident) == set(NAMES)
    one = sum(t.nbytes for t in _weights(built_once / "base.onnx"))
    three = sum(
        sum(t.nbytes for t in _weights(built_once / f"{name}.onnx"))
        for name in ("base", "wide", "small")
    )
    assert one < built.weights_path.stat().st_size < 1.5 * three


def _weights(path: Path) -> list[np.ndarray]:
    return [onnx.numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer]


def test_engines_of_all_models_take_turns_in_one_pool(built_once: Path, backend):
    built = load_built(built_once / "built" / "here")
    tensor = np.random.default_rng(3).standard_normal((1, 3, 24, 32)).astype(np.float32)
    with Pool.open(built, backend, all_resident=True) as pool:
        outputs = {}
        for name in (*NAMES, *reversed(NAMES)):
            pool.activate(name)
            result = pool.run(tensor).copy()
            assert result.shape == (1, 3, 6, 8)
            np.testing.assert_array_equal(result, outputs.setdefault(name, result))
    for name, other in pairwise(NAMES):
        assert not np.allclose(outputs[name], outputs[other], atol=1e-3)


# ---------------------------------------------------------------- when it is built again


def test_what_is_up_to_date_is_left_alone(family: Path, backend):
    assert not build_family(load_family(family), backend, device="here").rebuilt


def test_another_scaled_model_is_a_reason_to_build(family: Path, backend):
    model = small_model()
    model.doc_string = "exported again"
    onnx.save(model, str(family / "small.onnx"))
    digest = sha256_from_file(family / "small.onnx")
    change_yaml(family, lambda c: c["models"][1].update(sha256=digest))
    [reason] = reasons_to_build(load_family(family), backend, family / "built" / "here")
    assert reason.startswith("model small was ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c["models"][0]["input"].update(mean=[1.0, 2.0, 3.0]), ["model wide was"]),
        (lambda c: c["input"].update(mean=[0.1, 0.2, 0.3]), ["model small", "model wide was"]),
        (lambda c: c["configurations"][6].update(model="wide"), ["configurations was"]),
    ],
)
def test_what_lies_between_the_inputs_is_part_of_engines(family: Path, backend, change, told):
    change_yaml(family, change)
    reasons = reasons_to_build(load_family(family), backend, family / "built" / "here")
    assert len(reasons) == len(told)
    assert all(reason.startswith(start) for reason, start in zip(reasons, told, strict=True))


def test_a_family_of_one_model_is_built_from_what_it_was_before(tiny_family: Path, backend):
    """Sets that were built before there were scaled models are not stale."""
    built = build_family(load_family(tiny_family), backend, device="here").built
    keys = set(built.manifest.built_from)
    assert keys == {"graph", "weights", "configurations", "edgert"}
    assert not stale_reasons(
        built.manifest,
        built_for=backend.identity(),
        built_from=built.manifest.built_from,
    )


# ---------------------------------------------------------------- what is refused


def test_another_number_of_classes_is_one_line_with_the_model(family: Path, backend):
    onnx.save(tiny_model(6, size=(12, 16), classes=4, names=("image", "scores")),
              str(family / "small.onnx"))  # fmt: skip
    digest = sha256_from_file(family / "small.onnx")
    change_yaml(family, lambda c: c["models"][1].update(sha256=digest))
    with pytest.raises(PreconditionError) as caught:
        build_family(load_family(family), backend, device="here")
    line = str(caught.value)
    assert "\n" not in line
    assert f"read {family / 'small.onnx'} as model small of the family" in line
    assert "expected 3 classes, as the family's base model has them, got 4" in line


def test_a_model_that_is_no_onnx_is_one_line(family: Path, backend):
    (family / "small.onnx").write_bytes(b"nothing")
    digest = sha256_from_file(family / "small.onnx")
    change_yaml(family, lambda c: c["models"][1].update(sha256=digest))
    with pytest.raises(EdgertError, match=r"small\.onnx") as caught:
        build_family(load_family(family), backend, device="here")
    assert "\n" not in str(caught.value)


def test_a_check_of_the_family_goes_on_past_a_model_that_can_t_be_had(family: Path):
    change_yaml(family, lambda c: c["models"][1]["input"].update(name="frame"))
    checks = check_family(load_family(family), target=TARGETS["onnxruntime"]())
    assert [bool(check.errors) for check in checks] == [False] * 5 + [True] * 2
    assert "expected one input, frame (1, 3, 12, 16)" in str(checks[-1].errors[0])


def test_engines_are_held_to_their_own_model_s_adapted_graph(
    family: Path, tmp_path: Path, backend, monkeypatch
):
    """Against the model behind another normalisation, what is lossless is not."""
    other = FamilyGraphs(load_family(family)).file_of(configuration(family, "s"), tmp_path)
    change_yaml(family, lambda c: c["models"][1]["input"].update(std=[0.5, 0.5, 0.5]))
    change_yaml(family, lambda c: c["configurations"].__delitem__(slice(0, 5)))
    build_family(load_family(family), backend, device="right")
    monkeypatch.setattr(FamilyGraphs, "file_of", lambda *_: other)
    with pytest.raises(VerificationError, match="of its parent"):
        build_family(load_family(family), backend, device="wrong")
