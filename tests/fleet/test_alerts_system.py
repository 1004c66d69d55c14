"""The alert rules, by Prometheus' own tool."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.fleet.expressions import ALERT_TESTS, ALERTS, rules

PROMTOOL = shutil.which("promtool")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        PROMTOOL is None, reason="promtool is not installed. Run: apt install prometheus"
    ),
]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)


def test_rules_are_rules() -> None:
    checked = promtool("check", "rules", "--lint-fatal", str(ALERTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules())} rules found" in checked.stdout


def test_each_alert_fires_and_does_not() -> None:
    tested = promtool("test", "rules", str(ALERT_TESTS))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    cases = [
        case
        for test in yaml.safe_load(ALERT_TESTS.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
    ]
    for rule in rules():
        mine = [bool(c["exp_alerts"]) for c in cases if c["alertname"] == rule["alert"]]
        assert set(mine) == {True, False}, rule["alert"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("edgert_ready == 0", "edgert_ready == 1"),
        ("> 1.2 * min_over_time", "> 3 * min_over_time"),
        ("for: 2m", "for: 20m"),
        (
            "increase(edgert_stream_reconnects_total[10m]) > 5",
            "edgert_stream_reconnects_total > 0",
        ),
        ("severity: info", "severity: critical"),
        ("group_left ()", ""),
    ],
)
def test_wrong_rule_is_found(right: str, wrong: str, tmp_path: Path) -> None:
    text = ALERTS.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "alerts.yaml").write_text(text.replace(right, wrong), encoding="utf-8")
    shutil.copy(ALERT_TESTS, tmp_path)
    assert promtool("test", "rules", str(tmp_path / ALERT_TESTS.name)).returncode != 0
