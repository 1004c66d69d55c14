import io

import pytest

from edgert.cli import output
from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.records import Limits


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(output, "_SHOW_AFTER_S", 0.0)
    monkeypatch.setattr(output, "_REDRAW_EVERY_S", 0.0)


def test_table_aligns_names_left_and_figures_right(capsys):
    print_table([{"name": "a", "MACs": "12"}, {"name": "longer", "MACs": "3"}])
    assert capsys.readouterr().out.splitlines() == ["name    MACs", "a         12", "longer     3"]


def test_an_empty_table_prints_nothing(capsys):
    print_table([])
    assert capsys.readouterr().out == ""


def test_json_takes_records(capsys):
    print_json({"limits": Limits(power_w=5)})
    assert '"power_w": 5.0' in capsys.readouterr().out.replace("5,", "5.0,")


def test_bar_is_drawn_on_a_terminal_and_wiped(at_once):
    stream = Terminal()
    with ProgressBar("build", stream=stream) as bar:
        bar(1, 4, "compile")
        assert "build ██████" in stream.getvalue()
        assert "1/4 compile" in stream.getvalue()
        assert "s left" in stream.getvalue()
    assert stream.getvalue().endswith("\r\033[K")


def test_a_total_that_nobody_knows_shows_the_count(at_once):
    stream = Terminal()
    ProgressBar("run", stream=stream)(7, 0, "frames")
    assert stream.getvalue().endswith("7 frames")


def test_a_terminal_is_not_redrawn_for_every_step(at_once, monkeypatch):
    monkeypatch.setattr(output, "_REDRAW_EVERY_S", 60.0)
    stream = Terminal()
    ProgressBar("run", stream=stream)(7, 0, "frames")
    assert stream.getvalue() == ""


def test_short_work_shows_no_bar():
    stream = Terminal()
    with ProgressBar("build", stream=stream) as bar:
        bar(1, 4, "compile")
    assert stream.getvalue() == ""


def test_a_log_gets_whole_lines_and_not_one_a_step(at_once, monkeypatch):
    stream = io.StringIO()
    with ProgressBar("build", stream=stream) as bar:
        bar(1, 4, "compile")
        assert stream.getvalue() == ""
        monkeypatch.setattr(output, "_LINE_EVERY_S", 0.0)
        bar(2, 4, "verify")
    assert stream.getvalue().startswith("build: 2/4 verify")
    assert stream.getvalue().endswith("\n")
