"""`edgert search` through the real command line, on a family of a few kilobytes."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgert.artifacts import load_family
from edgert.build.derive import derive
from edgert.cli.main import main
from edgert.surgery.cost import cost_of
from edgert.surgery.load import load_graph
from tests.search.clusters import dask_cluster
from tests.search.search_family import command, make_classifier, search_words, write_frames
from tests.tiny_family import make_tiny_family

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def frames(tmp_path_factory) -> Path:
    """A family, frames to fit on (drive) and labelled frames of another time (val)."""
    root = tmp_path_factory.mktemp("search")
    family = make_tiny_family(root / "tiny")
    write_frames(root / "drive", family, first=0, count=8)
    write_frames(root / "val", family, first=100, count=16)
    return root


@pytest.fixture(scope="session")
def searched(frames: Path) -> tuple[Path, dict]:
    """A whole search in a process of its own, with all that it wrote."""
    words = [
        *search_words(frames / "tiny", frames, "-o", str(frames / "new"), "--json"),
        "--jobs",
        "2",
    ]
    done = run_process(words)
    assert done.returncode == 0, done.stderr
    return frames, json.loads(done.stdout)


def run_process(words: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(command(words), capture_output=True, text=True, cwd=ROOT, check=False)


def journal_of(family: Path) -> list[dict]:
    lines = (family / "search" / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def own_copy(frames: Path, tmp_path: Path, *, search: bool = False) -> Path:
    family = tmp_path / "tiny"
    shutil.copytree(
        frames / "tiny", family, ignore=None if search else shutil.ignore_patterns("search")
    )
    return family


# ---------------------------------------------------------------- a whole search


def test_the_frontier_gets_cheaper_and_worse_and_nothing_on_it_is_beaten(searched):
    _, said = searched
    result = said["result"]
    found = [result["full"], *result["frontier"]]
    assert len(found) >= 3
    costs = [one["cost"] for one in found]
    assert costs == sorted(costs, reverse=True)
    scores = [one["choose"] for one in result["frontier"]]
    assert scores == sorted(scores, reverse=True)
    assert result["full"]["choose"] > 0.8  # the labels are its own, one pixel in 20 wrong
    assert all(one["choose_drop"] <= 0.12 for one in result["frontier"])
    assert all(0 <= one["report_error"] < 0.2 for one in result["frontier"])
    assert all(0 <= one["uncompensated"] <= 1 for one in result["frontier"])
    assert result["full"]["uncompensated"] is None


def test_both_halves_are_scored_and_the_flattery_is_told(searched):
    _, said = searched
    result = said["result"]
    assert result["frames"] == {"fitted on": 8, "choose": 8, "report": 8}
    gaps = [one["report_drop"] - one["choose_drop"] for one in result["frontier"]]
    assert result["flattery"]["frontier"] == pytest.approx(np.mean(gaps))
    assert result["flattery"]["configurations"] == len(result["frontier"])


def test_uniform_ratios_and_both_searches_are_compared(searched):
    _, said = searched
    methods = said["result"]["methods"]
    assert set(methods) == {"greedy", "multi-objective", "uniform"}
    assert methods["multi-objective"]["trials"] == 4
    best = max(
        methods["greedy"]["hypervolume_choose"], methods["multi-objective"]["hypervolume_choose"]
    )
    assert best > methods["uniform"]["hypervolume_choose"]


def test_the_written_family_is_what_was_found(searched):
    frames, said = searched
    folder = load_family(frames / "new")
    assert folder.family.name == "new"  # its profile is a file of its own
    configurations = folder.family.configurations
    frontier = said["result"]["frontier"]
    assert [c.name for c in configurations] == ["full", *[one["name"] for one in frontier]]
    assert len({c.name for c in configurations}) == len(configurations)
    base = load_graph(folder.graph_path)
    for configuration, one in zip(configurations[1:], frontier, strict=True):
        graph = derive(base, configuration.edits, subject="t", folder=folder.path)
        assert cost_of(graph).macs == one["macs"]
        assert configuration.accuracy.value == round(one["report"], 4)
        assert configuration.accuracy.frames == 8
        assert configuration.accuracy.dataset.endswith("/val, the 8 frames that did not choose")
    fitted = {path.stem for path in (folder.path / "fitted").iterdir()}
    assert fitted == {one["name"] for one in frontier}


def test_the_written_family_builds_and_scores_as_it_says(searched, capsys):
    frames, said = searched
    new = frames / "new"
    assert main(["build", str(new), "--threads", "1", "--json"]) == 0
    capsys.readouterr()
    words = ["profile", str(new), "--threads", "1", "--rounds", "1", "--frame-count", "2"]
    val = frames / "val"
    assert main([*words, "--dataset", str(val), "-o", str(frames / "p.json"), "--json"]) == 0
    entries = {e["name"]: e["accuracy"] for e in json.loads(capsys.readouterr().out)["entries"]}
    for one in [said["result"]["full"], *said["result"]["frontier"]]:
        # Over all frames; mIoU of both halves together lies near those of the halves.
        low, high = sorted((one["choose"], one["report"]))
        assert low - 0.03 < entries[one["name"]] < high + 0.03


def test_the_plot_and_the_result_lie_in_the_work_folder(searched):
    frames, said = searched
    work = frames / "tiny" / "search"
    with Image.open(said["plot"]) as image:
        assert image.format == "PNG"
        assert min(image.size) > 500
    assert json.loads((work / "result.json").read_text()) == said["result"]
    assert not list((work / "timing").iterdir())
    kept = {path.stem for path in (work / "final" / "graphs").iterdir()}
    assert kept == {one["key"] for one in said["result"]["frontier"]}


def test_no_trial_is_made_twice_and_a_second_start_makes_none(searched, tmp_path: Path, capsys):
    frames, said = searched
    lines = journal_of(frames / "tiny")
    keys = Counter((line["kind"], line["key"]) for line in lines if "key" in line)
    assert set(keys.values()) == {1}
    family = own_copy(frames, tmp_path, search=True)
    assert main([*search_words(family, frames), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["result"]
    assert again["evaluated_now"] == 0
    assert again["frontier"] == said["result"]["frontier"]


@pytest.mark.slow
def test_the_same_seed_finds_the_same(searched, tmp_path: Path, capsys):
    frames, said = searched
    family = own_copy(frames, tmp_path)
    assert main([*search_words(family, frames), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["result"]
    assert again["evaluated_now"] > 20
    assert again["frontier"] == said["result"]["frontier"]


def test_a_table_is_printed_without_json(searched, tmp_path: Path, capsys):
    frames, _ = searched
    family = own_copy(frames, tmp_path, search=True)
    assert main(search_words(family, frames)) == 0
    text = capsys.readouterr().out
    assert text.startswith("name")
    assert "flattered: the drop is" in text
    assert "hypervolume" in text
    assert "nothing written: add -o DIR" in text


def test_write_replaces_the_configurations_and_leaves_nothing_unused(
    searched, tmp_path: Path, capsys
):
    frames, said = searched
    family = own_copy(frames, tmp_path, search=True)
    (family / "fitted").mkdir()
    (family / "fitted" / "old.npz").write_bytes(b"old")
    first = said["result"]["frontier"][0]["name"]
    (family / "fitted" / f"{first}.npz").write_bytes(b"in use by somebody")
    assert main([*search_words(family, frames), "--write"]) == 0
    assert "written. Build it: edgert build" in capsys.readouterr().out
    folder = load_family(family)
    named = {
        Path(edit["compensate"]["fitted"]).name
        for configuration in folder.family.configurations
        for edit in configuration.edits
        if "compensate" in edit
    }
    assert {path.name for path in (family / "fitted").iterdir()} == named
    assert f"{first}.npz" not in named  # that name was taken while the old family stood
    assert main(["build", str(family), "--threads", "1"]) == 0


# ---------------------------------------------------------------- killed, and other starts


def nobody_is_left(group: int, *, within_s: float = 30) -> bool:
    """Whether all processes of a group end in time."""
    limit_s = time.monotonic() + within_s
    while time.monotonic() < limit_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        os.sched_yield()
    return False


def test_sizes_of_the_picture_are_searched_and_written(frames: Path, tmp_path: Path, capsys):
    words = search_words(own_copy(frames, tmp_path), frames, "-o", str(tmp_path / "new"), "--json")
    words[words.index("--max-drop") + 1] = "80"  # random weights make much of each pixel
    words[words.index("block*")] = "nothing"
    assert main([*words, "--sizes", "0.75,0.5"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    sizes = [one["choice"].get("size:input") for one in result["frontier"]]
    assert {"12x16", "18x24"} <= set(sizes)
    new = load_family(tmp_path / "new")
    for configuration, size in zip(new.family.configurations[1:], sizes, strict=True):
        names = [next(iter(edit)) for edit in configuration.edits]
        assert (names[-1] == "resize_input") == (size is not None)
        assert ("compensate" in names) == ("narrow_groups" in names)
    fitted = {path.stem for path in (tmp_path / "new" / "fitted").iterdir()}
    assert fitted == {
        one["name"] for one in result["frontier"] if set(one["choice"]) - {"size:input"}
    }
    assert main(["build", str(tmp_path / "new"), "--threads", "1", "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert str(built).count("'name'") >= len(sizes)


def test_a_killed_search_goes_on_where_it_was(frames: Path, tmp_path: Path, capsys):
    family = own_copy(frames, tmp_path)
    journal = family / "search" / "journal.jsonl"
    words = search_words(family, frames)
    with subprocess.Popen(
        command(words), cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while process.poll() is None:
            if journal.exists() and journal.read_bytes().count(b"\n") > 8:
                break
            os.sched_yield()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert nobody_is_left(process.pid)  # workers end with the process that started them
    with journal.open("ab") as file:
        file.write(b'{"kind":"trial","key":"torn')  # as a kill between two bytes leaves it
    before = len(journal.read_bytes().splitlines()) - 1
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    keys = Counter((line["kind"], line["key"]) for line in journal_of(family) if "key" in line)
    assert set(keys.values()) == {1}
    assert result["evaluated_now"] == len(keys) - (before - 1)  # one line is the header
    elapsed = [line["elapsed_s"] for line in journal_of(family)[1:]]
    assert elapsed == sorted(elapsed)


def test_ctrl_c_is_one_line_and_leaves_a_journal_and_no_worker(frames: Path, tmp_path: Path):
    family = own_copy(frames, tmp_path)
    journal = family / "search" / "journal.jsonl"
    with subprocess.Popen(
        command(search_words(family, frames)), cwd=ROOT, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while process.poll() is None:
            if journal.exists() and journal.read_bytes().count(b"\n") > 8:
                break
            os.sched_yield()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "edgert search: stopped"
    assert "Traceback" not in err
    assert journal_of(family)[-1]["kind"] in ("trial", "final")
    assert nobody_is_left(process.pid)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--align", "2"], "align 2 instead of 4"),
        (["--max-drop", "9"], "largest drop 0.09 instead of 0.12"),
        (["--frame-count", "7"], "calibration frames"),
        (["--label-count", "15"], "labelled frames"),
        (["--seed", "5"], "seed 5 instead of 0"),
    ],
)
def test_a_changed_start_is_refused_in_one_line(
    searched, tmp_path: Path, capsys, change: list[str], named: str
):
    frames, _ = searched
    family = own_copy(frames, tmp_path, search=True)
    assert main([*search_words(family, frames), *change]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert named in line
    assert "Add --restart to start anew" in line


@pytest.mark.slow
def test_restart_starts_anew_and_touches_nothing_else(searched, tmp_path: Path, capsys):
    frames, _ = searched
    family = own_copy(frames, tmp_path, search=True)
    (family / "search" / "notes.txt").write_text("mine")
    words = [*search_words(family, frames), "--trials", "0", "--exclude", "block[12]*"]
    assert main([*words, "--restart", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["evaluated_now"] > 0
    assert result["methods"]["multi-objective"]["trials"] == 0
    assert (family / "search" / "notes.txt").read_text() == "mine"


# ---------------------------------------------------------------- without labels, by time


@pytest.mark.slow
def test_without_labels_agreement_on_held_out_frames_is_the_score(
    frames: Path, tmp_path: Path, capsys
):
    family = own_copy(frames, tmp_path)
    words = search_words(family, frames, "--trials", "0")
    place = words.index("--labels")
    del words[place : place + 2]
    assert main([*words, "-o", str(tmp_path / "new"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["metric"] == "agreement"
    assert result["full"]["choose"] == result["full"]["report"] == 1
    assert result["frames"] == {"fitted on": 4, "choose": 2, "report": 2}
    assert all(c.accuracy is None for c in load_family(tmp_path / "new").family.configurations)


@pytest.mark.slow
def test_a_classifier_is_scored_by_its_first_class(frames: Path, tmp_path: Path, capsys):
    family = make_classifier(tmp_path / "classifier", tmp_path / "labelled")
    words = search_words(family, frames, "--trials", "0", "--exclude", "block[12]*", "--json")
    words[words.index("--labels") + 1] = str(tmp_path / "labelled")
    assert main([*words, "-o", str(tmp_path / "new")]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["metric"] == "top1"
    assert result["full"]["choose"] == result["full"]["report"] == 1  # the labels are its own
    assert result["trials"]["all"] > 5
    written = load_family(tmp_path / "new").family
    assert written.configurations[0].accuracy.metric == "top1"


def test_latency_is_measured_against_the_full_model(frames: Path, tmp_path: Path, capsys):
    family = own_copy(frames, tmp_path)
    words = search_words(family, frames, "--cost", "latency", "--trials", "0", "--rounds", "2")
    assert main([*words, "--threads", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    timed = [line for line in journal_of(family) if line["kind"] == "cost"]
    assert timed
    assert all(0 < line["ratio"] < 5 and line["error"] >= 0 for line in timed)
    assert all(one["latency_s"] > 0 for one in result["frontier"])
    assert not list((family / "search" / "timing").iterdir())


@pytest.mark.slow
def test_a_dask_cluster_finds_the_same(searched, tmp_path: Path, capsys):
    frames, said = searched
    family = own_copy(frames, tmp_path)
    with dask_cluster() as address:
        assert main([*search_words(family, frames), "--dask", address, "--json"]) == 0
        again = json.loads(capsys.readouterr().out)["result"]
    assert again["frontier"] == said["result"]["frontier"]
    keys = Counter((line["kind"], line["key"]) for line in journal_of(family) if "key" in line)
    assert set(keys.values()) == {1}


# ---------------------------------------------------------------- wrong input


def refused(words: list[str], capsys) -> str:
    assert main(words) in (1, 2)
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_an_output_that_exists_is_refused_before_anything_is_done(searched, capsys):
    frames, _ = searched
    line = refused(search_words(frames / "tiny", frames, "-o", str(frames / "new")), capsys)
    assert "expected a folder that does not exist yet" in line


@pytest.mark.parametrize(
    ("count", "line"), [(0, "expected pictures or .npy inputs, got none"), (1, "got 1. Name more")]
)
def test_too_few_calibration_frames_are_one_line(
    frames: Path, tmp_path: Path, capsys, count: int, line: str
):
    (tmp_path / "few").mkdir()
    for path in sorted((frames / "drive" / "images").iterdir())[:count]:
        shutil.copy(path, tmp_path / "few")
    words = search_words(own_copy(frames, tmp_path), frames)
    words[words.index("--calibration") + 1] = str(tmp_path / "few")
    assert line in refused(words, capsys)


def test_frames_that_are_no_pictures_are_one_line(frames: Path, tmp_path: Path, capsys):
    (tmp_path / "bad").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "bad" / name).write_bytes(b"no picture")
    words = search_words(own_copy(frames, tmp_path), frames)
    words[words.index("--calibration") + 1] = str(tmp_path / "bad")
    assert "a.png: expected a picture" in refused(words, capsys)


@pytest.mark.parametrize(
    ("shape", "value", "line"),
    [
        ((1, 3, 24, 32), np.nan, "expected finite numbers"),
        ((1, 3, 24, 30), 0.0, "expected shape (1, 3, 24, 32)"),
    ],
)
def test_bad_arrays_are_one_line(
    frames: Path, tmp_path: Path, capsys, shape: tuple[int, ...], value: float, line: str
):
    (tmp_path / "arrays").mkdir()
    for number in range(3):
        np.save(tmp_path / "arrays" / f"{number}.npy", np.full(shape, value, np.float32))
    words = search_words(own_copy(frames, tmp_path), frames)
    words[words.index("--calibration") + 1] = str(tmp_path / "arrays")
    assert line in refused(words, capsys)


def test_frames_that_calibrate_and_score_at_once_are_refused(frames: Path, tmp_path: Path, capsys):
    words = search_words(own_copy(frames, tmp_path), frames)
    words[words.index("--calibration") + 1] = str(frames / "val")
    line = refused(words, capsys)
    assert "got 16 of 16 that are" in line
    assert "flatter" in line


@pytest.mark.parametrize(
    ("size", "value", "line"),
    [
        ((24, 32), 7, "expected labels 0 to 2, or 255 for what does not count, got 7"),
        ((12, 32), 0, "expected 32 x 24 labels"),
    ],
)
def test_labels_that_do_not_fit_are_one_line(
    frames: Path, tmp_path: Path, capsys, size: tuple[int, int], value: int, line: str
):
    shutil.copytree(frames / "val", tmp_path / "val")
    Image.fromarray(np.full(size, value, np.uint8)).save(tmp_path / "val" / "labels" / "0105.png")
    words = search_words(own_copy(frames, tmp_path), frames)
    words[words.index("--labels") + 1] = str(tmp_path / "val")
    assert line in refused(words, capsys)


def test_labels_without_their_pictures_are_one_line(frames: Path, tmp_path: Path, capsys):
    words = search_words(own_copy(frames, tmp_path), frames)
    words[words.index("--labels") + 1] = str(tmp_path / "nowhere")
    assert "expected the folders images and labels" in refused(words, capsys)


def test_a_family_without_configurations_is_one_line(frames: Path, tmp_path: Path, capsys):
    family = own_copy(frames, tmp_path)
    text = (family / "family.yaml").read_text()
    (family / "family.yaml").write_text(
        text[: text.index("configurations:")] + "configurations: []\n"
    )
    assert "configurations" in refused(search_words(family, frames), capsys)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--max-drop", "0"], "max_drop"),
        (["--trials", "-1"], "trials"),
        (["--rounds", "1"], "rounds"),
        (["--only", "nothing.*", "--exclude", "*"], "Widen --only"),
        (["--sizes", "half"], "--sizes: expected shares between 0 and 1"),
        (["--sizes", "0.5,1.5"], "sizes"),
    ],
)
def test_a_wrong_option_is_one_line(
    frames: Path, tmp_path: Path, capsys, words: list[str], line: str
):
    assert line in refused([*search_words(own_copy(frames, tmp_path), frames), *words], capsys)


def test_a_work_folder_that_can_t_be_made_is_one_line(frames: Path, tmp_path: Path, capsys):
    (tmp_path / "file").write_text("mine")
    words = [*search_words(own_copy(frames, tmp_path), frames), "--work", str(tmp_path / "file")]
    assert f"write {tmp_path / 'file'}: expected a folder that can be written" in refused(
        words, capsys
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_a_seed_below_nothing_is_a_matter_of_usage(frames: Path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*search_words(frames / "tiny", frames), "--seed", "-1"])
    assert ended.value.code == 2
    assert "expected a whole number of 0 or more" in capsys.readouterr().err
