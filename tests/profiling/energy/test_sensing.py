"""What is known of a source's sensors, from the files of emulated boards."""

import pytest

from edgert.clock import MonotonicClock, VirtualClock
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.emulator.layout import load_layout
from edgert.emulator.tree import BoardTree
from edgert.profiling.energy.sensing import sensing_of
from edgert.telemetry import open_source
from edgert.telemetry.background import BackgroundSource


@pytest.fixture
def sensing(tmp_path):
    def of(name, release="jetpack6"):
        layout = load_layout(name)
        clock = VirtualClock(50.0)
        board = EmulatedBoard(read_board_spec(f"profiles/boards/{layout.physics}.yaml"), clock)
        with BoardTree(tmp_path / name, layout, board, release=release):
            source = open_source("sysfs", root=tmp_path / name, clock=clock)
            try:
                return sensing_of(source, clock, root=tmp_path / name)
            finally:
                source.close()

    return of


def test_an_orin_nano_has_one_rail_and_the_bound_of_its_chip(sensing):
    found = sensing("orin-nano")
    assert found.board == "jetson-orin-nano-8gb"
    assert found.rails == ["VDD_IN"]
    assert found.bound.step_w == pytest.approx(0.04, rel=0.01)
    assert found.bound.offsets_w == pytest.approx([0.08], rel=0.01)
    assert found.bound.update_s == pytest.approx(0.007)
    assert "SBOS576" in found.bound.source


def test_an_agx_orin_s_rails_add_up(sensing):
    found = sensing("agx-orin")
    assert len(found.rails) > 1
    assert len(found.bound.offsets_w) == len(found.rails)


def test_of_a_thor_s_other_chip_no_bound_is_claimed(sensing):
    found = sensing("agx-thor", "jetpack7")
    assert found.rails == ["VIN"]
    assert found.bound.source == "unknown: not included"


def test_of_any_other_source_nothing_is_known():
    clock = VirtualClock()
    spec = read_board_spec("profiles/boards/emulated-orin-nano.yaml")
    found = sensing_of(EmulatedBoard(spec, clock), clock)
    assert found.board == "emulated-orin-nano"
    assert found.bound.source == "unknown: not included"


@pytest.fixture
def nano(tmp_path):
    """An Orin Nano's files, and its source before anything was meddled with."""
    layout, clock = load_layout("orin-nano"), VirtualClock(50.0)
    spec = read_board_spec(f"profiles/boards/{layout.physics}.yaml")
    with BoardTree(tmp_path, layout, EmulatedBoard(spec, clock)) as tree:
        source = open_source("sysfs", root=tmp_path, clock=clock)
        yield tree, source, clock
        source.close()


def chip(tree):
    return tree.folder / "sys" / tree.layout.chips[0].folder


def test_a_source_that_a_thread_reads_is_what_it_reads(nano):
    tree, source, _ = nano
    background = BackgroundSource(source, 0.01)
    try:
        found = sensing_of(background, MonotonicClock(), root=tree.folder)
    finally:
        background.close()
    assert found.rails == ["VDD_IN"]
    assert found.bound.step_w == pytest.approx(0.04, rel=0.01)


def test_a_voltage_that_can_not_be_read_is_taken_as_usual(nano):
    tree, source, clock = nano
    (chip(tree) / "in1_input").write_text("")
    found = sensing_of(source, clock, root=tree.folder)
    assert found.bound.offsets_w == pytest.approx([0.08])


def test_a_shunt_that_the_driver_does_not_tell_leaves_the_bound_unknown(nano):
    tree, source, clock = nano
    (chip(tree) / "shunt1_resistor").unlink()
    found = sensing_of(source, clock, root=tree.folder)
    assert found.rails == ["VDD_IN"]
    assert found.bound.source == "unknown: not included"


def test_a_chip_that_is_gone_leaves_the_bound_unknown(nano):
    tree, source, clock = nano
    (chip(tree) / "name").write_text("something else\n")
    assert sensing_of(source, clock, root=tree.folder).bound.source == "unknown: not included"
