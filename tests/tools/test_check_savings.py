"""The claims' tool as it is called, and that the commands which it prints can be typed."""

import argparse
import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import load_profile, save_profile
from edgert.cli.main import main
from edgert.profiling.claims import Claim, load_claims
from tests.profiling.test_savings import FULL, entry, profile, subnet
from tests.search.search_family import make_classifier

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "check_savings.py"
CHECKABLE = [claim for claim in load_claims() if claim.to_check]


def told(file: Path, *words: str) -> str:
    command = [sys.executable, str(TOOL), str(file), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def saved(folder: Path, *entries, family: str) -> Path:
    save_profile(folder / "profile.json", profile(*entries, family=family))
    return folder / "profile.json"


def test_the_script_prints_a_table_and_json(tmp_path: Path):
    file = saved(tmp_path, FULL, entry("c1", 0.6, 0.462), family="segformer-b2-ade")
    text = told(file)
    row = next(x for x in text.splitlines() if x.startswith("segformer-energy "))
    assert "28% energy" in row
    assert "40.0%" in row
    assert row.endswith("met")
    assert "to check resnet50-ofa-energy" in text
    assert "to check segformer-energy" not in text  # it was checked
    verdicts = {item["claim"]["name"]: item for item in json.loads(told(file, "--json"))}
    assert verdicts["segformer-energy"]["verdict"] == "met"
    assert verdicts["segformer-energy"]["differs"] == []
    ofa = verdicts["resnet50-ofa-energy"]
    assert (ofa["verdict"], ofa["differs"]) == ("not comparable", ["model", "data"])
    assert ofa["saving"]["ratio"] == pytest.approx(0.4)
    assert len(ofa["claim"]["to_check"]) == 3


def test_a_small_supernet_is_told_to_be_of_other_data_and_size(tmp_path: Path):
    patches = {"frames": 900, "dataset": "patches/val"}
    file = saved(
        tmp_path,
        subnet("full", 0.010, 0.90, 30e6, **patches),
        subnet("half", 0.004, 0.88, 9e6, **patches),
        family="ofa-small",
    )
    text = told(file)
    row = next(x for x in text.splitlines() if x.startswith("resnet50-ofa-energy "))
    assert "53% energy" in row
    assert "3.3 (not stated)" in row
    assert "60.0%" in row
    assert row.endswith("not comparable")
    assert "resnet50-ofa-energy: not comparable: other data and size: top-1 measured on" in text
    ofa = next(claim for claim in CHECKABLE if claim.name == "resnet50-ofa-energy")
    for command in ofa.to_check:
        assert f"  {command}\n" in text


def test_a_profile_that_edgert_measured_of_a_classifier_is_held_against_the_claims(
    tmp_path: Path, monkeypatch, capsys
):
    """The real way: class folders, the real verb, the profile that it wrote, the real tool."""
    monkeypatch.chdir(tmp_path)
    family = make_classifier(tmp_path / "family", tmp_path / "imagenet" / "val")
    words = ["profile", str(family), "--build", "--dataset", "imagenet/val", "--threads", "1"]
    assert main([*words, "--rounds", "1", "-o", "measured.json"]) == 0
    capsys.readouterr()
    found = {
        item["claim"]["name"]: item
        for item in json.loads(told(tmp_path / "measured.json", "--json"))
    }
    ofa = found["resnet50-ofa-energy"]
    assert ofa["differs"] == ["model", "data", "size"]  # 16 pictures are not ImageNet
    assert "ImageNet has 50000" in ofa["reasons"][0]
    # A family of that name, size and number of pictures, whose energy was measured, is judged.
    measured = load_profile(tmp_path / "measured.json")
    entries = [
        msgspec.structs.replace(
            one,
            energy=energy,
            macs=macs,
            accuracy=0.79,
            accuracy_frames=50_000,
        )
        for one, energy, macs in zip(
            measured.entries[:2],
            [entry("a", 0.4, 0.8).energy, entry("b", 0.15, 0.8).energy],
            [4_330_000_000, 1_200_000_000],
            strict=True,
        )
    ]
    made = msgspec.structs.replace(measured, family="ofa-resnet50", entries=entries)
    save_profile(tmp_path / "made.json", made)
    found = {
        item["claim"]["name"]: item for item in json.loads(told(tmp_path / "made.json", "--json"))
    }
    assert found["resnet50-ofa-energy"]["verdict"] == "met"


def test_the_script_tells_a_missing_profile_in_one_line(tmp_path: Path):
    command = [sys.executable, str(TOOL), str(tmp_path / "none.json")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1


# ---------------------------------------------------------------- the commands in claims.yaml


def test_both_papers_claims_can_be_checked_in_three_commands():
    names = {claim.name for claim in CHECKABLE}
    assert {"segformer-energy", "resnet50-ofa-energy"} <= names
    for claim in CHECKABLE:
        assert len(claim.to_check) == 3
        assert not any(sign in command for command in claim.to_check for sign in "&|;\n")
        assert claim.needs


def of_paper(name: str) -> list[Claim]:
    return [claim for claim in CHECKABLE if claim.name.startswith(name)]


@pytest.mark.parametrize("claim", of_paper("segformer"), ids=lambda claim: claim.name)
def test_segformer_is_filled_profiled_and_checked(claim: Claim, understood):
    filled, measured, checked = (understood(command) for command in claim.to_check)
    assert measured.family == str(filled.fill)
    assert (ROOT / filled.fill / "family.yaml").is_file()
    assert filled.fill.name.startswith(tuple(claim.model))
    assert measured.energy
    assert_measures(claim, measured)
    assert checked.profile == measured.output
    assert checked.baseline is None


@pytest.mark.parametrize("claim", of_paper("resnet50-ofa"), ids=lambda claim: claim.name)
def test_the_supernet_is_imported_recalibrated_and_profiled_beside_the_claims(
    claim: Claim, understood
):
    imported, recalibrated, checked = (understood(command) for command in claim.to_check)
    family = str(imported.output)
    assert imported.output.name.startswith(tuple(claim.model))
    assert (recalibrated.family, checked.families) == (family, [family])
    assert recalibrated.add  # an imported subnet has the supernet's statistics
    assert checked.claims
    assert checked.baseline is None
    passed = claim.to_check[2].partition(" -- ")[2]
    assert_measures(claim, understood(f"edgert profile {family} --energy {passed}"))


def assert_measures(claim: Claim, measured: argparse.Namespace) -> None:
    """The engines are built where they are missing, and scored on the claim's own data."""
    assert measured.build
    assert not measured.board  # an emulated one would measure nothing
    names = [name.lower() for name in (claim.dataset, *claim.also_named)]
    assert any(name in str(measured.dataset).lower() for name in names)


class _ParsedError(Exception):
    """A command line was understood: the work behind it is not done."""


@pytest.fixture
def understood(monkeypatch):
    """A command's arguments, by the parser of the very verb or tool that it calls."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser, words=None, namespace=None):
        raise _ParsedError(parse(parser, words, namespace))

    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)

    def understood(command: str) -> argparse.Namespace:
        program, *words = shlex.split(command)
        run = main
        if program != "edgert":
            assert program == "python"
            file = ROOT / words.pop(0)
            spec = importlib.util.spec_from_file_location(file.stem, file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            run = module.main
        with pytest.raises(_ParsedError) as found:
            run(words)
        return found.value.args[0]

    return understood


def test_a_command_that_nobody_understands_is_found(understood):
    with pytest.raises(SystemExit):
        understood("edgert profile engines/x --enrgy")
    with pytest.raises(SystemExit):
        understood("edgert recalibrat engines/x")
    with pytest.raises(SystemExit):
        understood("python tools/check_savings.py a.json b.json")
