"""The tool as a user runs it: a table, a family, one line for what is wrong, Ctrl-C."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import search_subnets

from edgert.artifacts import load_family
from edgert.families.ofa_space import Space
from tests.search.subnets.supernet_family import (
    make_supernet_family,
    write_labelled,
    write_pictures,
)
from tests.search.subnets.test_predictor import weights

TOOL = Path(search_subnets.__file__)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tool")
    make_supernet_family(folder / "fam")
    write_pictures(folder / "cal", first=0, count=20)
    write_labelled(folder / "val", folder / "fam", first=100, count=24)
    return folder


def words(root, *more):
    given = {
        "--calibration": root / "cal", "--cost": "macs", "--scored": 12, "--configurations": 3,
        "--search-images": 8, "--threads": 1,
    }  # fmt: skip
    return [str(root / "fam"), *(str(w) for pair in given.items() for w in pair), *map(str, more)]


def test_a_table_and_then_the_family_of_the_same_search(root, tmp_path, capsys):
    work = ("--work", tmp_path / "work", "--labels", root / "val")
    assert search_subnets.main(words(root, *work)) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[:2] == ["name", "MACs"]
    assert shown[1].startswith("full ")
    assert "top1 measured on 12 pictures that did not choose" in "\n".join(shown)
    assert shown[-1].startswith("nothing written")
    assert search_subnets.main(words(root, *work, "-o", tmp_path / "new", "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    family = load_family(tmp_path / "new").family
    assert family.name == "new"  # its profile is a file of its own
    names = [row["name"] for row in [found["result"]["full"], *found["result"]["frontier"]]]
    assert [c.name for c in family.configurations] == names
    assert [line.split()[0] for line in shown[1 : 1 + len(names)]] == names
    assert family.configurations[0].accuracy.dataset.endswith(
        "the 12 pictures that did not choose"
    )
    assert (tmp_path / "new" / "space.json").is_file()


def test_stopped_it_goes_on(root, tmp_path):
    given = words(root, "--work", tmp_path / "work", "-o", tmp_path / "new")
    command = [sys.executable, "-W", "error", str(TOOL), *given]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    journal = tmp_path / "work" / "journal.jsonl"
    for _ in range(3000):
        if running.poll() is not None or (journal.is_file() and lines(journal) > 4):
            break
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert errors.splitlines()[-1] == "search_subnets: stopped; the same command goes on"
    assert not (tmp_path / "new").exists()
    before = journal.read_bytes()
    assert search_subnets.main(given) == 0
    assert journal.read_bytes().startswith(before)
    assert load_family(tmp_path / "new").family.configurations[0].name == "full"


def lines(path):
    return path.read_bytes().count(b"\n")


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--labels", "{root}/none"], 1, "a folder of pictures for each class"),
        (["--calibration", "{root}/none"], 1, "no such folder"),
        (["--predictor", "{root}/none.npz"], 1, "read predictor"),
        (["--predictor", "{root}/mine.npz"], 1, "stage_widths"),
        (["-o", "{root}/cal"], 2, "a folder that does not exist yet"),
        (["--configurations", "1"], 2, "configurations"),
        (["--timed", "3"], 2, "timed"),
        (["--minutes", "0"], 2, "minutes"),
        (["--calibration", "{root}/fam"], 1, "pictures"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(root, tmp_path, capsys, more, code, said):
    np.savez(root / "mine.npz", **weights())
    more = [word.format(root=root) for word in more]
    assert search_subnets.main([*words(root, "--work", tmp_path / "work"), *more]) == code
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("search_subnets: ")
    assert said in line


def test_a_work_folder_that_can_t_be_made_is_one_line(root, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    given = [str(root / "fam"), "--calibration", str(root / "cal"), "--work"]
    assert search_subnets.main([*given, str(tmp_path / "file")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"search_subnets: write {tmp_path / 'file'}: expected a folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_family_without_a_space_is_told_how_to_get_one(root, tmp_path, capsys):
    shutil.copytree(root / "fam", tmp_path / "fam")
    (tmp_path / "fam" / "space.json").unlink()
    assert search_subnets.main([str(tmp_path / "fam"), "--calibration", str(root / "cal")]) == 1
    assert "python tools/import_ofa.py" in capsys.readouterr().err


def test_two_ways_to_choose_at_once_are_refused(root, capsys):
    with pytest.raises(SystemExit) as stopped:
        search_subnets.main(words(root, "--labels", root, "--predictor", root / "mine.npz"))
    assert stopped.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.slow
def test_the_published_predictors_layout_chooses_among_resnet50s_subnets(tmp_path, capsys):
    """Random numbers in the published layout; what it says is marked wherever it is shown."""
    space = Space()
    make_supernet_family(tmp_path / "fam", space, 128)
    write_pictures(tmp_path / "cal", first=0, count=8, size=128)
    np.savez(tmp_path / "predictor.npz", **weights())
    given = [
        str(tmp_path / "fam"), "--calibration", str(tmp_path / "cal"), "--cost", "macs",
        "--predictor", str(tmp_path / "predictor.npz"), "--configurations", "3",
        "-o", str(tmp_path / "new"),
    ]  # fmt: skip
    assert search_subnets.main(given) == 0
    shown = capsys.readouterr().out
    assert "predicted top1, modelled" in shown
    assert "not measured" in shown
    assert "82.99" in shown
    family = load_family(tmp_path / "new").family
    assert all(c.accuracy is None for c in family.configurations)
    assert all("modelled by the published predictor" in c.note for c in family.configurations)
