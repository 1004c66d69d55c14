"""Patches cut from painted frames: of the right class and split, the same every time."""

import json
from pathlib import Path

import numpy as np
import pytest
from cut_patches import Rules, main, windows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgert.artifacts import load_family

ROOT = Path(__file__).resolve().parents[2]
LABELS = load_family(ROOT / "engines" / "segformer-b0-camvid", verify=False).family.labels
SKY, ROAD, VOID = LABELS.index("sky"), LABELS.index("road"), 11
COLORS = {SKY: (200, 220, 255), ROAD: (90, 90, 90), VOID: (0, 0, 0)}


def frame(height: int, width: int, horizon: int) -> np.ndarray:
    """Sky above, road below, a void strip between."""
    labels = np.full((height, width), SKY, np.uint8)
    labels[horizon:] = VOID
    labels[horizon + 4 :] = ROAD
    return labels


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two frames in each split; pictures are painted in their classes' colours."""
    for split, horizons in (("train", (120, 140)), ("val", (130, 150))):
        for kind in ("images", "labels"):
            (tmp_path / split / kind).mkdir(parents=True)
        for number, horizon in enumerate(horizons):
            labels = frame(240, 320, horizon)
            picture = np.zeros((*labels.shape, 3), np.uint8)
            for label, color in COLORS.items():
                picture[labels == label] = color
            Image.fromarray(labels).save(tmp_path / split / "labels" / f"{split}{number}.png")
            Image.fromarray(picture).save(tmp_path / split / "images" / f"{split}{number}.png")
    return tmp_path


def cut(camvid: Path, output: Path, *more: str) -> int:
    return main([str(camvid), "-o", str(output), "--least", "2", *more])


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def test_a_patch_is_mostly_of_its_class_and_of_its_split(camvid: Path, tmp_path: Path, capsys):
    assert cut(camvid, tmp_path / "out") == 0
    assert "left out: building, 0 in train and 0 in val" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "patches.json").read_text())
    assert sorted(report["labels"]) == ["road", "sky"]
    for split in ("train", "val"):
        for label in ("sky", "road"):
            found = sorted((tmp_path / "out" / split / label).iterdir())
            assert len(found) == report["patches"][label][split] > 2
            for path in found:
                assert path.name.startswith(split)
                with Image.open(path) as image:
                    assert image.size == (64, 64)
                    middle = np.asarray(image.convert("RGB")).reshape(-1, 3)
                own = np.abs(middle - np.array(COLORS[LABELS.index(label)])).max(axis=1) < 12
                assert own.mean() > 0.45


def test_the_same_frames_give_the_same_bytes_and_another_seed_others(camvid, tmp_path):
    few = ("--most", "4", "--val-most", "4")
    for name, more in (("a", ()), ("b", ()), ("c", ("--seed", "3"))):
        assert cut(camvid, tmp_path / name, *few, *more) == 0
    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")
    assert len(list((tmp_path / "a" / "train" / "sky").iterdir())) == 4


@settings(max_examples=25)
@given(st.integers(0, 200), st.integers(96, 200), st.sampled_from([0.5, 0.7, 0.9]))
def test_every_window_keeps_the_rules(horizon: int, width: int, share: float):
    labels, rules = frame(200, width, horizon), Rules(share=share)
    for window in windows_of(labels, rules, len(LABELS)):
        rows = slice(window.top, window.top + window.size)
        part = labels[rows, window.left : window.left + window.size]
        assert part.shape == (window.size, window.size)
        assert (part == window.label).mean() >= share
        assert (part == VOID).mean() <= rules.void_share


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--least", "100000"], "two classes with 100000 patches"), (["--labels", "no"], "no")],
)
def test_what_can_not_be_cut_is_one_line_and_leaves_nothing(camvid, tmp_path, capsys, more, said):
    assert main([str(camvid), "-o", str(tmp_path / "out"), *more]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_frames_without_labels_are_refused(camvid, tmp_path, capsys):
    next((camvid / "val" / "labels").iterdir()).unlink()
    assert cut(camvid, tmp_path / "out") == 1
    assert "a label map (PNG) for every picture" in capsys.readouterr().err


# ---------------------------------------------------------------- what is refused


def refused(status: int, capsys) -> str:
    assert status in (1, 2)
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_a_folder_of_something_else_is_left_as_it_is(camvid: Path, tmp_path: Path, capsys):
    (tmp_path / "mine" / "work").mkdir(parents=True)
    (tmp_path / "mine" / "work" / "thesis.txt").write_text("years")
    line = refused(cut(camvid, tmp_path / "mine"), capsys)
    assert line.startswith("cut_patches: write ")
    assert "got a folder of something else. Name another with -o" in line
    assert (tmp_path / "mine" / "work" / "thesis.txt").read_text() == "years"
    (tmp_path / "file").write_text("kept")
    assert "got a file" in refused(cut(camvid, tmp_path / "file"), capsys)
    assert (tmp_path / "file").read_text() == "kept"


def test_the_frames_themselves_are_never_replaced(camvid: Path, monkeypatch, capsys):
    monkeypatch.chdir(camvid / "train")
    line = refused(main(["..", "-o", ".", "--least", "2"]), capsys)
    assert "expected a new folder, or one of patches" in line
    assert sorted(path.name for path in Path().iterdir()) == ["images", "labels"]


def test_patches_and_empty_folders_are_replaced(camvid: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    assert cut(camvid, tmp_path / "out", "--seed", "1") == 0
    first = files(tmp_path / "out")
    assert cut(camvid, tmp_path / "out", "--most", "3", "--val-most", "3") == 0
    assert len(files(tmp_path / "out")) == 12 < len(first)


def test_a_seed_below_nothing_is_refused(camvid: Path, tmp_path: Path, capsys):
    with pytest.raises(SystemExit) as ended:
        cut(camvid, tmp_path / "out", "--seed", "-1")
    assert ended.value.code == 2
    assert "expected a whole number of 0 or more, got '-1'" in capsys.readouterr().err
