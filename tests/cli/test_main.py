import subprocess
import sys

import pytest

import edgert
from edgert.cli.main import VERBS, main


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for verb in VERBS:
        assert verb in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_and_takes_json(capsys, verb: str):
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_no_verb_is_a_usage_error(capsys):
    assert main([]) == 2
    assert "usage: edgert" in capsys.readouterr().out


def test_an_unknown_verb_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["biuld"])
    assert stopped.value.code == 2
    assert "biuld" in capsys.readouterr().err


def test_an_error_of_the_operator_s_is_one_line_and_status_1(capsys, tmp_path):
    assert main(["build", str(tmp_path / "nothing")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("edgert build: read ")
    assert "no such file" in lines[0]


def test_the_command_is_installed():
    result = subprocess.run(
        [sys.executable, "-m", "edgert", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"edgert {edgert.__version__}\n"


def test_ctrl_c_while_a_verb_is_loaded_is_one_line(monkeypatch, capsys):
    """Packages take a second to load, on a board several."""
    import edgert.cli.search

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(edgert.cli.search, "add_arguments", interrupted)
    assert main(["search", "any", "--calibration", "any"]) == 130
    assert capsys.readouterr().err == "edgert search: stopped\n"
