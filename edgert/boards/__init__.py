"""What machine this is, and what is known of boards like it.

machine     what the machine says of itself: model, part number, SoC, L4T, power mode
releases    Jetson Linux (L4T) releases and the JetPack that each belongs to
nvpmodel    the power mode, by NVIDIA's own name for it
modes       power modes by name
rails       power rails, the totals they make, the clock caps of power modes
catalogue   the files profiles/boards/jetson-*.yaml, and where board files are found

A board is known by its module's part number: the device's name in software is one word for boards
that differ in memory, and the GPU's is the same on all of a generation.
"""

from edgert.boards.catalogue import Board, board_file, board_names, find_board, load_board
from edgert.boards.machine import Machine, read_machine
from edgert.boards.modes import find_power_mode, power_modes_by_name
from edgert.boards.nvpmodel import read_power_mode
from edgert.boards.rails import PowerMode, Rail, Total

__all__ = [
    "Board",
    "Machine",
    "PowerMode",
    "Rail",
    "Total",
    "board_file",
    "board_names",
    "find_board",
    "find_power_mode",
    "load_board",
    "power_modes_by_name",
    "read_machine",
    "read_power_mode",
]
