import json
from pathlib import Path

import pytest

from edgert.artifacts import load_profile
from edgert.cli.main import main

WORDS = ["--board", "jetson-orin-nano-8gb", "--power-mode"]


def test_every_table_says_modelled_and_how_far_off(tiny_family: Path, capsys, tmp_path: Path):
    output = tmp_path / "new" / "p.json"
    assert main(["model", str(tiny_family), *WORDS, "25W", "-o", str(output)]) == 0
    text = capsys.readouterr().out
    assert "jetson-orin-nano-8gb in 25W at fp16: modelled, not measured" in text
    for column in ("latency (modelled)", "power (modelled)", "energy (modelled)"):
        assert column in text
    assert "leave-one-out error median" in text
    assert text.count("vit-b16-224") == 2
    assert "never fitted on, because their source doesn't state the power mode" in text
    profile = load_profile(output)
    assert [entry.name for entry in profile.entries] == ["full", "c2", "c1"]
    assert {entry.latency_from for entry in profile.entries} == {"modelled"}
    assert set(profile.baselines_macs) == {"exported", "merged"}


def test_power_without_a_source_is_left_out(tiny_family: Path, capsys):
    assert main(["model", str(tiny_family), *WORDS, "15W"]) == 0
    text = capsys.readouterr().out
    assert "no published power to fit: power and energy not modelled" in text
    assert "energy (modelled)" not in text


def test_json_has_profile_rows_and_checks(tiny_family: Path, capsys):
    words = ["model", str(tiny_family), *WORDS, "MAXN_SUPER", "--precision", "int8", "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["profile"]["entries"][0]["latency_from"] == "modelled"
    assert said["profile"]["method"].startswith("modelled (roofline")
    assert len(said["published"]) == 15
    assert {"row", "published_s", "graph_left_out_s", "architecture_left_out_s"} == set(
        said["checks"][0]
    )
    assert said["unknown_operators"] == []
    assert 0 < said["parameters"]["compute_ratio"] <= 1


@pytest.mark.parametrize(
    ("board", "mode", "message"),
    [
        (
            "jetson-orin-nano-9gb",
            "15W",
            "find board jetson-orin-nano-9gb: expected one of jetson-",
        ),
        ("emulated-orin-nano", "15W", "find board emulated-orin-nano: expected one of jetson-"),
        ("jetson-orin-nano-8gb", "30W", "expected one of 15W, 25W, MAXN_SUPER"),
        ("jetson-agx-thor-t5000", "120W", "expected power modes in the board's file, got none"),
        ("jetson-agx-orin-64gb", "50W", "got no memory_hz"),
    ],
)
def test_a_board_that_cannot_be_modelled_is_one_line(
    tiny_family: Path, capsys, board: str, mode: str, message: str
):
    assert main(["model", str(tiny_family), "--board", board, "--power-mode", mode]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
