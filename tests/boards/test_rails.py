"""Tables of rails: what makes a total, and that nothing is counted twice."""

import pytest

from edgert.boards import Board, board_names, find_board, load_board, read_machine
from edgert.errors import SettingsError
from tests.telemetry.trees import LAYOUTS, Tree

REAL = board_names("jetson-")


def board_with(tmp_path, text):
    (tmp_path / "jetson-own.yaml").write_text(
        "name: jetson-own\ndescription: one's own\npart_numbers: [p0000-0000]\n" + text
    )
    return load_board("jetson-own", folders=[tmp_path])


@pytest.mark.parametrize("name", REAL)
def test_every_known_board_has_a_total_of_its_rails(name):
    board = load_board(name)
    assert board.totals
    for total in board.totals:
        assert set(total.rails) <= set(board.rails)
        assert total.covers
        for rail in total.rails:  # counted on the table itself, not by the code under test
            assert board.rails[rail].part_of not in total.rails
    assert all(rail.feeds for rail in board.rails.values())


def test_known_boards_are_the_ones_that_the_project_promises():
    assert {name.removeprefix("jetson-") for name in REAL} >= {
        "orin-nano-4gb", "orin-nano-8gb", "orin-nx-8gb", "orin-nx-16gb", "agx-orin-32gb",
        "agx-orin-64gb", "agx-orin-industrial", "agx-thor-t5000",
    }  # fmt: skip


def test_modes_before_and_after_super_stand_side_by_side():
    modes = load_board("jetson-orin-nano-8gb").power_modes
    at_15 = {mode.super_release: mode.gpu_hz for mode in modes if mode.name == "15W"}
    assert at_15 == {True: 612e6, False: 625e6}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_board_is_found_by_what_the_machine_says(tmp_path, layout):
    board = find_board(read_machine(Tree(tmp_path, layout).root))
    assert isinstance(board, Board)
    labels = {c[0] for chip in LAYOUTS[layout].chips for c in chip.channels.values()}
    assert labels - {"NC", ""} <= set(board.rails)


RAILS = "rails: {A: {feeds: all}, B: {feeds: some, part_of: A}, C: {feeds: less, part_of: B}}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (RAILS + "totals: [{rails: [A, B], covers: x}]", "counts B twice: it is part of A"),
        (RAILS + "totals: [{rails: [C, A], covers: x}]", "counts C twice: it is part of A"),
        (RAILS + "totals: [{rails: [D], covers: x}]", "names D, which is not among the rails"),
        (RAILS + "totals: [{rails: [A, A], covers: x}]", "names a rail twice"),
        (RAILS + "totals: [{rails: [], covers: x}]", "length >= 1"),
        ("rails: {A: {feeds: x, part_of: Z}}", "A is part of Z, which is no other rail"),
        ("rails: {A: {feeds: x, part_of: A}}", "A is part of A, which is no other rail"),
        (
            "rails: {A: {feeds: x, part_of: B}, B: {feeds: x, part_of: A}}",
            "A is part of B, which is no other rail",
        ),
        ("power_modes: [{name: 15W, gpu_hz: 0}]", "> 0"),
    ],
)
def test_table_that_counts_twice_or_wrongly_is_refused(tmp_path, text, words):
    with pytest.raises(SettingsError) as error:
        board_with(tmp_path, text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_parts_of_one_rail_may_be_summed(tmp_path):
    text = "rails: {A: {feeds: x}, B: {feeds: y, part_of: A}, C: {feeds: z, part_of: A}}\n"
    board = board_with(tmp_path, text + "totals: [{rails: [B, C], covers: module}]")
    assert board.totals[0].rails == ["B", "C"]
