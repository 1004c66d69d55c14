"""Every PromQL expression under profiles/fleet, and what /metrics really shows."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client.parser import text_string_to_metric_families

from edgert.daemon.metrics import Metrics
from edgert.records import FrameLog, WantedChange
from tests.daemon.fake_service import FakeService

FOLDER = Path(__file__).parents[2] / "profiles" / "fleet"
DASHBOARD = FOLDER / "grafana.json"
ALERTS = FOLDER / "alerts.yaml"
ALERT_TESTS = FOLDER / "alerts_test.yaml"
FROM_SCRAPING = {"instance", "job"}  # labels that Prometheus itself adds
_TEXT = re.compile(r'"[^"]*"')
_WORD = re.compile(r"\b[a-zA-Z_][a-zA-Z0-9_]*\b")
_OF_METRIC = re.compile(r"\b((?:edgert|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


class Frame(NamedTuple):
    """What Metrics needs of a frame that was served."""

    stream: str
    line: FrameLog
    wait_s: float


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return content


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Where each stands, and itself."""
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']!r} {target['refId']}", target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            inner = re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"])
            assert inner, variable
            yield f"variable {variable['name']}", inner[1]
    for rule in rules():
        yield f"alert {rule['alert']}", rule["expr"]


def used(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric of an expression with the labels that it is chosen by."""
    for name, matchers in _OF_METRIC.findall(expression):
        yield name, set(_MATCHER.findall(matchers))


def grouped_by(expression: str) -> set[str]:
    """Labels in by (…), on (…), ignoring (…), group_left (…)."""
    lists = re.findall(
        r"\b(?:by|on|ignoring|without|group_left)\s*\(([^)]*)\)", _TEXT.sub('""', expression)
    )
    return {word for one in lists for word in _WORD.findall(one)}


def see_frames(metrics: Metrics, count: int = 20) -> None:
    """Frames of two streams, late ones, and a switch for each reason."""
    reasons = ("power 12.4 W of 12.0 W", "there is room for full", "is pinned by the operator")
    for number in range(count):
        line = FrameLog(
            frame=number,
            time_s=number / 15,
            configuration=("c630", "full")[number % 2],
            reason=reasons[number % len(reasons)],
            switched=True,
            latency_s=0.02 + 0.003 * (number % 10),
        )
        metrics.see_frame(Frame(("yard", "gate")[number % 2], line, 0.004))


def service_with_everything() -> FakeService:
    """With every limit set, so that every metric has a value."""
    service = FakeService()
    service.change(
        WantedChange(period_s=0.0667, energy_j=36000.0, mission_s=5400.0, miss_ratio=0.005),
        by="test",
    )
    return service


def shown(service: FakeService | None = None) -> Mapping[str, set[str]]:
    """Every sample's name in a real render, with its labels."""
    metrics = Metrics()
    see_frames(metrics)
    service = service or service_with_everything()
    text = metrics.render(service.status(), service.configurations()).decode()
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def wrong_names(found: Iterator[tuple[str, str]], there: Mapping[str, set[str]]) -> list[str]:
    """What the expressions name and /metrics does not show."""
    every_label = set().union(*there.values()) | FROM_SCRAPING
    wrong = []
    for where, expression in found:
        for name, labels in used(expression):
            if name not in there:
                wrong.append(f"{where}: no metric {name}")
            else:
                missing = labels - there[name] - FROM_SCRAPING
                wrong += [f"{where}: no label {one} of {name}" for one in sorted(missing)]
        missing = grouped_by(expression) - every_label
        wrong += [f"{where}: no label {one}" for one in sorted(missing)]
    return wrong
