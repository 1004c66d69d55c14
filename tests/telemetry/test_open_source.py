"""Which source is opened."""

import subprocess
import sys
from importlib import import_module

import pytest

from edgert.boards import load_board
from edgert.clock import VirtualClock
from edgert.errors import SourceUnavailableError
from edgert.telemetry import ORDER, SOURCES, open_source
from edgert.telemetry.background import BackgroundSource
from edgert.telemetry.recording import Recorder
from edgert.telemetry.sysfs import SysfsSource
from tests.telemetry.fake_pynvml import FakeNvml
from tests.telemetry.trees import Tree, put_rapl


def test_every_name_leads_to_a_class_of_that_name():
    for name, place in SOURCES.items():
        module, _, attribute = place.partition(":")
        assert module.startswith("edgert.telemetry.")  # the linter can't see strings
        assert getattr(import_module(module), attribute).name == name
    assert set(ORDER) < set(SOURCES)


def test_source_by_name(tmp_path):
    clock = VirtualClock(3.0)
    source = open_source("sysfs", root=Tree(tmp_path).root, clock=clock, frozen_s=5.0)
    assert isinstance(source, SysfsSource)
    assert source.read().time_s == 3.0
    nvml = open_source("nvml", clock=clock, pynvml=FakeNvml())
    assert nvml.read().power_w == 71.5


def test_board_can_be_named(tmp_path):
    board = load_board("jetson-orin-nx-16gb")
    assert open_source("sysfs", root=Tree(tmp_path).root, board=board).board is board


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(SourceUnavailableError) as error:
        open_source("tegrastats")
    assert "sysfs, jtop, nvml, rapl, replay" in str(error.value)


def test_without_a_name_the_boards_own_sensors_come_first(tmp_path):
    put_rapl(tmp_path, "0", 5, name="package-0")
    assert open_source(root=Tree(tmp_path).root).name == "sysfs"


def test_without_a_name_a_pc_has_its_counters(tmp_path):
    put_rapl(tmp_path, "0", 5, name="package-0")
    source = open_source(root=tmp_path)
    assert source.name in {"nvml", "rapl"}  # nvml where there is a GPU
    source.close()


def test_nothing_found_says_what_was_looked_for_where(tmp_path):
    try:
        source = open_source(root=tmp_path)
    except SourceUnavailableError as error:
        text = str(error)
    else:
        source.close()
        pytest.skip("there is an NVIDIA GPU here")
    assert "\n" not in text
    for words in ("sysfs: a power sensor", "run/jtop.sock", "nvml: ", "sys/class/powercap"):
        assert words in text


def test_interval_puts_a_source_in_a_thread(tmp_path):
    source = open_source("sysfs", root=Tree(tmp_path).root, interval_s=0.5)
    assert isinstance(source, BackgroundSource)
    assert source.name == "sysfs"
    source.close()


def test_interval_is_the_jetson_stats_sources_own(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    source = open_source("jtop", root=tmp_path, interval_s=0.25, command=command)
    assert source.name == "jtop"
    assert source._interval_s == 0.25
    source.close()


def test_replay_has_the_pace_of_its_recording(tmp_path):
    sample = open_source("sysfs", root=Tree(tmp_path).root).read()
    with Recorder(tmp_path / "r.jsonl") as recorder:
        recorder.write(sample)
    source = open_source("replay", path=tmp_path / "r.jsonl", interval_s=0.1)
    assert source.name == "replay"
    assert source.read().power_w == sample.power_w


def test_naming_the_package_loads_no_vendor_and_no_source():
    code = (
        "import sys, edgert.telemetry; heavy = {'numpy', 'pynvml', 'jtop', "
        "'edgert.telemetry.sysfs', 'edgert.telemetry.jtop'}; print(heavy & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
