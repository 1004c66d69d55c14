"""README and docs tell the truth: commands run, and nothing a user can set is missing."""

import argparse
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.cli.main import VERBS
from edgert.control import CONTROLLERS
from edgert.settings import settings_paths

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md")))
}
TEXT = "".join(PAGES.values())


# Words added here for the time they save: a profile's figures from fewer rounds are no others.
ADDED = {"profile": ["--rounds", "2"]}


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


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
    elsewhere = {"recalibrate", "search", "serve"}  # they take pictures, or never end
    assert {command.split()[1] for command in commands} == set(VERBS) - elsewhere
    for command in commands:
        words = shlex.split(command)[1:]
        words += ADDED.get(words[0], [])
        result = subprocess.run(
            [sys.executable, "-m", "edgert", *words],
            cwd=workspace, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        assert result.stdout
    for name in ("small.onnx", "report.html", "report.jsonl", "annotated.mp4", "comparison.html"):
        assert (workspace / name).stat().st_size > 1000
    pool, controller = blocks("python")
    assert "(1, 11, 90, 120)" in python_output(pool, workspace)
    assert "half because: hold half: full would take" in python_output(controller, workspace)


def python_output(example: str, workspace: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-c", example], cwd=workspace, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_what_the_readme_can_not_run_here_is_at_least_understood():
    """Frames, much time or a GPU are not here: such words are held against the parsers."""
    lines = [shlex.split(line) for line in "".join(blocks("console", TEXT)).splitlines() if line]
    verbs = [words for words in lines if words[0] == "edgert"]
    assert {words[1] for words in verbs} >= {"recalibrate", "search", "run"}
    for words in verbs:
        module = importlib.import_module(f"edgert.cli.{words[1]}")
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        parser.parse_args(words[2:])
    for words in lines:
        if words[0] == "python":
            assert (PROJECT / words[1]).is_file()


def test_make_targets_of_the_readme_are_there():
    makefile = (PROJECT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_verb_setting_variable_and_controller_is_told():
    for verb in VERBS:
        assert f"`{verb}" in README
    for path in settings_paths():
        assert f"`{path}`" in TEXT
        assert f"`EDGERT_{path.replace('.', '_').upper()}`" in TEXT
    for controller in CONTROLLERS:
        assert f"`{controller}`" in TEXT


def test_links_and_pictures_lead_somewhere():
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path, _, heading = target.partition("#")
            if path.startswith("http"):
                continue
            file = (page.parent / path) if path else page
            assert file.exists(), f"{page.name}: {target}"
            if heading:
                assert heading in anchors(file.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """Headings as links name them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_room_stands_in_the_code_map():
    for path in (PROJECT / "edgert").iterdir():
        if path.suffix == ".py" and path.stem not in ("__init__", "__main__"):
            assert path.stem in README, path.name
        elif (path / "__init__.py").is_file():
            assert f"{path.name}/" in README, path.name
