"""The wheel with its base dependencies only, as a device installs it: `make test-base`."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import edgert
from edgert.errors import MissingDependencyError

pytestmark = pytest.mark.base_install

DEVICE_ROOMS = (
    "errors", "records", "clock", "units", "optional", "schema", "settings", "artifacts",
    "backends", "boards", "telemetry", "control", "pool", "video", "runtime", "emulator",
    "preprocess", "resize", "cli", "report",
)  # fmt: skip


def modules() -> list[str]:
    return [m.name for m in pkgutil.walk_packages(edgert.__path__, "edgert.")]


def test_every_module_imports_without_the_extras():
    for name in modules():
        if name != "edgert.__main__":
            importlib.import_module(name)


def test_the_device_half_is_complete():
    found = {name.split(".")[1] for name in modules()}
    assert found >= set(DEVICE_ROOMS)


def test_no_extra_was_loaded_on_the_way():
    for package in ("onnx", "onnx_ir", "av", "PIL", "matplotlib", "torch"):
        assert package not in sys.modules


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgert", *words], capture_output=True, text=True, check=False
    )


def test_every_verb_explains_itself():
    from edgert.cli.main import VERBS

    for verb in VERBS:
        result = run(verb, "--help")
        assert result.returncode == 0, result.stderr


def test_the_board_files_are_in_the_wheel(tmp_path, monkeypatch):
    """Asked from a folder that has none of its own."""
    from edgert.boards import Machine, board_names, find_board

    monkeypatch.chdir(tmp_path)
    assert "emulated-orin-nano" in board_names("emulated-")
    assert find_board(Machine(part_number="p3767-0005")).name == "jetson-orin-nano-8gb"


def test_making_keys_names_the_extra_that_it_needs(tmp_path):
    result = run("keys", str(tmp_path / "k.pem"))
    assert result.returncode == 1
    assert "edgert[sign]" in result.stderr
    assert not list(tmp_path.iterdir())


def test_doctor_needs_no_extra(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "edgert", "doctor"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "edgert[sign]" in result.stdout


def test_a_missing_extra_is_one_line_that_names_it(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"x")
    result = run("inspect", str(tmp_path / "m.onnx"))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "pip install 'edgert[build]'" in result.stderr


def test_video_files_name_their_extra(tmp_path):
    from edgert.video.source import open_source

    (tmp_path / "v.mp4").write_bytes(b"x")
    with pytest.raises(MissingDependencyError, match=r"edgert\[video\]"):
        open_source(str(tmp_path / "v.mp4"))


def test_the_doctor_says_what_is_missing():
    result = run("doctor")
    assert result.returncode == 0, result.stderr
    assert "missing; pip install 'edgert[build]' brings it" in result.stdout
