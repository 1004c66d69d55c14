"""A family that was filled builds, and its versions take turns behind one controller."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgert.artifacts import load_family
from edgert.cli.main import main as edgert_main
from edgert.control import Controller
from edgert.families.segformer import edits
from edgert.pool import Pool
from edgert.preprocess import Preprocessor
from edgert.records import (
    BaseModel,
    Configuration,
    FrameOutcome,
    Limits,
    Profile,
    ProfileEntry,
)

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.export.unfilled_segformer import (  # noqa: E402
    TOOL,
    arguments,
    logits_of,
    spec,
    unfilled_family,
)
from tools.export_segformer import main  # noqa: E402


@pytest.fixture(scope="module")
def built(tmp_path_factory, stored) -> Path:
    """The engines of the family, filled."""
    family = unfilled_family(tmp_path_factory.mktemp("engines") / "scaled")
    assert main(arguments(family, stored)) == 0
    assert edgert_main(["build", str(family), "--json"]) == 0
    [folder] = (file.parent for file in family.glob("built/*/manifest.json"))
    return folder


def weights_of(graph: Path) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(graph).graph.initializer}


def picture_for(built: Path) -> np.ndarray:
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    return Preprocessor(load_family(built.parent.parent).family.input)(picture).copy()


@pytest.mark.slow
def test_the_filled_familys_engines_take_turns(built):
    manifest = json.loads((built / "manifest.json").read_text(encoding="utf-8"))
    costs = [engine["cost"]["macs"] for engine in manifest["engines"]]
    assert len(costs) == 5
    assert costs == sorted(costs, reverse=True)
    tensor = picture_for(built)
    answers: dict[str, np.ndarray] = {}
    with Pool.open(built) as pool:
        for name in (*pool.names, *reversed(pool.names)):
            pool.activate(name)
            answer = np.array(pool.run(tensor))
            assert answer.shape == (1, 3, 16, 24)
            np.testing.assert_array_equal(answers.setdefault(name, answer), answer)
    full = answers["full"]
    np.testing.assert_allclose(answers["merged"], full, atol=1e-4 * np.abs(full).max())
    for name in ("d1111", "middle", "small"):
        assert np.abs(answers[name] - full).max() > 1e-2 * np.abs(full).max(), name


@pytest.mark.slow
def test_one_controller_switches_between_the_scaled_versions(built):
    """Limits on power come and go; latency, power and accuracy are this test's own."""
    table = {
        "full": (0.030, 13.0, 0.8), "merged": (0.026, 12.0, 0.8), "d1111": (0.022, 11.0, 0.5),
        "middle": (0.015, 9.0, 0.7), "small": (0.008, 6.0, 0.6),
    }  # fmt: skip
    entries = [
        ProfileEntry(name=name, latency_s=s, power_w=w, energy_j=s * w, accuracy=a)
        for name, (s, w, a) in table.items()
    ]
    profile = Profile(family="scaled", device="here", entries=entries)
    controller = Controller(profile, Limits(deadline_s=0.033, period_s=0.033))
    tensor, ran = picture_for(built), []
    with Pool.open(built) as pool:
        for frame in range(1200):
            now_s = frame * 0.033
            if frame % 300 == 0:
                power_w = (None, 7.0, 3.0, None)[frame // 300]
                controller.limits = Limits(deadline_s=0.033, period_s=0.033, power_w=power_w)
            decision = controller.decide(now_s, None)
            latency_s = table[decision.configuration][0]
            if decision.configuration != pool.active:
                pool.activate(decision.configuration)
                assert np.isfinite(pool.run(tensor)).all()
                ran.append(decision.configuration)
            controller.observe(
                FrameOutcome(
                    configuration=decision.configuration, latency_s=latency_s, met_deadline=True
                )
            )
    assert ran[:3] == ["merged", "middle", "small"]
    assert ran[-1] == "merged"
    assert "d1111" not in ran  # dearer than the middle version and worse


@pytest.mark.slow
def test_the_trained_b0_of_street_scenes(tmp_path, bundled_family):
    """The checkpoint that the bundled family was made from gives the same model again.

    Weights that are a product of the checkpoint's end in bits that are the processor's own.
    """
    checkpoint = TOOL.parents[1].parent / "shared" / "checkpoints" / "segformer-b0-camvid"
    if not checkpoint.is_dir():
        pytest.skip("the checkpoint is not here (shared/checkpoints/segformer-b0-camvid)")
    family = unfilled_family(
        tmp_path / "b0",
        scaled=False,
        base=BaseModel(graph="base.onnx", source="somebody/segformer-b0-camvid"),
        input=spec(360, 480),
        configurations=[Configuration(name="full", edits=edits(depths=(2, 2, 2, 2)))],
    )
    assert main(["--fill", str(family), "--checkpoint", str(checkpoint)]) == 0
    bundled = load_family(bundled_family).family
    filled = load_family(family).family
    assert filled.labels == bundled.labels
    assert filled.input == bundled.input
    ours, theirs = (weights_of(folder / "base.onnx") for folder in (family, bundled_family))
    assert list(ours) == list(theirs)
    multiplied = {name for name in ours if not np.array_equal(ours[name], theirs[name])}
    assert multiplied <= {"decode.fuse.weight", "decode.fuse.bias"}
    for name in multiplied:
        assert np.abs(ours[name] - theirs[name]).max() <= 1e-6 * np.abs(theirs[name]).max()
    tensor = np.random.default_rng(1).standard_normal(filled.input.shape, np.float32)
    expected = logits_of(bundled_family / "base.onnx", tensor)
    got = logits_of(family / "base.onnx", tensor)
    assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()
