"""The published accuracy predictor: what it is asked, what it answers, what is refused."""

import dataclasses

import numpy as np
import pytest

from edgert.errors import ArtifactError
from edgert.families.ofa_space import Space, Subnet
from edgert.search.subnets.predictor import (
    HIDDEN,
    AccuracyPredictor,
    check_predictable,
    feature_count,
    features_of,
    read_predictor,
)
from edgert.search.subnets.scoring import PredictedScore

SPACE = Space()


def weights(seed=0, inputs=82, hidden=HIDDEN):
    random = np.random.default_rng(seed)
    found = {"base_acc": np.array([0.80556], np.float32)}
    for index, count in enumerate((inputs, hidden, hidden)):
        found[f"layers.{index}.0.weight"] = random.normal(0, count**-0.5, (hidden, count))
        found[f"layers.{index}.0.bias"] = random.normal(0, 0.05, hidden)
    found["layers.3.weight"] = random.normal(0, 0.1 * hidden**-0.5, (1, hidden))
    return {key: array.astype(np.float32) for key, array in found.items()}


def subnet(depth=(2, 2, 2, 2, 2), expand=None, width=(2,) * 6, image_size=224):
    return Subnet(depth, expand or (0.35,) * 18, width, image_size)


def ones(asked):
    return set(np.flatnonzero(features_of(SPACE, asked)).tolist())


def test_there_are_82_entries():
    assert feature_count(SPACE) == 82 == len(features_of(SPACE, subnet()))


def test_the_largest_subnet_by_hand():
    size, stem = {5}, {8 + 1}  # 224 is the sixth size; the stem is whole
    widths = {10 + 3 * i + 2 for i in range(6)}
    expands = {28 + 3 * i + 2 for i in range(18)}
    assert ones(subnet()) == size | stem | widths | expands


def test_a_mixed_subnet_by_hand():
    asked = subnet(
        depth=(0, 0, 1, 2, 0),
        expand=(0.2, 0.25, 0.35, 0.2) + (0.25,) * 4 + (0.35,) * 6 + (0.2, 0.35, 0.25, 0.25),
        width=(0, 1, 2, 0, 1, 2),
        image_size=128,
    )
    expands = {28 + 0, 31 + 1}  # stage 1 keeps two blocks, two are gone
    expands |= {40 + 1, 43 + 1, 46 + 1}  # stage 2 keeps three
    expands |= {52 + 3 * i + 2 for i in range(6)}  # stage 3 keeps all
    expands |= {70 + 0, 73 + 2}  # stage 4 keeps two
    assert ones(asked) == {0, 8, 10, 14, 18, 19, 23, 27} | expands


@pytest.mark.parametrize("depth", [(0, 0, 0, 0, 0), (2, 1, 0, 2, 1), (2, 2, 2, 2, 2)])
def test_a_block_that_is_gone_is_all_zeros(depth):
    asked = subnet(depth=depth)
    entries = features_of(SPACE, asked)[28:].reshape(18, 3)
    kept = {block.index for block in SPACE.kept_blocks(asked)}
    assert {i for i in range(18) if entries[i].any()} == kept
    assert features_of(SPACE, asked).sum() == 8 + len(kept)


def test_a_stem_at_the_middle_depth_is_cut_as_in_the_network():
    middle, least = (subnet(depth=(stem, 0, 0, 0, 0)) for stem in (1, 0))
    assert ones(middle) == ones(least)


def test_the_answer_is_that_of_sums_by_hand():
    held = weights()
    predictor = AccuracyPredictor(held)
    asked = subnet(depth=(0, 1, 0, 2, 1), width=(1, 0, 2, 1, 0, 2), image_size=176)
    values = [float(x) for x in features_of(SPACE, asked)]
    for index in range(3):
        matrix, bias = held[f"layers.{index}.0.weight"], held[f"layers.{index}.0.bias"]
        values = [
            max(0.0, sum(float(m) * v for m, v in zip(row, values, strict=True)) + float(b))
            for row, b in zip(matrix, bias, strict=True)
        ]
    last = zip(held["layers.3.weight"][0], values, strict=True)
    by_hand = sum(float(m) * v for m, v in last) + 0.80556
    assert predictor([asked])[0] == pytest.approx(by_hand, abs=1e-5)
    assert predictor([asked, subnet()])[0] == pytest.approx(by_hand, abs=1e-5)
    changed = held | {"layers.1.0.weight": held["layers.1.0.weight"][::-1]}  # the control
    assert abs(AccuracyPredictor(changed)([asked])[0] - by_hand) > 1e-4


def test_an_npz_file_is_read_back(tmp_path):
    np.savez(tmp_path / "p.npz", **weights())
    got = read_predictor(tmp_path / "p.npz")([subnet()])
    assert got == AccuracyPredictor(weights())([subnet()])
    assert PredictedScore(read_predictor(tmp_path / "p.npz"), SPACE)(subnet()) == got[0]


def renamed(held):
    return {key.replace("layers.", "net."): array for key, array in held.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda held: weights(inputs=128), ["layers.0.0.weight", "(400, 82)", "(400, 128)"]),
        (lambda held: weights(hidden=100), ["layers.0.0.weight", "(400, 82)", "(100, 82)"]),
        (renamed, ["layers.0.0.weight", "no such tensor"]),
        (lambda held: {k: v for k, v in held.items() if k != "base_acc"}, ["base_acc"]),
        (lambda held: held | {"layers.3.bias": np.zeros(1)}, ["layers.3.bias", "1 more"]),
        (lambda held: held | {"layers.2.0.bias": np.full(400, np.nan)}, ["layers.2.0.bias"]),
    ],
)
def test_another_predictor_is_refused_in_one_line(tmp_path, change, words):
    np.savez(tmp_path / "p.npz", **change(weights()))
    with pytest.raises(ArtifactError) as error:
        read_predictor(tmp_path / "p.npz")
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 cut off"])
def test_what_is_no_file_of_tensors_is_refused(tmp_path, content):
    path = tmp_path / "p.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match="read predictor"):
        read_predictor(path)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"base_depths": (2, 2, 2, 2)}, "base_depths"),
        ({"expands": (0.2, 0.25, 0.5)}, "expands"),
        ({"classes": 10}, "classes"),
        ({"image_sizes": (128, 300)}, "image_sizes"),
    ],
)
def test_a_supernet_that_it_does_not_know_is_refused(change, name):
    other = dataclasses.replace(SPACE, **change)
    with pytest.raises(ArtifactError, match=name):
        PredictedScore(AccuracyPredictor(weights()), other)


def test_fewer_image_sizes_and_another_name_are_no_other_supernet():
    check_predictable(dataclasses.replace(SPACE, name="mine", image_sizes=(160, 224)), "search")


def test_scores_are_shares_and_say_that_they_are_modelled():
    held = weights() | {"base_acc": np.array([7.0], np.float32)}
    score = PredictedScore(AccuracyPredictor(held), SPACE)
    assert score(subnet()) == 1.0
    assert score.provenance == "modelled"
    assert "82.99" in score.caution
    assert "3 GMACs" in score.caution
