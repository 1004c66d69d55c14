"""Every way from a picture to a number, on pictures that have another label when stretched."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from edgert.artifacts import load_family, load_profile
from edgert.calibration.frames import read_calibration_frames
from edgert.cli import profile_session
from edgert.cli.main import main
from edgert.errors import BackendError
from edgert.search.subnets.options import SubnetOptions
from edgert.search.subnets.pictures import (
    calibration_batches,
    deal_pictures,
    write_scoring_inputs,
)
from edgert.surgery.batchnorm import read_statistics
from edgert.video.file_sink import FileSink
from tests.centre_family import (
    COLORS,
    CROP,
    DARK,
    LIGHT,
    framed,
    make_centre_family,
    write_framed,
)

STRETCHED = msgspec.UNSET
CUTS = pytest.mark.parametrize(("crop", "turned"), [(CROP, 0), (STRETCHED, 1)])


@pytest.fixture
def pictures(here: Path) -> Path:
    return write_framed(here / "data" / "val", 24)


def main_colors(tensors) -> list[int]:
    return [int(tensor.mean((0, 2, 3)).argmax()) for tensor in tensors]


# ---------------------------------------------------------------- through the verbs


@CUTS
def test_accuracy_is_of_what_the_family_says_is_seen(here, pictures, capsys, crop, turned):
    family = make_centre_family(here / "family", crop)
    assert main(["build", str(family), "--dataset", "data/val"]) == 0
    words = ["profile", str(family), "--dataset", "data/val", "--rounds", "1", "-o", "p.json"]
    assert main(words) == 0
    [entry] = load_profile(Path("p.json")).entries
    assert (entry.accuracy, entry.accuracy_frames) == (1.0 - turned, 24)
    # The gate holds the engine to its graph on the same pictures.
    [manifest] = (family / "built").glob("*/manifest.json")
    task = json.loads(manifest.read_text())["engines"][0]["parity"]["task"]
    assert (task["engine"], task["graph"]) == (1.0 - turned, 1.0 - turned)


@CUTS
def test_a_video_is_cut_frame_by_frame(here, capsys, crop, turned):
    family = make_centre_family(here / "family", crop)
    with FileSink(here / "in.mp4", fps=25, width=64, height=48) as sink:
        for number in range(9):
            sink.write(framed(number // 3))
    assert main(["profile", str(family), "--build", "--rounds", "1"]) == 0
    assert main(["run", str(family), "in.mp4", "-o", "out.jsonl"]) == 0
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    best = [max(line["scores"], key=line["scores"].__getitem__) for line in lines]
    assert best == [COLORS[(number // 3 + turned) % 3] for number in range(9)]


@CUTS
def test_statistics_are_of_what_is_seen(here, capsys, crop, turned):
    family = make_centre_family(here / "family", crop)
    images = write_framed(here / "data", 30) / "red"
    words = ["recalibrate", str(family), "--images", str(images), "--count", "10", "--add"]
    assert main([*words, "--configurations", "full", "--threads", "1"]) == 0
    means = read_statistics(family / "recalibrated" / "full.npz").tensors
    [mean] = [array for name, array in means.items() if name.endswith(".mean")]
    assert int(mean.argmax()) == turned
    if not turned:  # the centre alone, to rounding
        np.testing.assert_allclose(mean * 255, [LIGHT, DARK, DARK], atol=0.6)


def test_another_cut_makes_engines_and_profiles_stale(here, capsys):
    family = make_centre_family(here / "engines" / "centre")
    profile = ["profile", "centre", "--rounds", "1"]
    assert main([*profile, "--build"]) == 0
    [file] = (here / "profiles").rglob("centre.json")
    assert load_profile(file).measured_under["crop"] == "0.5"
    assert doctor(capsys) == ("ready", "holds", "")

    stretch(family)
    assert main(profile) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "got crop was 0.5, is not stated" in line
    assert main(["build", "centre"]) == 0
    assert "because: crop was 0.5, is not stated" in capsys.readouterr().out
    built, state, why = doctor(capsys)
    assert (built, state) == ("ready", "stale")
    assert why.startswith("crop was 0.5, is not stated: measure again")
    assert main(profile) == 0
    assert "crop" not in load_profile(file).measured_under
    assert doctor(capsys) == ("ready", "holds", "")


def test_a_profile_does_not_go_on_with_pictures_that_were_cut_otherwise(here, capsys, monkeypatch):
    family = make_centre_family(here / "engines" / "centre")
    profile = ["profile", "centre", "--rounds", "1", "--build"]

    def breaks_off(*_, **__):
        raise BackendError("run full", expected="an answer", got="none", advice="Try again")

    with monkeypatch.context() as patched:
        patched.setattr(profile_session, "profile_engines", breaks_off)
        assert main(profile) == 1
    stretch(family)
    capsys.readouterr()
    assert main(profile) == 1
    assert "crop none instead of 0.5" in capsys.readouterr().err.splitlines()[-1]
    assert main([*profile, "--restart"]) == 0


def stretch(family: Path) -> None:
    """Take the cut out of family.yaml."""
    content = yaml.safe_load((family / "family.yaml").read_text())
    del content["input"]["crop"]
    (family / "family.yaml").write_text(yaml.safe_dump(content))


def doctor(capsys) -> tuple[str, str, str]:
    """State of the engines, of the profile, and why."""
    capsys.readouterr()
    main(["doctor", "--json"])
    [family] = json.loads(capsys.readouterr().out)["families"]
    [built], [profile] = family["sets"], family["profiles"]
    return built["state"], profile["state"], profile["why"]


# ---------------------------------------------------------------- readers of folders


@CUTS
def test_calibration_frames_are_cut(here, crop, turned):
    folder = load_family(make_centre_family(here / "family", crop))
    frames = write_framed(here / "frames", 6, by_class=False)
    tensors = read_calibration_frames(frames, folder.family.input, count=6)
    assert main_colors(tensors) == [(number + turned) % 3 for number in range(6)]


@CUTS
def test_a_search_over_subnets_calibrates_and_scores_on_what_is_seen(here, crop, turned):
    folder = load_family(make_centre_family(here / "family", crop))
    labelled = write_framed(here / "val", 9)
    unlabelled = write_framed(here / "train", 30, first=9) / "red"
    options = SubnetOptions(calibration=str(unlabelled), labels=str(labelled))
    frames = deal_pictures(folder, options)
    batches = calibration_batches(folder, frames, options)
    assert set(main_colors(batches.search[0])) == {turned}
    inputs = write_scoring_inputs(here / "work", folder, frames, progress=lambda *_: None)
    seen = main_colors(tensor[None] for tensor in inputs.inputs)
    assert seen == [(label + turned) % 3 for label in inputs.labels]
