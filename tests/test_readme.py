"""README tells the truth: its commands run, and nothing a user can set is missing from it."""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgert.cli.main import VERBS
from edgert.cli.search import add_arguments
from edgert.control import CONTROLLERS
from edgert.records import Limits
from edgert.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """What a fresh clone holds of what the commands read."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(
        PROJECT / "engines", folder / "engines", ignore=shutil.ignore_patterns("built")
    )
    shutil.copytree(PROJECT / "profiles", folder / "profiles")
    (folder / "tests" / "data").mkdir(parents=True)
    shutil.copy(PROJECT / "tests" / "data" / "edits.yaml", folder / "tests" / "data")
    return folder


@pytest.mark.slow
def test_every_command_runs_in_its_order_and_then_the_python(workspace: Path):
    commands = [
        line for block in blocks("sh") for line in block.splitlines() if line.startswith("edgert ")
    ]
    assert {command.split()[1] for command in commands} == set(VERBS) - {"search"}
    for command in commands:
        words = shlex.split(command)[1:]
        result = subprocess.run(
            [sys.executable, "-m", "edgert", *words],
            cwd=workspace, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        assert result.stdout
    for name in ("small.onnx", "report.html", "report.jsonl", "annotated.mp4"):
        assert (workspace / name).stat().st_size > 1000
    [example] = blocks("python")
    result = subprocess.run(
        [sys.executable, "-c", example], cwd=workspace, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "(1, 11, 90, 120)" in result.stdout


def test_the_searches_of_the_readme_are_understood():
    """They need frames and take long; tests/cli/test_search.py runs some."""
    searches = [line for line in "".join(blocks("console")).splitlines() if line]
    assert searches
    for line in searches:
        words = shlex.split(line)
        assert words[:2] == ["edgert", "search"]
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        assert parser.parse_args(words[2:]).family == "engines/segformer-b0-camvid"


def test_make_targets_of_the_readme_are_there():
    makefile = (PROJECT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_verb_setting_variable_and_controller_is_told():
    for verb in VERBS:
        assert f"`{verb}" in README
    for field in msgspec.structs.fields(Settings):
        if field.name != "limits":
            assert f"`{field.name}`" in README
            assert f"`EDGERT_{field.name.upper()}`" in README
    for field in msgspec.structs.fields(Limits):
        assert f"`limits.{field.name}`" in README
        assert f"`EDGERT_LIMITS_{field.name.upper()}`" in README
    for controller in CONTROLLERS:
        assert f"`{controller}`" in README


def test_links_and_pictures_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (PROJECT / target).exists(), target


def test_every_room_stands_in_the_code_map():
    for path in (PROJECT / "edgert").iterdir():
        if path.suffix == ".py" and path.stem not in ("__init__", "__main__"):
            assert path.stem in README, path.name
        elif (path / "__init__.py").is_file():
            assert f"{path.name}/" in README, path.name
