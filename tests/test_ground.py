"""errors, optional, clock, units: what everything else stands on."""

import json
import subprocess
import sys

import pytest

from edgert.clock import MonotonicClock, VirtualClock
from edgert.errors import ArtifactError, EdgertError, MissingDependencyError
from edgert.optional import needs
from edgert.units import text_from_bytes, text_from_count, text_from_duration

HEAVY = {"numpy", "onnx", "onnx_ir", "onnxruntime", "torch", "av", "PIL", "matplotlib", "yaml"}


def loaded_by(code: str) -> set[str]:
    """Top-level modules in sys.modules after running code in a fresh interpreter."""
    listing = "import json, sys; print(json.dumps([m.split('.')[0] for m in sys.modules]))"
    script = f"{code}\n{listing}"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_import_edgert_loads_nothing_heavy():
    assert not loaded_by("import edgert") & HEAVY


def test_help_loads_nothing_heavy():
    code = (
        "import contextlib\nfrom edgert.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])"
    )
    assert not loaded_by(code) & HEAVY


def test_heavy_is_seen_where_it_is_loaded():
    assert "numpy" in loaded_by("import numpy") & HEAVY


def test_error_is_one_line_with_its_parts():
    error = ArtifactError("read x", expected="a", got="b", advice="Do c")
    assert str(error) == "read x: expected a, got b. Do c."
    assert (error.subject, error.expected, error.got, error.advice) == ("read x", "a", "b", "Do c")
    assert isinstance(error, EdgertError)


def test_missing_package_names_the_extra():
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgert\[video\]'"):
        needs("no_such_package_at_all", "video", "to test")


def test_a_package_missing_inside_an_installed_one_is_let_through(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package_at_all"):
        needs("half_installed", "video", "to test")


def test_installed_package_is_handed_back():
    assert needs("json", "video", "to test") is json


def test_virtual_clock_moves_only_when_told():
    clock = VirtualClock(5.0)
    assert clock.now_s() == 5.0
    clock.sleep(2.5)
    clock.sleep(-1)
    assert clock.now_s() == 7.5


def test_monotonic_clock_does_not_go_back():
    clock = MonotonicClock()
    first = clock.now_s()
    clock.sleep(0)
    clock.sleep(0.001)
    assert clock.now_s() >= first + 0.001


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 MACs"), (999, "999 MACs"), (62.338e9, "62.34 GMACs"), (3.7e6, "3.70 MMACs")],
)
def test_counts_as_people_read_them(count: float, text: str):
    assert text_from_count(count, "MACs") == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (15 << 20, "15.0 MiB"), (3 << 30, "3.0 GiB")],
)
def test_bytes_as_people_read_them(size: int, text: str):
    assert text_from_bytes(size) == text


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0, "0 s"), (5e-5, "50 µs"), (0.0123, "12.3 ms"), (2.5, "2.5 s"), (75, "1 min 15 s")],
)
def test_durations_as_people_read_them(duration_s: float, text: str):
    assert text_from_duration(duration_s) == text
