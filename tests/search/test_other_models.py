"""What becomes of the other models when a search over the base model writes its family."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest
import yaml

from edgert.artifacts import FamilyFolder, load_family, save_family
from edgert.cli.main import main
from edgert.records import Configuration
from edgert.search.other_models import copy_other_models, of_other_models, with_other_models
from tests.scaled_family import MERGE, SKIP, make_scaled_family
from tests.search.search_family import search_words, write_frames

# As a search would have found them; the models' own take 650, 465, 46 and 35 thousand.
FOUND = [Configuration(name="full", edits=[MERGE]), Configuration(name="c0.1", edits=[SKIP])]
MACS = [215_808, 100_000]


@pytest.fixture
def folder(tmp_path: Path) -> FamilyFolder:
    return load_family(make_scaled_family(tmp_path / "scaled"))


def written(target: Path, folder: FamilyFolder, found=FOUND) -> FamilyFolder:
    target.mkdir()
    shutil.copy2(folder.graph_path, target)
    copy_other_models(folder, target)
    return FamilyFolder(target, msgspec.structs.replace(folder.family, configurations=found))


def test_other_models_configurations_stand_between_the_new_ones(folder, tmp_path: Path):
    new = written(tmp_path / "new", folder)
    family, left_out = with_other_models(folder.family, new, MACS)
    assert [c.name for c in family.configurations] == ["w", "w1", "full", "c0.1", "s", "s1"]
    assert left_out == {}
    kept = [c for c in family.configurations if c.model]
    assert kept == of_other_models(folder.family)
    save_family(new.path / "family.yaml", family)
    assert load_family(new.path).family == family  # all files are there, with their hashes


def test_a_family_of_one_model_is_as_it_was_found(tiny_family: Path, tmp_path: Path):
    folder = load_family(tiny_family)
    new = written(tmp_path / "new", folder)
    family, left_out = with_other_models(folder.family, new, MACS)
    assert (family.configurations, left_out) == (FOUND, {})


def test_a_name_that_was_found_anew_gets_its_model_in_front(folder, tmp_path: Path):
    found = [FOUND[0], msgspec.structs.replace(FOUND[1], name="s")]
    family, _ = with_other_models(folder.family, written(tmp_path / "new", folder, found), MACS)
    assert [c.name for c in family.configurations] == ["w", "w1", "full", "s", "small-s", "s1"]


def test_files_of_their_edits_come_along(folder, tmp_path: Path):
    (folder.path / "scales").mkdir()
    (folder.path / "scales" / "s.json").write_text("{}")
    s = next(c for c in folder.family.configurations if c.name == "s")
    s.edits.append({"quantize": {"scales": "scales/s.json"}})
    new = written(tmp_path / "new", folder)
    assert (new.path / "scales" / "s.json").read_text() == "{}"


def test_what_can_t_be_derived_in_the_new_folder_is_left_out_with_the_reason(
    folder, tmp_path: Path
):
    s = next(c for c in folder.family.configurations if c.name == "s")
    s.edits.append({"quantize": {"scales": "../outside.json"}})
    new = written(tmp_path / "new", folder)
    family, left_out = with_other_models(folder.family, new, MACS)
    assert [c.name for c in family.configurations] == ["w", "w1", "full", "c0.1", "s1"]
    assert list(left_out) == ["s"]
    assert "outside.json" in str(left_out["s"])


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("search")
    family = make_scaled_family(root / "scaled")
    write_frames(root / "drive", family, first=0, count=8)
    write_frames(root / "val", family, first=100, count=16)
    words = search_words(family, root, "--configurations", "3", "--trials", "1")
    assert main([*words, "-o", str(root / "new"), "--json"]) == 0
    return root


@pytest.mark.slow
def test_a_search_over_the_base_model_keeps_the_others(searched: Path, capsys):
    family = load_family(searched / "new").family
    assert [c.name for c in family.configurations if c.model] == ["w", "w1", "s", "s1"]
    assert [c.name for c in family.configurations][2] == "full"
    assert len(family.configurations) > 5
    assert main(["build", str(searched / "new"), "--threads", "1"]) == 0
    assert "small" not in capsys.readouterr().err


@pytest.mark.slow
def test_write_keeps_them(searched: Path, tmp_path: Path, capsys):
    root = Path(shutil.copytree(searched, tmp_path / "all"))
    family = root / "scaled"
    words = [*search_words(family, root, "--configurations", "3", "--trials", "1"), "--write"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == {}
    names = [c.name for c in load_family(family).family.configurations]
    assert [name for name in names if name in ("w", "w1", "s", "s1")] == ["w", "w1", "s", "s1"]


@pytest.mark.slow
def test_write_takes_nothing_away_that_can_t_be_derived(searched: Path, tmp_path: Path, capsys):
    root = Path(shutil.copytree(searched, tmp_path / "all"))
    file = root / "scaled" / "family.yaml"
    content = yaml.safe_load(file.read_text())
    content["configurations"][0]["edits"] = [{"no_such_edit": {}}]
    file.write_text(yaml.safe_dump(content))
    before = file.read_bytes()
    words = search_words(root / "scaled", root, "--configurations", "3", "--trials", "1")
    assert main([*words, "--write"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "write w at edits[0]: expected an edit among merge_linear" in error
    assert file.read_bytes() == before
