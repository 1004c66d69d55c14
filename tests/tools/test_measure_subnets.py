"""Subnets before and after recalibration, and against what was trained alone."""

import dataclasses
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measure_subnets import frame_of, interval_by_frame, main
from PIL import Image
from safetensors.numpy import save_file

from edgert.artifacts import load_family, save_family
from edgert.cli.main import main as edgert
from edgert.families.ofa_resnet50 import edits, note
from edgert.families.ofa_space_file import read_space
from edgert.preprocess import Preprocessor
from edgert.records import Configuration
from tests.families.ofa_networks import random_weights
from tests.search.subnets.supernet_family import (
    SIZE,
    TINY,
    make_supernet_family,
    write_labelled,
    write_pictures,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A supernet with its smallest subnet beside the whole; one network 'trained' alone."""
    folder = tmp_path_factory.mktemp("measure")
    make_supernet_family(folder / "fam")
    small = TINY.smallest()
    configurations = [
        Configuration(name="full", note=note(TINY.largest())),
        Configuration(
            name="small", edits=edits(TINY, small, base_image_size=SIZE), note=note(small)
        ),
    ]
    family = load_family(folder / "fam").family
    family = msgspec.structs.replace(family, configurations=configurations)
    save_family(folder / "fam" / "family.yaml", family)
    write_pictures(folder / "cal", first=0, count=20)
    write_labelled(folder / "val", folder / "fam", first=100, count=12)
    space = read_space(folder / "fam" / "space.json")
    alone = folder / "alone" / "one"
    alone.mkdir(parents=True)
    metadata = {"space": json.dumps(asdict(space))}
    save_file(random_weights(space, seed=5), alone / "supernet.safetensors", metadata=metadata)
    (alone / "training.json").write_text(json.dumps({"alone": note(small)}))
    return folder


def words(root: Path, *more: str) -> list[str]:
    return [
        str(root / "fam"), "--labels", str(root / "val"), "--calibration", str(root / "cal"),
        "--count", "16", "--batch", "8", "--rounds", "2", *more,
    ]  # fmt: skip


def test_every_configuration_has_its_row(root, tmp_path, capsys):
    output = tmp_path / "measured.json"
    picture = tmp_path / "measured.png"
    more = ("--alone", str(root / "alone"), "-o", str(output), "--plot", str(picture))
    assert main(words(root, *more)) == 0
    with Image.open(picture) as image:
        assert min(image.size) > 300
    shown = capsys.readouterr().out
    result = json.loads(output.read_text())
    full, small = result["rows"]
    assert (full["name"], small["name"]) == ("full", "small")
    assert result["pictures"] == 12
    assert full["time_ratio"] == 1.0
    assert full["before"]["top1"] == pytest.approx(share_right(root), abs=1e-4)
    assert "alone" not in full
    assert 0 <= small["alone"]["top1"] <= 1
    assert small["mmacs"] < full["mmacs"]
    for row in (full, small):
        assert row["after"]["low"] <= row["after"]["top1"] <= row["after"]["high"]
        assert row["name"] in shown


def test_what_has_no_statistics_of_its_own_is_recalibrated_here(root, tmp_path):
    """Else the column "recalibrated" would show what was not."""
    shutil.copytree(root / "fam", tmp_path / "fam")
    given = [str(tmp_path / "fam"), *words(root)[1:]]
    assert main([*given, "-o", str(tmp_path / "before.json")]) == 0
    images = ["--images", str(root / "cal"), "--count", "16", "--batch", "8"]
    assert edgert(["recalibrate", str(tmp_path / "fam"), *images, "--add"]) == 0
    assert main([*given, "-o", str(tmp_path / "after.json")]) == 0
    _, here = json.loads((tmp_path / "before.json").read_text())["rows"]
    _, stored = json.loads((tmp_path / "after.json").read_text())["rows"]
    assert here["after"] == stored["after"]
    assert here["before"] == stored["before"]


def test_a_network_alone_has_its_row_where_no_configuration_has_its_shape(root, tmp_path, capsys):
    shape = dataclasses.replace(TINY.smallest(), image_size=TINY.image_sizes[1])
    shutil.copytree(root / "alone", tmp_path / "alone")
    report = tmp_path / "alone" / "one" / "training.json"
    report.write_text(json.dumps({"alone": note(shape)}))
    output = tmp_path / "measured.json"
    assert main(words(root, "--alone", str(tmp_path / "alone"), "-o", str(output))) == 0
    rows = json.loads(output.read_text())["rows"]
    assert [row["mmacs"] for row in rows] == sorted((row["mmacs"] for row in rows), reverse=True)
    [own] = [row for row in rows if "alone" in row]
    assert (own["name"], own["subnet"]) == ("one", note(shape))
    assert own["before"]["top1"] >= 0


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("{", "expected JSON"),
        ('{"alone": null}', "got another supernet"),
        ('{"alone": "NOTE", "labels": ["a", "b"]}', "got a, b. Train it on the same classes"),
    ],
)
def test_what_is_no_network_alone_of_this_family_is_told(root, tmp_path, capsys, report, told):
    shutil.copytree(root / "alone", tmp_path / "alone")
    path = tmp_path / "alone" / "one" / "training.json"
    path.write_text(report.replace("NOTE", note(TINY.smallest())))
    assert main(words(root, "--alone", str(tmp_path / "alone"))) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"{path}" in line
    assert told in line


@pytest.mark.parametrize(
    "more", [("-o", "none/x.json"), ("--plot", "none/x.png"), ("--rounds", "1")]
)
def test_what_could_not_be_told_at_the_end_is_refused_at_once(root, monkeypatch, capsys, more):
    monkeypatch.chdir(root)
    assert main(words(root, *more)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(("measure_subnets: write none/x", "measure_subnets: --rounds"))


def share_right(root: Path) -> float:
    """What the base graph itself gets right, by onnxruntime alone."""
    folder = load_family(root / "fam")
    session, right = onnxruntime.InferenceSession(folder.graph_path), []
    for path in sorted((root / "val").rglob("*.png")):
        with Image.open(path) as image:
            tensor = Preprocessor(folder.family.input)(np.asarray(image.convert("RGB")))
        [logits] = session.run(None, {"pixel_values": tensor})
        right.append(folder.family.labels[int(logits.argmax())] == path.parent.name)
    return float(np.mean(right))


@pytest.mark.parametrize("what", ["--labels", "--calibration", "--alone"])
def test_what_is_missing_is_one_line(root, tmp_path, capsys, what):
    given = words(root)
    assert main([*given, what, str(tmp_path / "none")]) == 1
    [*_, line] = capsys.readouterr().err.splitlines()
    assert line.startswith("measure_subnets: ")
    assert "none" in line


def test_a_network_alone_of_another_space_is_refused(root, tmp_path, capsys):
    shutil.copytree(root / "alone", tmp_path / "alone")
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "alone" / "one" / "supernet.safetensors")
    assert main(words(root, "--alone", str(tmp_path / "alone"))) == 1
    assert "supernet.safetensors" in capsys.readouterr().err


# ---------------------------------------------------------------- intervals


def test_a_patch_says_its_frame():
    assert frame_of(Path("val/sky/0016E5_07961_48_096_012.png")) == "0016E5_07961"


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=2, max_size=30))
def test_the_share_lies_within_its_interval(by_frame):
    right = [answer for frame in by_frame for answer in frame]
    frames = [str(number) for number, frame in enumerate(by_frame) for _ in frame]
    low, high = interval_by_frame(right, frames)
    assert 0 <= low <= high <= 1
    assert low - 1e-4 <= np.mean(right) <= high + 1e-4 or len(by_frame) < 8


def test_patches_of_one_frame_tell_less_than_as_many_of_their_own():
    draw = np.random.default_rng(0)
    frames = np.repeat(np.arange(50), 20)
    alike = np.repeat(draw.random(50) < 0.7, 20)  # all of a frame right, or none
    own = draw.random(1000) < 0.7
    wide, narrow = (
        high - low
        for low, high in (
            interval_by_frame(right, list(map(str, frames))) for right in (alike, own)
        )
    )
    assert wide > 2.5 * narrow
