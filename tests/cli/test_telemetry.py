"""How a run finds power and heat: on a board's files, and where there are none."""

from contextlib import closing
from pathlib import Path

import pytest

from edgert.cli.main import main
from edgert.clock import MonotonicClock
from edgert.errors import SourceUnavailableError
from edgert.opening.telemetry import open_telemetry, provenance_of
from edgert.records import Limits
from edgert.settings import Settings, TelemetrySettings
from tests.telemetry.trees import Tree


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_without_sensors_a_run_has_no_telemetry_and_no_complaint(empty, capsys):
    assert open_telemetry(Settings(), MonotonicClock(), root=empty) == (None, "")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("limits", [Limits(power_w=10), Limits(temp_c=70)])
def test_limits_that_can_not_be_held_are_told_in_one_line(empty, limits):
    source, note = open_telemetry(Settings(limits=limits), MonotonicClock(), root=empty)
    assert source is None
    [line] = note.splitlines()
    assert line.startswith("limits on power and temperature can't be held")
    assert "sysfs" in line


def test_a_source_that_was_named_has_to_be_there(empty):
    settings = Settings(telemetry=TelemetrySettings(source="sysfs"))
    with pytest.raises(SourceUnavailableError):
        open_telemetry(settings, MonotonicClock(), root=empty)


def test_a_board_s_own_sensors_are_found(tmp_path):
    root = tmp_path / "board"
    Tree(root)
    clock = MonotonicClock()
    source, note = open_telemetry(Settings(), clock, root=root)
    assert source is not None
    assert not note
    with closing(source):
        assert provenance_of(source, clock) == "measured"
        sample = source.read()
        assert sample is not None
        assert sample.power_w == pytest.approx(4.8, abs=0.05)


def test_an_unknown_source_is_one_line_of_the_verb(tiny_family, capsys, monkeypatch):
    monkeypatch.chdir(tiny_family.parent)
    assert main(["build", str(tiny_family)]) == 0
    assert main(["profile", str(tiny_family), "--rounds", "1", "--frame-count", "1"]) == 0
    capsys.readouterr()
    assert main(["run", str(tiny_family), "test://", "--telemetry", "crystal"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "expected one of sysfs" in line
    assert "'crystal'" in line


def test_doctor_tells_what_the_sensors_say(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    assert "sensors: none; looked for a power sensor" in capsys.readouterr().out
