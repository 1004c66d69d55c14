"""What docs/fleet.md says is there."""

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml

from edgert.daemon.mqtt.topics import topics_of
from edgert.settings import MqttSettings, Settings
from tests.fleet.expressions import ALERT_TESTS, rules

TEXT = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text(encoding="utf-8")
YAMLS = re.findall(r"```yaml\n# ([^\n]*)\n(.*?)```", TEXT, re.DOTALL)


def test_every_alert_is_told_with_its_time() -> None:
    rows = dict(re.findall(r"^\| `(Edgert\w+)` \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE))
    times = {
        rule["alert"]: re.sub(r"m$", " min", rule.get("for", "at once")).replace("1h", "1 h")
        for rule in rules()
    }
    assert rows == times


def test_every_setting_and_topic_is_told() -> None:
    told = set(re.findall(r"`mqtt\.(\w+)`", TEXT))
    assert told == {field.name for field in msgspec.structs.fields(MqttSettings)}
    topics = topics_of("DEVICE", "")
    for topic in topics[1:6]:
        assert f"`{topic}`" in TEXT


def test_settings_in_it_are_settings() -> None:
    blocks = [text for title, text in YAMLS if title.startswith("settings")]
    assert len(blocks) == 2
    for text in blocks:
        msgspec.convert(yaml.safe_load(text), Settings)


def test_files_in_it_exist() -> None:
    for name in re.findall(r"\]\(\.\./([^)]+)\)|`?(profiles/fleet/\w+\.\w+)", TEXT):
        assert (ALERT_TESTS.parents[2] / (name[0] or name[1])).exists(), name


@pytest.mark.system
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool: apt install prometheus")
def test_prometheus_takes_its_settings(tmp_path: Path) -> None:
    found = [(title, text) for title, text in YAMLS if title.startswith("prometheus")]
    assert len(found) == 2
    for title, text in found:
        (tmp_path / title).write_text(text)
        (tmp_path / "token").write_text("x")
        shutil.copy(ALERT_TESTS.with_name("alerts.yaml"), tmp_path)
        command = ["promtool", "check", "config", *(["--agent"] if "agent" in title else [])]
        checked = subprocess.run(
            [*command, str(tmp_path / title)], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
