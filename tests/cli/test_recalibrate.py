"""`edgert recalibrate` through the real command line, on a family of a few kilobytes."""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from edgert.artifacts import load_family, save_family
from edgert.artifacts.lock import lock
from edgert.build.derive import derive_configuration
from edgert.build.recalibrate import recalibrate_family
from edgert.calibration.picture_batches import BATCH, IMAGES, Batches, pick_pictures
from edgert.calibration.recalibration import measure_statistics
from edgert.cli import recalibrate
from edgert.cli.main import main
from edgert.clock import VirtualClock
from edgert.records import Accuracy, Configuration
from edgert.surgery.batchnorm import (
    Statistics,
    bytes_of_statistics,
    read_statistics,
    statistics_of,
)
from edgert.surgery.load import load_graph
from tests.batchnorm_family import (
    CUT,
    EDIT,
    SKIP,
    TO_COME,
    make_batchnorm_family,
    write_pictures,
)
from tests.calibration.graphs import token_net
from tests.tiny_family import make_tiny_family

COUNT, BATCHES_OF = 10, 4
MODULE = "edgert.build.recalibrate"


@pytest.fixture
def family(here):
    return make_batchnorm_family(here / "family")


@pytest.fixture
def pictures(here):
    return write_pictures(here / "pictures", 12, classes=2)


def words(family, pictures, *more):
    numbers = ["--count", str(COUNT), "--batch", str(BATCHES_OF), "--threads", "1"]
    return ["recalibrate", str(family), "--images", str(pictures), *numbers, *more]


def recalibrated(capsys, *arguments):
    """What the verb says as JSON, by configuration."""
    assert main([*words(*arguments), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["configurations"]
    return {row["name"]: row for row in rows}


def refused(capsys, *arguments, status=1):
    """The one line on stderr."""
    assert main(words(*arguments)) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("edgert recalibrate: ")
    return lines[0]


def configurations_of(family):
    return {one.name: one for one in load_family(family).family.configurations}


def derived(family, name):
    folder = load_family(family)
    base = load_graph(folder.graph_path)
    return derive_configuration(folder, configurations_of(family)[name], base=base, subject="t")


# ---------------------------------------------------------------- what it does


def test_each_configuration_with_the_edit_gets_a_file_that_its_graph_then_has(
    family, pictures, capsys
):
    rows = recalibrated(capsys, family, pictures)
    assert list(rows) == ["cut", "skipped"]
    assert rows["cut"]["layers"] == 2
    assert rows["skipped"]["layers"] == 1  # the other normalisation went with its branch
    found = configurations_of(family)
    for name in rows:
        file = family / "recalibrated" / f"{name}.npz"
        assert rows[name]["size_bytes"] == file.stat().st_size < 1_000_000
        assert found[name].edits[-1] == {EDIT: {"statistics": f"recalibrated/{name}.npz"}}
        numbers = statistics_of(derived(family, name))
        for key, array in read_statistics(file).tensors.items():
            np.testing.assert_array_equal(numbers[key], array)
    assert found["full"].edits == []
    assert found["plain"].edits == [CUT, SKIP, {"lower_precision": {"to": "fp16"}}]


def test_what_is_measured_is_the_graph_of_the_edits_before(family, pictures, capsys):
    recalibrated(capsys, family, pictures, "--configurations", "cut")
    folder = load_family(family)
    bare = Configuration(name="cut", edits=[CUT])
    base = load_graph(folder.graph_path)
    graph = derive_configuration(folder, bare, base=base, subject="t")
    batches = Batches(pick_pictures(pictures, COUNT), folder.family.input, BATCHES_OF)
    assert len(batches) == 3
    wanted = measure_statistics(graph, batches, threads=1)
    got = read_statistics(family / "recalibrated" / "cut.npz").tensors
    for key, array in wanted.items():
        np.testing.assert_allclose(got[key], array, rtol=1e-5, atol=1e-6)
    assert np.abs(got["mix.norm/BatchNormalization.mean"] - 0.1).max() > 0.1  # the old one


def test_the_largest_change_is_that_of_a_statistic_in_old_spreads(family, pictures, capsys):
    row = recalibrated(capsys, family, pictures)["cut"]
    new = read_statistics(family / "recalibrated" / "cut.npz").tensors
    changes = {}
    for key, array in new.items():  # all were a mean of 0.1 and a variance of 0.8
        old, scale = (0.8, 0.8) if key.endswith(".var") else (0.1, np.sqrt(0.8))
        changes[key] = float(np.abs(array.astype(float) - old).max() / scale)
    assert row["largest_at"] == max(changes, key=changes.__getitem__)
    assert row["largest_change"] == pytest.approx(max(changes.values()), rel=1e-4)


def test_the_table_has_a_line_for_each_configuration(family, pictures, capsys):
    assert main(words(family, pictures)) == 0
    out = capsys.readouterr().out.splitlines()
    columns = "configuration BatchNorm layers file largest change of seconds"
    assert " ".join(out[0].split()) == columns
    assert re.match(r"cut +2 +.*KiB +\d+\.\d\d +\S+/BatchNormalization\.(mean|var) +\d", out[1])
    assert out[2].startswith("skipped ")
    assert "edgert build " in out[-1]
    assert main(words(family, pictures)) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.endswith("up to date") for line in out[1:3]] == [True, True]


def test_an_accuracy_of_the_old_statistics_does_not_outlive_them(family, pictures, capsys):
    assert configurations_of(family)["cut"].accuracy is not None
    recalibrated(capsys, family, pictures)
    assert configurations_of(family)["cut"].accuracy is None


@pytest.mark.parametrize("shift", [0.0, 1e-6])
def test_an_accuracy_stays_with_the_very_same_statistics(family, pictures, capsys, shift):
    """As where a file is measured again because it did not say what it was measured of."""
    recalibrated(capsys, family, pictures)
    file = family / "recalibrated" / "cut.npz"
    held = read_statistics(file)
    tensors = {key: (array + shift).astype(array.dtype) for key, array in held.tensors.items()}
    file.write_bytes(bytes_of_statistics(Statistics(tensors, {})))
    accuracy = Accuracy(metric="miou", value=0.5, frames=101, dataset="frames")
    folder = load_family(family)
    scored = [
        msgspec.structs.replace(one, accuracy=accuracy) for one in folder.family.configurations
    ]
    written = msgspec.structs.replace(folder.family, configurations=scored)
    save_family(family / "family.yaml", written)
    row = recalibrated(capsys, family, pictures)["cut"]
    assert row["seconds"] is not None
    assert row["replaced"] == (shift > 0)
    assert configurations_of(family)["cut"].accuracy == (None if shift else accuracy)
    after = read_statistics(file)
    assert after.about == held.about
    for key, array in held.tensors.items():
        assert np.array_equal(after.tensors[key], array)


def test_what_is_up_to_date_is_left_alone_and_what_changed_is_measured(family, pictures, capsys):
    recalibrated(capsys, family, pictures)
    text = (family / "family.yaml").read_bytes()
    files = {path.name: path.stat().st_mtime_ns for path in (family / "recalibrated").iterdir()}
    again = recalibrated(capsys, family, pictures)
    assert [row["seconds"] for row in again.values()] == [None, None]
    assert (family / "family.yaml").read_bytes() == text
    assert {
        p.name: p.stat().st_mtime_ns for p in (family / "recalibrated").glob("*.npz")
    }.items() <= files.items()
    moved = shutil.copytree(pictures, pictures.with_name("elsewhere"))  # the same pictures
    assert recalibrated(capsys, family, moved)["cut"]["seconds"] is None
    for change in (["--batch", "5"], ["--count", "9"]):
        assert recalibrated(capsys, family, pictures, *change)["cut"]["seconds"] is not None
    write_pictures(pictures, 12, classes=2, seed=1)
    assert recalibrated(capsys, family, pictures)["cut"]["seconds"] is not None


def test_a_kill_at_any_write_leaves_no_accuracy_of_other_statistics(
    family, pictures, capsys, monkeypatch
):
    """Each write in turn is the last one; what then stands there is read by others."""
    start = shutil.copytree(family, family.with_name("start"))
    for survived in range(4):
        shutil.rmtree(family)
        shutil.copytree(start, family)
        with monkeypatch.context() as patched:
            writes = []
            for name in ("save_family", "write_atomically"):
                patched.setattr(f"{MODULE}.{name}", _killed_after(survived, writes, name))
            with pytest.raises(KeyboardInterrupt):
                recalibrate_only(family, pictures, "cut")
        cut = configurations_of(family)["cut"]
        assert cut.accuracy is None or not (family / "recalibrated" / "cut.npz").exists()
        rows = recalibrated(capsys, family, pictures, "--configurations", "cut")
        assert (rows["cut"]["seconds"] is None) == (survived >= 2)
        assert configurations_of(family)["cut"].accuracy is None


def _killed_after(survived, writes, name):
    """The function itself, which stops the work behind its last write."""
    real = getattr(importlib.import_module(MODULE), name)

    def write(*arguments):
        if len(writes) == survived:
            raise KeyboardInterrupt
        writes.append(name)
        real(*arguments)

    return write


def recalibrate_only(family, pictures, name):
    """In this process, without the command line's answer to an interrupt."""
    recalibrate_family(
        load_family(family), pictures, count=COUNT, batch=BATCHES_OF, clock=VirtualClock(),
        names=[name], threads=1,
    )  # fmt: skip
    raise KeyboardInterrupt  # all writes came through


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
def test_a_damaged_file_is_measured_again(family, pictures, capsys, content):
    recalibrated(capsys, family, pictures)
    file = family / "recalibrated" / "cut.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[:200] if content is None else content)
    rows = recalibrated(capsys, family, pictures)
    assert rows["cut"]["seconds"] is not None
    assert rows["skipped"]["seconds"] is None
    assert file.read_bytes() == whole


def test_add_gives_the_edit_to_what_the_edits_change_before_layout_and_precision(
    family, pictures, capsys
):
    rows = recalibrated(capsys, family, pictures, "--add")
    assert list(rows) == ["cut", "skipped", "plain"]  # nothing is cut from full
    statistics = {EDIT: {"statistics": "recalibrated/plain.npz"}}
    edits = [CUT, SKIP, statistics, {"lower_precision": {"to": "fp16"}}]
    assert configurations_of(family)["plain"].edits == edits
    assert recalibrated(capsys, family, pictures)["plain"]["seconds"] is None


def test_a_configuration_that_is_named_gets_the_edit_though_nothing_is_cut(
    family, pictures, capsys
):
    rows = recalibrated(capsys, family, pictures, "--add", "--configurations", "full")
    assert list(rows) == ["full"]
    [edit] = configurations_of(family)["full"].edits
    assert edit == {EDIT: {"statistics": "recalibrated/full.npz"}}


def test_a_folder_named_in_the_edit_becomes_a_file(here, pictures, capsys):
    now = {EDIT: {"calibration": "../pictures", "images": COUNT, "batch": BATCHES_OF}}
    family = make_batchnorm_family(here / "family", [Configuration(name="c1", edits=[CUT, now])])
    before = statistics_of(derived(family, "c1"))
    recalibrated(capsys, family, pictures)
    assert "calibration" not in str(configurations_of(family)["c1"].edits)
    for key, array in statistics_of(derived(family, "c1")).items():
        np.testing.assert_allclose(array, before[key], rtol=1e-5, atol=1e-6)


def test_a_recalibrated_family_builds_and_is_stale_with_other_statistics(family, pictures, capsys):
    recalibrated(capsys, family, pictures)
    assert main(["build", str(family), "--threads", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rebuilt"]
    write_pictures(pictures, 12, classes=2, seed=3)
    recalibrated(capsys, family, pictures)
    assert main(["build", str(family), "--threads", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "edit file recalibrated/cut.npz was " in "".join(said["reasons"])


def test_killed_and_given_again_it_goes_on(here, capsys):
    names = [f"c{index}" for index in range(12)]
    edits = [CUT, TO_COME]
    family = make_batchnorm_family(
        here / "family", [Configuration(name=name, edits=edits) for name in names]
    )
    pictures = write_pictures(here / "pictures", 40)
    given = words(family, pictures)
    given[given.index("--count") + 1] = "40"
    folder = family / "recalibrated"
    with subprocess.Popen(
        [sys.executable, "-m", "edgert", *given],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while process.poll() is None and not len(list(folder.glob("*.npz"))) > 2:
            os.sched_yield()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    (folder / ".c9.npz.1.tmp").write_bytes(b"torn")  # as a kill in the middle leaves it
    there = [path.stem for path in folder.glob("*.npz")]
    whole = {path: path.read_bytes() for path in folder.glob("*.npz")}
    assert 2 < len(there) < len(names)
    load_family(family)
    assert main([*given, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["configurations"]
    assert {row["name"] for row in rows if row["seconds"] is None} == set(there)
    assert [row["name"] for row in rows] == names
    assert all(path.read_bytes() == content for path, content in whole.items())
    assert not list(folder.glob("*.tmp")) + list(folder.glob(".*.tmp"))
    for name, configuration in configurations_of(family).items():
        assert configuration.edits[-1] == {EDIT: {"statistics": f"recalibrated/{name}.npz"}}


def test_progress_is_shown_on_stderr(family, pictures, capsys, monkeypatch):
    told = []
    monkeypatch.setattr(recalibrate, "ProgressBar", lambda title: _Recorder(title, told))
    assert main(words(family, pictures)) == 0
    assert told[:4] == [("recalibrate cut", done, 3, "batches") for done in range(4)]
    assert told[4:] == [("recalibrate skipped", done, 3, "batches") for done in range(4)]


class _Recorder:
    def __init__(self, title, told):
        self.title, self.told = title, told

    def __exit__(self, *_):
        pass

    def __call__(self, *step):
        self.told.append((self.title, *step))


def test_the_verb_and_the_edit_take_as_many_pictures():
    assert recalibrate.COUNT == IMAGES
    assert recalibrate.BATCH == BATCH


# ---------------------------------------------------------------- what it refuses


def test_too_few_pictures_are_counted(family, pictures, capsys):
    line = refused(capsys, family, pictures, "--count", "13")
    assert "expected 13 pictures, got 12" in line
    assert not (family / "recalibrated").exists()


def test_one_picture_is_too_few(family, pictures, capsys):
    assert "two pictures or more" in refused(capsys, family, pictures, "--count", "1")


def test_a_folder_without_pictures_is_refused(family, here, capsys):
    (here / "nothing").mkdir()
    (here / "nothing" / "notes.txt").write_text("no picture")
    assert "expected pictures or .npy inputs, got none" in refused(
        capsys, family, here / "nothing"
    )
    assert "no such folder" in refused(capsys, family, here / "nowhere")


def test_a_file_that_is_no_picture_is_named_and_nothing_is_written(family, pictures, capsys):
    (pictures / "class0" / "0000.png").write_bytes(b"no picture")
    text = (family / "family.yaml").read_bytes()
    line = refused(capsys, family, pictures, "--count", "12")
    assert "class0/0000.png: expected a picture" in line
    assert (family / "family.yaml").read_bytes() == text
    assert not list((family / "recalibrated").glob("*.npz"))


def test_arrays_of_another_shape_or_not_finite_are_refused(family, here, capsys):
    (here / "arrays").mkdir()
    for index in range(COUNT):
        np.save(here / "arrays" / f"{index}.npy", np.zeros((1, 3, 8, 8), np.float32))
    np.save(here / "arrays" / "3.npy", np.zeros((1, 3, 9, 8), np.float32))
    assert "(1, 3, 9, 8)" in refused(capsys, family, here / "arrays")
    np.save(here / "arrays" / "3.npy", np.full((1, 3, 8, 8), np.nan, np.float32))
    line = refused(capsys, family, here / "arrays")
    assert "recalibrate cut: " in line
    assert "not finite" in line


def test_a_family_without_normalisations_is_refused(here, pictures, capsys):
    tiny = make_tiny_family(here / "tiny")
    assert f"a configuration with the edit {EDIT}, got none among full, c2, c1" in refused(
        capsys, tiny, pictures, status=2
    )
    assert "with BatchNormalization nodes, got none among c2, c1" in refused(
        capsys, tiny, pictures, "--add", status=2
    )
    asked = make_batchnorm_family(
        here / "tokens", [Configuration(name="c1", edits=[TO_COME])], graph=token_net()
    )
    line = refused(capsys, asked, pictures)
    assert "recalibrate c1: " in line
    assert "a graph with BatchNormalization nodes, got none" in line


def test_nothing_to_add_to_is_refused(here, pictures, capsys):
    family = make_batchnorm_family(here / "family", [Configuration(name="full")])
    line = refused(capsys, family, pictures, "--add", status=2)
    assert "a configuration with edits that change the model, got none among full" in line


def test_a_configuration_of_no_such_name_is_refused(family, pictures, capsys):
    line = refused(capsys, family, pictures, "--configurations", "cut", "c9", status=2)
    assert "recalibrate c9: expected a configuration among full, cut, skipped, plain" in line


def test_the_edit_twice_is_refused(here, pictures, capsys):
    edits = [TO_COME, CUT, TO_COME]
    family = make_batchnorm_family(here / "f", [Configuration(name="c1", edits=edits)])
    assert f"expected one edit {EDIT}, got 2" in refused(capsys, family, pictures, status=2)


def test_a_folder_that_can_not_be_written_to_is_refused_before_the_work(family, pictures, capsys):
    (family / "recalibrated").write_text("a file in its place")
    assert "expected a folder that can be written to" in refused(capsys, family, pictures)


def test_two_at_once_are_refused(family, pictures, capsys):
    with (family / ".recalibrated.lock").open("w") as file:
        lock(file, "t", expected="t", advice="t")
        assert "expected no other process measuring" in refused(capsys, family, pictures)


def test_statistics_of_another_configuration_are_refused_by_the_build(family, pictures, capsys):
    recalibrated(capsys, family, pictures)
    folder = family / "recalibrated"
    (folder / "cut.npz").write_bytes((folder / "skipped.npz").read_bytes())
    assert main(["build", str(family), "--threads", "1"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "expected statistics that were measured of cut as it is, got those of other" in line
    shutil.rmtree(folder)
    assert main(["build", str(family), "--threads", "1"]) == 1
    assert "edgert recalibrate FAMILY" in capsys.readouterr().err


def test_a_typo_is_told_as_one_though_the_statistics_are_of_other_edits_then(
    family, pictures, capsys
):
    recalibrated(capsys, family, pictures)
    file = family / "family.yaml"
    text = file.read_text()
    assert text.count("widths") == 2
    file.write_text(text.replace("widths", "wdiths", 1))
    assert main(["build", str(family), "--threads", "1"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "at edits[0].narrow_groups: expected parameters widths" in line
    assert "got no 'widths' and 'wdiths'" in line
