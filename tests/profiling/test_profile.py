from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from edgert.daemon.status import metric_from
from edgert.errors import ArtifactError, BackendError
from edgert.profiling.accuracy import top1_interval
from edgert.profiling.labelled import open_scoring_frames
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
    TensorSpec,
)

HASH = "0" * 64
PARITY = Parity(
    max_abs_difference=0, mean_abs_difference=0, reference_max_abs=1, label_agreement=1, inputs=1
)


def engine(name: str, macs: int) -> Engine:
    cost = Cost(macs=macs, parameters=1, activation_bytes=1)
    return Engine(
        name=name, file=f"{name}.onnx", sha256=HASH, size_bytes=1, graph_sha256=HASH,
        cost=cost, parity=PARITY,
    )  # fmt: skip


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
        format=2, family="toy", backend="none", built_for={}, built_from={},
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


@pytest.mark.parametrize(
    "other", [None, Accuracy(metric="miou", value=0.4, frames=7, dataset="elsewhere")]
)
def test_figures_that_do_not_compare_are_left_for_agreement(other: Accuracy | None):
    """A score beside a share of agreement, or of other data, says nothing of which is better."""
    both = engines(card=True)
    full, blind = both.family.configurations
    cards = [full, msgspec.structs.replace(blind, accuracy=other)]
    family = msgspec.structs.replace(both.family, configurations=cards)
    profile = profile_engines(
        replace(both, family=family), device="d", frames=[half_bright()], rounds=1
    )
    assert [entry.accuracy for entry in profile.entries] == [1, 0.5]
    assert {entry.accuracy_from for entry in profile.entries} == {"agreement with full"}


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
        labelled=open_scoring_frames(tmp_path, engines(card=True).family),
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    full, blind = profile.entries
    assert full.accuracy == 1
    assert blind.accuracy == pytest.approx((12 / 23 + 0) / 2)
    name = f"{tmp_path.parent.name}/{tmp_path.name}"
    assert full.accuracy_from == f"mIoU measured on 1 labelled frames of {name}"
    assert (full.accuracy_frames, full.accuracy_interval) == (1, None)
    assert {what for _, _, what in steps} >= {"latency", "accuracy"}


def classifiers(*, card: bool = False) -> EngineSet:
    """The same two engines, one answer for a picture."""
    maps = engines(card=card)
    cards = [
        msgspec.structs.replace(
            one,
            accuracy=one.accuracy
            and msgspec.structs.replace(one.accuracy, metric="top1", value=6 / 7),
        )
        for one in maps.family.configurations
    ]
    family = msgspec.structs.replace(maps.family, task="classification", configurations=cards)
    output = TensorSpec(name="logits", shape=(1, 2))
    return replace(
        maps,
        family=family,
        manifest=msgspec.structs.replace(maps.manifest, outputs=[output]),
        runs={
            name: lambda x, run=run: run(x).mean(axis=(2, 3)) for name, run in maps.runs.items()
        },
    )


def by_class(folder: Path) -> Path:
    for name, shades in {"dark": (0, 20, 200), "1": (255,)}.items():
        (folder / name).mkdir(parents=True)
        for shade in shades:
            picture = np.full((4, 6, 3), shade, np.uint8)
            Image.fromarray(picture).save(folder / name / f"{shade:03}.png")
    return folder


def test_a_classifier_s_pictures_are_counted_by_class_folder(tmp_path: Path):
    folder, steps = by_class(tmp_path / "toys" / "val"), []
    profile = profile_engines(
        classifiers(card=True), device="d", frames=[half_bright()], rounds=1,
        labelled=open_scoring_frames(folder, classifiers().family),
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    full, blind = profile.entries
    assert (full.accuracy, blind.accuracy) == (3 / 4, 3 / 4)  # a bright one lies among the dark
    assert full.accuracy_from == "top-1 measured on 4 labelled frames of toys/val"
    assert full.accuracy_frames == 4
    assert full.accuracy_interval == top1_interval(3 / 4, 4)
    assert [step for step in steps if step[2] == "accuracy"] == [
        (done, 8, "accuracy") for done in range(9)
    ]
    assert metric_from(full.accuracy_from) == "top-1"


def test_a_classifier_s_card_is_carried_over_with_its_interval():
    profile = profile_engines(classifiers(card=True), device="d", frames=[half_bright()], rounds=1)
    full = profile.entries[0]
    assert full.accuracy_from == "top-1 on 7 frames of toy val"
    assert full.accuracy_interval == top1_interval(6 / 7, 7)


def test_agreement_of_classifiers_is_by_picture():
    bright = np.full((4, 6, 3), 255, np.uint8)
    frames = [bright, np.zeros_like(bright), np.zeros_like(bright), bright, bright]
    profile = profile_engines(classifiers(), device="d", frames=frames, rounds=1)
    full, blind = profile.entries
    assert (full.agreement, blind.agreement) == (1, 2 / 5)
    assert (blind.accuracy_frames, blind.accuracy_interval) == (None, None)


@pytest.mark.parametrize("shape", [(1, 3), (1, 2, 4, 6)])
def test_engines_of_other_classes_are_refused_before_anything_is_measured(shape, tmp_path: Path):
    made = classifiers()
    output = TensorSpec(name="logits", shape=shape)
    wrong = replace(made, manifest=msgspec.structs.replace(made.manifest, outputs=[output]))
    labelled = open_scoring_frames(by_class(tmp_path / "val"), made.family)
    steps = []
    with pytest.raises(ArtifactError, match=r"expected logits of 2 classes, \(1, C\), got shape"):
        profile_engines(
            wrong, device="d", frames=[half_bright()], rounds=1, labelled=labelled,
            progress=lambda *step: steps.append(step),
        )  # fmt: skip
    assert not steps


def test_energy_carries_its_provenance():
    profile = profile_engines(
        engines(card=True), device="d", frames=[half_bright()], rounds=1,
        energy_of=energy_of, board="toy-board",
    )  # fmt: skip
    assert [entry.energy_j for entry in profile.entries] == [5.0, 1.0]
    assert {entry.energy_from for entry in profile.entries} == {"emulated"}
    assert profile.board == "toy-board"


def test_a_profile_states_its_conditions_and_its_engines():
    profile = profile_engines(
        engines(card=True), device="d", frames=[half_bright()], rounds=1,
        conditions=lambda: {"power_mode": "25W"},
    )  # fmt: skip
    assert profile.measured_under == {"power_mode": "25W"}
    expected = {engine.name: engine for engine in engines(card=True).manifest.engines}
    for entry in profile.entries:
        assert entry.engine_sha256 == expected[entry.name].sha256
        assert entry.graph_sha256 == expected[entry.name].graph_sha256


def test_conditions_that_change_while_measuring_are_refused():
    modes = iter(["25W", "15W"])
    with pytest.raises(BackendError, match="expected one power mode from start to end, got 25W, "):
        profile_engines(
            engines(card=True), device="d", frames=[half_bright()], rounds=1,
            conditions=lambda: {"power_mode": next(modes)},
        )  # fmt: skip
