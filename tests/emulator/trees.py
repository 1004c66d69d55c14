"""Emulated trees for tests: a layout, its physics, a virtual clock."""

from pathlib import Path

from edgert.clock import VirtualClock
from edgert.emulator.board import EmulatedBoard
from edgert.emulator.layout import load_layout
from edgert.emulator.power import EngineLoad
from edgert.emulator.spec import read_board_spec
from edgert.emulator.tree import BoardTree

BOARDS = Path(__file__).parents[2] / "profiles/boards"


FULL = EngineLoad(latency_s=1.0, macs=1_000_000)


def make_tree(folder, name="orin-nano", *, clock=None, **options):
    """A tree and its clock; an engine of a million MACs a second fills the board."""
    layout = load_layout(name)
    clock = clock or VirtualClock(100.0)
    spec = read_board_spec(BOARDS / f"{layout.physics}.yaml")
    board = EmulatedBoard(spec, clock, reference=FULL)
    return BoardTree(folder, layout, board, **options), clock


def content(tree, path):
    return (tree.folder / path).read_text()


def number(tree, path):
    return int(content(tree, path))


def power_mw(tree, channel, *, chip=0):
    folder = f"sys/{tree.layout.chips[chip].folder}"
    volt_mv = number(tree, f"{folder}/in{channel}_input")
    return volt_mv * number(tree, f"{folder}/curr{channel}_input") / 1000
