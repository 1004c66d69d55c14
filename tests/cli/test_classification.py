"""A classifier through the verbs that a device's user types, one after the other."""

import json
from pathlib import Path

import pytest

from edgert.artifacts import load_profile
from edgert.cli.main import main
from tests.search.search_family import make_classifier

SOURCE = "test://?width=64&height=48&fps=25&frames=12"


@pytest.fixture
def family(here: Path) -> Path:
    """Beside its pictures, in data/val, by the class that its own graph sees in them."""
    return make_classifier(here / "classifier", here / "data" / "val")


def test_build_profile_and_run(family: Path, capsys, here: Path):
    words = ["build", str(family), "--dataset", "data/val"]
    assert main([*words, "--frames", "data/val/sky"]) == 0
    text = capsys.readouterr().out
    assert "top1 engine" in text
    assert "engine and graph: 16 frames, truth: labels of data/val" in text

    assert main(["profile", str(family), "--dataset", "data/val", "--rounds", "1"]) == 0
    text = capsys.readouterr().out
    assert "accuracy: top-1 measured on 16 labelled frames of data/val" in text
    [file] = (here / "profiles" / "measured").glob("*/tiny.json")
    full = load_profile(file).entries[0]
    assert (full.accuracy, full.accuracy_frames) == (1.0, 16)
    assert full.accuracy_interval[0] == pytest.approx(0.806, abs=1e-3)
    table = file.with_suffix(".csv").read_text().splitlines()
    row = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert (row["accuracy_frames"], row["accuracy_high"]) == ("16", "1.0")

    words = ["run", str(family), SOURCE, "-o", "a.mp4", "-o", "a.jsonl", "--report", "r.html"]
    assert main([*words, "--log", "r.jsonl"]) == 0
    lines = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    for line in lines:
        scores = line["scores"]
        assert {*scores} == {"sky", "road", "car"}
        assert sum(scores.values()) == pytest.approx(1, abs=1e-4)
    assert "top-1 measured on 16 labelled frames" in Path("r.html").read_text()
    assert Path("a.mp4").stat().st_size > 500


def test_profile_builds_what_is_missing_and_only_that(family: Path, capsys):
    words = ["profile", str(family), "--rounds", "1", "--frame-count", "2", "-o", "p.json"]
    assert main(words) == 1
    assert "Build it: edgert build" in capsys.readouterr().err
    assert main([*words, "--build", "--dataset", "data/val", "--dataset-count", "5"]) == 0
    said = capsys.readouterr()
    assert "because: open" in said.err
    assert "on 5 labelled frames of data/val" in said.out
    [manifest] = (family / "built").glob("*/manifest.json")
    made = manifest.stat().st_mtime_ns
    assert main([*words, "--build"]) == 0
    assert "because" not in capsys.readouterr().err
    assert manifest.stat().st_mtime_ns == made


@pytest.mark.parametrize("verb", ["build", "profile"])
def test_a_dataset_of_other_classes_is_one_line_before_the_work(
    family: Path, capsys, here: Path, verb: str
):
    (here / "data" / "val" / "dog").mkdir()
    assert main([verb, str(family), "--dataset", "data/val"]) == 1
    error = capsys.readouterr().err
    assert "expected folders named after the family's classes, got dog" in error
    assert len(error.splitlines()) == 1
    assert not (family / "built").exists()


def test_maps_for_a_classifier_are_refused(family: Path, capsys, here: Path):
    for name in ("images", "labels"):
        (here / "maps" / name).mkdir(parents=True)
    assert main(["build", str(family), "--dataset", "maps"]) == 1
    assert (
        "expected folders named after the family's classes, got images" in capsys.readouterr().err
    )
