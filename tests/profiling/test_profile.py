from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgert.profiling.dataset import open_labelled_frames
from edgert.profiling.profile import EngineEnergy, EngineSet, profile_engines
from edgert.records import (
    Accuracy,
    BaseModel,
    Configuration,
    Cost,
    Engine,
    EngineManifest,
    Family,
    InputSpec,
    Parity,
)

HASH = "0" * 64
PARITY = Parity(
    max_abs_difference=0, mean_abs_difference=0, reference_max_abs=1, label_agreement=1, inputs=1
)


def engine(name: str, macs: int) -> Engine:
    cost = Cost(macs=macs, parameters=1, activation_bytes=1)
    return Engine(name=name, file=f"{name}.onnx", sha256=HASH, cost=cost, parity=PARITY)


def engines(*, card: bool) -> EngineSet:
    """Two engines on 4x6 pictures: "full" tells bright from dark, "blind" says dark always."""
    family = Family(
        format=1,
        name="toy",
        task="segmentation",
        base=BaseModel(graph="base.onnx", sha256=HASH),
        input=InputSpec(name="x", shape=(1, 3, 4, 6)),
        labels=["dark", "bright"],
        ignore_label=9,
        configurations=[
            Configuration(
                name=name,
                accuracy=Accuracy(metric="miou", value=0.8, frames=7, dataset="toy val")
                if card
                else None,
            )
            for name in ("full", "blind")
        ],
    )
    manifest = EngineManifest(
        format=1, family="toy", backend="none", built_for={}, built_from={},
        weights="w.bin", weights_sha256=HASH, inputs=[], outputs=[],
        baselines_macs={"exported": 100, "merged": 50},
        engines=[engine("full", 50), engine("blind", 10)],
    )  # fmt: skip

    def full(x: np.ndarray) -> np.ndarray:
        bright = x.mean(axis=1, keepdims=True)
        return np.concatenate([0.5 - bright, bright - 0.5], axis=1)

    def blind(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.ones_like(x[:, :1]), np.zeros_like(x[:, :1])], axis=1)

    return EngineSet(
        family=family,
        manifest=manifest,
        runs={"full": full, "blind": blind},
        preprocess=lambda image: (image.transpose(2, 0, 1)[None] / 255).astype(np.float32),
    )


def half_bright() -> np.ndarray:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:, :3] = 255
    return picture


def energy_of(loads):
    return {
        name: EngineEnergy(power_w=10.0, energy_j=macs / 10, provenance="emulated")
        for name, (_, macs) in loads.items()
    }


def test_without_labels_and_card_agreement_stands_for_accuracy():
    profile = profile_engines(engines(card=False), device="d", frames=[half_bright()], rounds=1)
    full, blind = profile.entries
    assert full.agreement == full.accuracy == 1
    assert blind.agreement == blind.accuracy == 0.5
    assert "agreement with full" in blind.accuracy_from
    assert full.energy_j is None
    assert full.energy_from is None
    assert full.latency.runs > 0
    assert profile.baselines_macs == {"exported": 100, "merged": 50}


def test_the_card_s_figure_is_carried_over_with_its_source():
    profile = profile_engines(engines(card=True), device="d", frames=[half_bright()], rounds=1)
    assert [entry.accuracy for entry in profile.entries] == [0.8, 0.8]
    assert profile.entries[0].accuracy_from == "mIoU on 7 frames of toy val"


def test_labelled_frames_are_measured(tmp_path: Path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    Image.fromarray(half_bright()).save(tmp_path / "images" / "a.png")
    labels = (half_bright()[..., 0] > 0).astype(np.uint8)
    labels[0, 0] = 9  # ignored
    Image.fromarray(labels).save(tmp_path / "labels" / "a.png")
    steps = []
    profile = profile_engines(
        engines(card=True), device="d", frames=[half_bright()], rounds=1,
        labelled=open_labelled_frames(tmp_path), progress=lambda *step: steps.append(step),
    )  # fmt: skip
    full, blind = profile.entries
    assert full.accuracy == 1
    assert blind.accuracy == pytest.approx((12 / 23 + 0) / 2)
    assert full.accuracy_from == "mIoU measured on 1 labelled frames"
    assert {what for _, _, what in steps} >= {"latency", "accuracy"}


def test_energy_carries_its_provenance():
    profile = profile_engines(
        engines(card=True), device="d", frames=[half_bright()], rounds=1,
        energy_of=energy_of, board="toy-board",
    )  # fmt: skip
    assert [entry.energy_j for entry in profile.entries] == [5.0, 1.0]
    assert {entry.energy_from for entry in profile.entries} == {"emulated"}
    assert profile.board == "toy-board"
