"""`edgert service`: the unit that it writes, what it leaves alone, what systemd says of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.cli.main import main
from edgert.daemon.checks import check_settings
from edgert.daemon.unit import Installation, groups_there, sysusers_text, unit_text
from edgert.settings import load_settings

# Every directive that a unit of ours may have, by its section.
KNOWN = {
    "Unit": {"Description", "After", "Wants", "StartLimitIntervalSec", "StartLimitBurst"},
    "Install": {"WantedBy"},
    "Service": {
        "Type", "ExecReload", "NotifyAccess", "ExecStart", "WorkingDirectory", "Environment",
        "User", "DynamicUser", "SupplementaryGroups", "Restart", "RestartSec", "WatchdogSec",
        "TimeoutStartSec", "TimeoutStopSec", "KillMode", "StateDirectory", "StateDirectoryMode",
        "RuntimeDirectory", "RuntimeDirectoryMode", "UMask", "OOMPolicy", "OOMScoreAdjust",
        "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities", "ProtectSystem",
        "ProtectHome", "PrivateTmp", "ProtectClock", "ProtectHostname", "ProtectKernelLogs",
        "ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups", "ProtectProc",
        "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
        "RemoveIPC", "LockPersonality", "SystemCallArchitectures", "SystemCallFilter",
        "SystemCallErrorNumber", "DevicePolicy", "DeviceAllow",
    },
}  # fmt: skip


def parsed(text: str) -> dict[str, list[tuple[str, str]]]:
    sections: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            sections[section := line.strip("[]")] = []
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, line
            sections[section].append((name, value))
    return sections


def made(**changes) -> Installation:
    return Installation(
        **{
            "python": Path("/", "venv", "bin", "python"),
            "settings": Path("/", "etc", "edgert", "edgert.yaml"),
            "user": "edgert", "groups": ["video", "render"], "systemd": 249, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize("user", ["edgert", ""])
@pytest.mark.parametrize("systemd", [0, 249, 252, 255])
def test_every_directive_is_known_and_stands_once(user: str, systemd: int):
    sections = parsed(unit_text(made(user=user, systemd=systemd)))
    for name, lines in sections.items():
        assert {key for key, _ in lines} <= KNOWN[name]
        once = [key for key, _ in lines if key != "DeviceAllow"]
        assert len(once) == len(set(once))
    service = dict(sections["Service"])
    if systemd >= 253:
        assert service["Type"] == "notify-reload"
        assert "ExecReload" not in service
    else:
        assert service["Type"] == "notify"
        assert service["ExecReload"] == "kill -HUP $MAINPID"
    assert ("DynamicUser" in service) == (user == "")
    assert service["SupplementaryGroups"] == "video render"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectHome"] == "yes"


def test_groups_that_the_system_lacks_are_not_asked_for(tmp_path: Path):
    assert groups_there(tmp_path) == []
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "group").write_text("root:x:0:\njtop:x:999:ubuntu\nvideo:x:44:\n")
    assert groups_there(tmp_path) == ["video", "jtop"]
    assert "SupplementaryGroups" not in unit_text(made(groups=[]))
    assert "m edgert video\n" in sysusers_text("edgert", ["video"])


def test_odd_paths_are_quoted_and_homes_are_let_in():
    home = Path("/", "home")
    text = unit_text(made(python=home / "a b" / "50%" / "$x" / "python"))
    assert f'ExecStart="{home}/a b/50%%/$$x/python" -m edgert serve /etc/edgert' in text
    assert "ProtectHome=read-only" in text


def test_install_writes_says_so_and_is_content_with_itself(tmp_path: Path, capsys):
    words = ["service", "install", "--root", str(tmp_path)]
    assert main(words) == 0
    out = capsys.readouterr().out
    unit = tmp_path / "etc/systemd/system/edgert.service"
    example = tmp_path / "etc/edgert/edgert.yaml"
    assert f"wrote {unit}" in out
    assert "sudo systemctl enable --now edgert" in out
    assert f"ExecStart={sys.executable}" in unit.read_text()
    assert "u edgert" in (tmp_path / "etc/sysusers.d/edgert.conf").read_text()
    check_settings(load_settings(example, environment={}))
    example.write_text("family: mine\n")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == [
        str(unit), str(tmp_path / "etc/sysusers.d/edgert.conf"),
    ]  # fmt: skip
    assert example.read_text() == "family: mine\n"


def test_a_changed_unit_is_left_alone_without_force(tmp_path: Path, capsys):
    words = ["service", "install", "--root", str(tmp_path)]
    assert main(words) == 0
    unit = tmp_path / "etc/systemd/system/edgert.service"
    unit.write_text(unit.read_text().replace("RestartSec=2", "RestartSec=9"))
    for action in ("install", "uninstall"):
        assert main(["service", action, "--root", str(tmp_path)]) == 1
        assert "perhaps changed by hand" in capsys.readouterr().err
    assert "RestartSec=9" in unit.read_text()
    assert main([*words, "--force"]) == 0
    assert "RestartSec=2" in unit.read_text()


def test_uninstall_takes_away_what_install_wrote_and_keeps_the_settings(tmp_path: Path, capsys):
    assert main(["service", "install", "--root", str(tmp_path), "--user", "dynamic"]) == 0
    assert not (tmp_path / "etc/sysusers.d").exists()
    assert main(["service", "uninstall", "--root", str(tmp_path), "--user", "dynamic"]) == 0
    assert "removed" in capsys.readouterr().out
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["edgert.yaml"]
    assert main(["service", "uninstall", "--root", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": []}


def test_settings_that_are_wrong_are_told_before_anything_is_written(tmp_path: Path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text("limits: {power: 3}\n")
    root = tmp_path / "root"
    (root / file.relative_to("/")).parent.mkdir(parents=True)
    shutil.copy(file, root / file.relative_to("/"))
    assert main(["service", "install", "--root", str(root), "--settings", str(file)]) == 1
    assert "unknown field 'power'" in capsys.readouterr().err
    assert not (root / "etc").exists()


@pytest.mark.parametrize("name", ["Root", "a b", "-x", "a" * 40])
def test_a_user_has_a_name(tmp_path: Path, name: str, capsys):
    assert main(["service", "install", "--root", str(tmp_path), f"--user={name}"]) == 2


def test_show_prints_what_install_would_write(tmp_path: Path, capsys):
    assert main(["service", "show", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert main(["service", "install", "--root", str(tmp_path)]) == 0
    assert (tmp_path / "etc/systemd/system/edgert.service").read_text() in shown


@pytest.mark.system
@pytest.mark.parametrize("user", ["edgert", "dynamic"])
def test_systemd_has_nothing_to_complain_of(tmp_path: Path, user: str):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    assert main(["service", "install", "--root", str(tmp_path), "--user", user]) == 0
    unit = tmp_path / "etc/systemd/system/edgert.service"
    result = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    exposed = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=25", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert exposed.returncode == 0, exposed.stdout[-200:]
    # The control: a word that systemd does not know is complained of.
    unit.write_text(unit.read_text().replace("RestartSec=2", "RestartSecs=2"))
    result = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert "RestartSecs" in result.stderr
