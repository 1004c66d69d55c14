"""`edgert calibrate` as it is typed: emulated boards in virtual time, and a tree of files."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import load_thermal, thermal_for, thermal_path
from edgert.backends import open_backend
from edgert.cli import calibrate as verb
from edgert.cli.main import main
from edgert.cli.thermal_table import lines_in_words
from edgert.clock import MonotonicClock
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.emulator.layout import load_layout
from edgert.emulator.power import EngineLoad
from edgert.emulator.tree import BoardTree
from edgert.emulator.tree_files import memory_folder
from edgert.records import ThermalConstants
from tests.emulator.trees import BOARDS, make_tree
from tests.tiny_family import make_tiny_family

NANO = "emulated-orin-nano"
SHORT = ["--idle-s", "20", "--step-s", "25"]


@pytest.fixture(scope="module")
def built_once(tmp_path_factory) -> Path:
    folder = make_tiny_family(tmp_path_factory.mktemp("calibrate") / "tiny")
    assert main(["build", str(folder), "--threads", "1"]) == 0
    return folder


@pytest.fixture
def family(built_once: Path, tmp_path: Path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    shutil.copytree(built_once, tmp_path / "engines" / "tiny")
    return "tiny"


def device() -> str:
    return open_backend("onnxruntime").device()


def calibrate(capsys, *words: str) -> tuple[int, str, list[str]]:
    """Status, stdout, and lines of stderr but for the progress that a slow machine gets to see."""
    capsys.readouterr()
    status = main(["calibrate", *words])
    told = capsys.readouterr()
    return status, told.out, [x for x in told.err.splitlines() if not x.startswith("calibrate: ")]


def truth(board: str) -> dict[str, float]:
    spec = read_board_spec(BOARDS / f"{board}.yaml").thermal
    names = ThermalConstants.__struct_fields__
    return {n: v for n, v in msgspec.to_builtins(spec).items() if n in names and "_per_" in n}


@pytest.mark.parametrize(
    "board", [NANO, "emulated-orin-nano-slow", "emulated-agx-orin", "emulated-orin-nx"]
)
def test_an_emulated_board_s_own_constants_come_out(family, capsys, board):
    """The whole default test, nine minutes of board time."""
    status, text, errors = calibrate(capsys, family, "--board", board, "--virtual-time")
    assert (status, errors) == (0, [])
    file = thermal_path(Path("profiles"), device(), board)
    constants = load_thermal(file)
    assert text.startswith(f"{file}: {board}, emulated\n")
    for name, value in truth(board).items():
        assert getattr(constants, name) == pytest.approx(value, rel=0.1), name
        assert f"{name} " in text
    assert (constants.board, constants.device, constants.provenance) == (
        board, device(), "emulated",
    )  # fmt: skip
    assert "each watt more warms the die by " in text
    assert thermal_for(Path("profiles"), device(), board) == (constants, "")
    assert list(file.parent.iterdir()) == [file]


def test_the_load_stays_clear_of_the_trip_point_and_says_so(family, capsys):
    _, text, _ = calibrate(capsys, family, "--board", NANO, "--virtual-time")
    assert "note: the load was ended after 3" in text
    assert "within the margin of 5 K of its trip point of 80 °C" in text
    assert "trip point" in load_thermal(thermal_path(Path("profiles"), device(), NANO)).method


def test_a_temperature_of_one_s_own(family, capsys):
    words = ["--board", NANO, *SHORT, "--most-temp-c", "60", "-o", "t.json"]
    _, text, _ = calibrate(capsys, family, *words)
    assert "60 °C were allowed" in text


def test_json_is_the_record_with_its_errors_and_nothing_else_on_stdout(family, capsys):
    words = ["--board", NANO, "--virtual-time", *SHORT, "-o", "t.json", "--json"]
    status, text, _ = calibrate(capsys, family, *words)
    assert status == 0
    told = json.loads(text)
    assert told["file"] == "t.json"
    assert msgspec.convert(told["constants"], ThermalConstants) == load_thermal(Path("t.json"))
    assert set(told["errors"]) >= {"sink_j_per_k", "ambient_c"}
    assert not Path("profiles").exists()


def test_a_board_file_of_one_s_own(family, capsys):
    text = (BOARDS / f"{NANO}.yaml").read_text().replace(f"name: {NANO}", "name: mine")
    Path("mine.yaml").write_text(text.replace("sink_j_per_k: 9.0", "sink_j_per_k: 18.0"))
    status, _, _ = calibrate(capsys, family, "--board", "mine.yaml", *SHORT)
    assert status == 0
    constants = load_thermal(thermal_path(Path("profiles"), device(), "mine.yaml"))
    assert constants.board == "mine"
    assert constants.sink_j_per_k == pytest.approx(18.0, rel=0.1)


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--virtual-time"], 2, "--virtual-time: expected --board beside it"),
        (["--board", NANO, "--telemetry", "sysfs"], 2, "expected an emulated board or sensors"),
        (["--board", NANO, "--root", "x"], 2, "expected an emulated board or sensors"),
        (["--board", "nobody"], 2, "find board nobody: expected a board among "),
        (["--board", "jetson-orin-nano-8gb"], 2, "a real board, which is found by itself"),
        (["--telemetry", "nobody"], 1, "choose a telemetry source: expected one of sysfs"),
        (["--root", "none"], 1, "find a telemetry source under none: expected one of sysfs"),
        (["--board", NANO, "--idle-s", "0.1", "--step-s", "9"], 1, "samples in 0.1 s, 12 are"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_leaves_nothing(family, capsys, words, status, line):
    found, text, errors = calibrate(capsys, family, *words)
    assert (found, text, len(errors)) == (status, "", 1)
    assert errors[0].startswith("edgert calibrate: ")
    assert line in errors[0]
    assert not Path("profiles").exists()


def test_a_family_without_engines_is_one_line(family, capsys):
    shutil.rmtree("engines/tiny/built")
    status, _, [line] = calibrate(capsys, family, "--board", NANO)
    assert status == 1
    assert "edgert build" in line


def test_a_place_that_can_not_be_written_to_is_one_line(family, capsys):
    Path("profiles").write_text("a file")
    status, text, [line] = calibrate(capsys, family, "--board", NANO, *SHORT)
    assert (status, text) == (1, "")
    assert "expected a folder that can be written to" in line


def test_ctrl_c_is_one_line_and_an_older_file_stays(family, capsys, monkeypatch):
    words = [family, "--board", NANO, *SHORT, "-o", "t.json"]
    assert calibrate(capsys, *words)[0] == 0
    before = Path("t.json").read_bytes()

    def stopped(*_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "play_step_test", stopped)
    assert calibrate(capsys, *words) == (130, "", ["edgert calibrate: stopped"])
    assert Path("t.json").read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["engines", "t.json"]


# ---------------------------------------------------------------- a tree of files, in real time


@pytest.fixture
def memory_tree():
    folder = memory_folder("edgert-test-")
    yield folder
    shutil.rmtree(folder)


def test_a_load_that_the_sensors_do_not_see_is_refused(family, capsys, tmp_path):
    tree, _ = make_tree(tmp_path / "board", clock=MonotonicClock())
    words = ["--root", str(tmp_path / "board"), "--idle-s", "0.6", "--step-s", "0.6"]
    with tree, tree.run(50):
        status, _, errors = calibrate(capsys, family, *words)
    assert status == 1
    assert "the source does not see the load" in errors[-1]
    assert not Path("profiles").exists()


def test_no_permission_names_the_verb_s_own_flag(family, capsys, tmp_path):
    tree, _ = make_tree(tmp_path / "board")
    with tree:
        tree.fault("unreadable", file="VDD_IN")
        status, _, errors = calibrate(capsys, family, "--root", str(tmp_path / "board"))
    assert status == 1
    assert errors[-1].startswith("edgert calibrate: calibrate with sysfs: expected the board's po")
    assert "name another source with --telemetry" in errors[-1]


@pytest.mark.slow
def test_a_board_of_files_that_the_engine_heats(
    family, capsys, tmp_path, memory_tree, monkeypatch
):
    """A board ten times as quick as the demonstration's, told of every run as it happens."""
    spec = read_board_spec(BOARDS / f"{NANO}.yaml")
    heat = msgspec.structs.replace(
        spec.thermal, die_j_per_k=2.0, die_to_sink_k_per_w=0.5, sink_j_per_k=6.0,
        sink_to_ambient_k_per_w=1.5,
    )  # fmt: skip
    board = EmulatedBoard(
        msgspec.structs.replace(spec, thermal=heat),
        MonotonicClock(),
        reference=EngineLoad(latency_s=1.0, macs=1000),
    )
    tree = BoardTree(memory_tree, load_layout("orin-nano"), board)
    plain = verb._run_of

    def heating(pool):
        run_of = plain(pool)

        def named(name):
            run = run_of(name)

            def run_and_tell():
                run()
                tree.book_run(name, 0.01)
                MonotonicClock().sleep(0.01)

            return run_and_tell

        return named

    monkeypatch.setattr(verb, "_run_of", heating)
    words = ["--root", str(memory_tree), "--idle-s", "6", "--step-s", "12", "-o", "t.json"]
    with tree, tree.run(50):
        status, text, _ = calibrate(capsys, family, *words)
    assert status == 0
    constants = load_thermal(Path("t.json"))
    assert (constants.board, constants.power_mode) == ("jetson-orin-nano-8gb", "25W")
    assert constants.provenance == "emulated"
    total = constants.die_to_sink_k_per_w + constants.sink_to_ambient_k_per_w
    assert total == pytest.approx(2.0, rel=0.25)
    assert constants.die_j_per_k + constants.sink_j_per_k == pytest.approx(8.0, rel=0.35)
    assert "note: the fan went from " in text


# ---------------------------------------------------------------- words


def test_the_words_are_of_the_constants():
    constants = ThermalConstants(
        die_j_per_k=6, sink_j_per_k=250, die_to_sink_k_per_w=0.3, sink_to_ambient_k_per_w=0.95,
        idle_w=4, ambient_c=25, residual_c=0.12, samples=900,
    )  # fmt: skip
    assert lines_in_words(constants, ambient_error_k=0.2) == [
        "each watt more warms the die by 1.25 K in the end: 0.29 K within 5.3 s, 0.96 K within "
        "12 min 10 s",
        "time constants: die 1.8 s, sink 4 min 3 s",
        "air of 25.00 ± 0.2 °C around the heat sink; idle 4.00 W, which settles at 30.0 °C",
        "the fit leaves 0.12 K (root mean square over the test, 900 samples)",
    ]
    bare = msgspec.structs.replace(constants, idle_w=None, residual_c=None)
    assert len(lines_in_words(bare)) == 2
