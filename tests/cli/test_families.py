import argparse
from pathlib import Path

import pytest

from edgert.boards import Board, load_board
from edgert.cli.families import add_family_argument, backend_from, settings_from
from edgert.errors import BackendError, UsageError
from edgert.opening.boards import find_board_spec
from edgert.opening.families import backend_options, trusted_keys_from
from edgert.settings import Settings, TensorRtSettings, load_settings

ORIN = load_board("jetson-orin-nano-8gb")
UNKNOWN = Board(name="jetson-x", description="x", part_numbers=["p0000-0000"])


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_family_argument(parser)
    return parser.parse_args(["FAMILY", *words])


def test_flags_come_after_the_environment(monkeypatch):
    monkeypatch.setenv("EDGERT_THREADS", "3")
    assert settings_from(arguments()).threads == 3
    assert settings_from(arguments("--threads", "1")).threads == 1
    assert backend_from(arguments("--threads", "1")).conditions()["threads"] == "1"


def test_a_settings_file_is_read(tmp_path: Path):
    file = tmp_path / "e.yaml"
    file.write_text("threads: 2\nengines: {trusted_keys: [a.pem]}\n")
    settings = settings_from(arguments("--settings", str(file)))
    assert settings.threads == 2
    assert trusted_keys_from(settings) == (tmp_path / "a.pem",)


def test_a_backend_that_is_not_there_is_refused():
    with pytest.raises(BackendError, match="expected one of onnxruntime"):
        backend_from(arguments("--backend", "magic"))


def test_onnxruntime_gets_threads_and_nothing_of_tensorrt_s():
    settings = Settings(threads=2, tensorrt=TensorRtSettings(dla_core=0))
    assert backend_options(settings, ORIN) == {"threads": 2}


def test_tensorrt_gets_its_own_settings_and_the_board_s_workspace():
    settings = load_settings(
        environment={"EDGERT_BACKEND": "tensorrt", "EDGERT_TENSORRT_DLA_CORE": "0"}
    )
    assert backend_options(settings, ORIN) == {
        "threads": None,
        "binding": "",
        "dla_core": 0,
        "workspace_bytes": 2 << 30,
        "optimisation_level": 3,
    }


@pytest.mark.parametrize(
    ("asked", "board", "workspace_bytes"),
    [(None, ORIN, 2 << 30), (5, ORIN, 5), (None, None, None), (None, UNKNOWN, None), (5, None, 5)],
)
def test_the_settings_workspace_comes_before_the_board_s(asked, board, workspace_bytes):
    settings = Settings(backend="tensorrt", tensorrt=TensorRtSettings(workspace_bytes=asked))
    assert backend_options(settings, board)["workspace_bytes"] == workspace_bytes


# ---------------------------------------------------------------- emulated boards


def test_an_emulated_board_is_found_from_anywhere(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_board_spec("emulated-orin-nano").name == "emulated-orin-nano"


def test_one_s_own_board_is_found_where_one_works(tmp_path: Path, monkeypatch):
    spec = Path(__file__).parents[2] / "profiles" / "boards" / "emulated-orin-nano.yaml"
    monkeypatch.chdir(tmp_path)
    Path("profiles/boards").mkdir(parents=True)
    text = spec.read_text().replace("name: emulated-orin-nano", "name: mine")
    Path("profiles/boards/mine.yaml").write_text(text)
    assert find_board_spec("mine").name == "mine"
    assert find_board_spec("profiles/boards/mine.yaml").name == "mine"


@pytest.mark.parametrize("name", ["magic", "jetson-orin-nano-8gb", "none.yaml"])
def test_what_is_no_emulated_board_lists_those_there_are(name: str):
    with pytest.raises(UsageError, match=r"emulated-orin-nano, .*, or a YAML"):
        find_board_spec(name)
