"""Every expression of dashboard and alerts, answered by a real Prometheus that scrapes."""

import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgert.daemon.metrics import Metrics
from tests.daemon.fake_service import FakeService
from tests.fleet.expressions import ALERTS, expressions, see_frames, service_with_everything

PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        PROMETHEUS is None, reason="prometheus is not installed. Run: apt install prometheus"
    ),
]
WAIT_S = 30.0


class Endpoint:
    """/metrics of a fake service over HTTP; each scrape finds more frames and energy."""

    def __init__(self) -> None:
        self.service = service_with_everything()
        self.metrics = Metrics()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = endpoint.render()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def render(self) -> bytes:
        see_frames(self.metrics)
        _let_it_work(self.service)
        return self.metrics.render(self.service.status(), self.service.configurations())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


def _let_it_work(service: FakeService) -> None:
    status = service.current
    assert status.energy_j is not None
    service.set(energy_j=status.energy_j + 5.0, frames=status.frames + 20)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped an endpoint several times."""
    folder = tmp_path_factory.mktemp("prometheus")
    endpoint = Endpoint()
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {
                "job_name": "edgert",
                "static_configs": [{"targets": [f"127.0.0.1:{endpoint.port}"]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    process, address = _start(folder)
    try:
        _until_scraped(address)
        yield address
    finally:
        process.kill()
        process.wait()
        endpoint.close()


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    assert PROMETHEUS is not None
    log = folder / "log"
    command = [PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder)
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        for line in log.read_text().splitlines():
            if "Listening on" in line and "address=" in line:
                return process, "http://" + line.split("address=")[1].split()[0]
        time.sleep(0.05)
    process.kill()
    raise AssertionError(log.read_text())


def _ask(address: str, expression: str) -> list[Any]:
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=10) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as refusal:
        raise AssertionError(f"{expression}: {json.load(refusal)['error']}") from refusal
    assert answer["status"] == "success", answer
    result: list[Any] = answer["data"]["result"]
    return result


def _is_ready(address: str) -> bool:
    """It listens before it answers: until its storage is open, it says 503."""
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=10) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError:
        return False


def _until_scraped(address: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not _is_ready(address) and time.monotonic() < end_s:
        time.sleep(0.05)
    while time.monotonic() < end_s:
        try:
            found = _ask(address, "count_over_time(edgert_ready[1m])")
        except (AssertionError, OSError, ValueError):  # it says in plain text that it starts
            found = []
        if found and float(found[0]["value"][1]) >= 6:
            return
        time.sleep(0.1)
    raise AssertionError("Prometheus has scraped nothing")


def _filled(expression: str) -> str:
    """With what Grafana puts in place of its variables."""
    for name, value in (("$instance", ".*"), ("$stream", ".*"), ("$__rate_interval", "5s")):
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_prometheus_answers(asked: str, where: str, expression: str) -> None:
    result = _ask(asked, _filled(expression))
    if where.startswith("alert "):
        return  # whether it fires is promtool's part
    assert result, f"{where}: nothing came for {expression}"
    assert all(sample["value"][1] not in ("NaN", "+Inf", "-Inf") for sample in result), where


def test_prometheus_takes_the_rules(asked: str) -> None:
    with urllib.request.urlopen(f"{asked}/api/v1/rules", timeout=10) as response:
        groups = json.load(response)["data"]["groups"]
    health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert len(health) == ALERTS.read_text(encoding="utf-8").count("alert:")
    assert "err" not in health.values()


def test_negative_control_a_wrong_name_is_empty_and_bad_syntax_refused(asked: str) -> None:
    assert not _ask(asked, "edgert_power_wats")
    with pytest.raises(AssertionError, match="parse error"):
        _ask(asked, "sum by (edgert_ready")
