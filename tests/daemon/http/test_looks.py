"""Status, configurations, streams, limits, reload, health: on a real server."""

import msgspec
import pytest

from edgert.errors import EngineLoadError, ServiceBusyError, SettingsError
from edgert.records import ConfigurationStatus, ServiceStatus, StreamStatus, Wanted
from tests.daemon.http.conftest import Served, wait_until


def line(response) -> str:
    """The error's line; its form is the house's."""
    content = response.json()
    assert list(content) == ["error"]
    text = content["error"]
    assert ": expected " in text
    assert ", got " in text
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_both_doors_show_the_status(served: Served) -> None:
    for client in (served.client, served.local):
        response = client.get("/v1/status")
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        status = msgspec.json.decode(response.content, type=ServiceStatus)
        assert status.configuration == "c630"
        assert status.telemetry is not None
        assert status.telemetry.provenance == "emulated"
    served.service.set(configuration="c388")
    assert served.client.get("/v1/status").json()["configuration"] == "c388"


def test_configurations_and_streams_fit_their_records(served: Served) -> None:
    text = served.client.get("/v1/configurations").content
    assert msgspec.json.decode(text, type=list[ConfigurationStatus])[0].name == "full"
    text = served.client.get("/v1/streams").content
    streams = msgspec.json.decode(text, type=list[StreamStatus])
    assert [(s.name, s.source.state) for s in streams] == [
        ("yard", "running"),
        ("gate", "offline"),
    ]


def test_limits_are_changed_and_taken_away(served: Served) -> None:
    before = msgspec.json.decode(served.client.get("/v1/limits").content, type=Wanted)
    assert before.limits.power_w == 12.0
    change = {"power_w": 9.5, "temp_c": None, "pinned": "c388", "paused": True}
    response = served.client.patch("/v1/limits", json=change)
    assert response.status_code == 200
    after = msgspec.json.decode(response.content, type=Wanted)
    assert after.limits.power_w == 9.5
    assert after.limits.temp_c is None
    assert after.limits.deadline_s == before.limits.deadline_s
    assert (after.pinned, after.paused) == ("c388", True)
    assert [by for _, by in served.service.changes] == ["http"]
    assert served.client.get("/v1/limits").json() == response.json()
    kind = {"content-type": "application/merge-patch+json"}
    again = served.local.patch("/v1/limits", content=b'{"pinned": null}', headers=kind)
    assert again.json()["pinned"] is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"power_w": -3}', "change limits at power_w: expected float > 0.0, got -3"),
        (b'{"power": 9}', "got unknown field 'power'"),
        (b'{"paused": "yes"}', "change limits at paused: expected bool, got 'yes'"),
        (b'{"miss_ratio": 2}', "change limits at miss_ratio"),
        (b'{"miss_ratio": null}', "change limits at miss_ratio"),
        (b'{"power_w": NaN}', "expected JSON"),
        (b'{"power_w": 1e999}', "expected JSON"),
        (b"{", "expected JSON"),
        (b"", "expected JSON"),
        (b"\xff\xfe", "expected JSON"),
        (b"[" * 30_000, "expected JSON"),
        (b"[]", "expected object, got []"),
        (b'{"pinned": "c9"}', "expected one of full, c1212"),
        (b'{"energy_j": 100}', "mission_s"),
    ],
)
def test_a_change_without_sense_is_refused_in_one_line(
    served: Served, body: bytes, words: str
) -> None:
    before = served.service.wanted
    kind = {"content-type": "application/json; charset=utf-8"}
    response = served.client.patch("/v1/limits", content=body, headers=kind)
    assert response.status_code == 422
    assert words in line(response)
    assert served.service.wanted == before


def test_a_change_that_is_too_long_or_not_json_is_not_read(served: Served) -> None:
    kind = {"content-type": "application/json"}
    long = served.client.patch("/v1/limits", content=b" " * 70_000, headers=kind)
    assert long.status_code == 413
    assert "at most 65536 bytes" in line(long)
    other = {"content-type": "application/yaml"}
    assert served.client.patch("/v1/limits", content=b"a: 1", headers=other).status_code == 415
    assert served.service.changes == []


def test_reload_says_what_was_done_or_refused(served: Served) -> None:
    kind = {"content-type": "application/json"}
    response = served.client.post("/v1/reload", headers=kind)
    assert response.status_code == 200
    assert "settings read again" in response.json()["done"]
    served.service.reload_error = EngineLoadError(
        "take engines", expected="nine", got="eight", advice="Build them"
    )
    refused = served.client.post("/v1/reload", headers=kind, json={})
    assert refused.status_code == 409
    assert line(refused) == "take engines: expected nine, got eight. Build them."
    served.service.reload_error = ServiceBusyError(
        "reload", expected="no other reload", got="one", advice="Wait"
    )
    busy = served.client.post("/v1/reload", headers=kind)
    assert busy.status_code == 503
    assert busy.headers["retry-after"]


@pytest.mark.parametrize("path", ["/readyz", "/v2/health/ready"])
def test_ready_says_why_it_is_not(served: Served, path: str) -> None:
    assert served.client.get(path).status_code == 200
    served.service.set(ready=False, reasons=["no engines: built/ is empty"])
    response = served.client.get(path)
    assert response.status_code == 503
    assert response.json() == {"ok": False, "reasons": ["no engines: built/ is empty"]}


@pytest.mark.parametrize("path", ["/healthz", "/v2/health/live"])
def test_alive_is_what_the_daemon_says_of_its_loops(serve, path: str) -> None:
    trouble = ""
    served = serve(live=lambda: trouble)
    served.service.set(ready=False)
    assert served.client.get(path).status_code == 200
    trouble = "the frame loop stands still for 12 s"
    response = served.client.get(path)
    assert response.status_code == 503
    assert response.json()["reasons"] == [trouble]


def test_metrics_come_as_prometheus_text(served: Served) -> None:
    response = served.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'edgert_power_watts{provenance="emulated",rail="VDD_IN"} 10.84' in response.text
    assert "process_resident_memory_bytes" in response.text


def test_head_has_the_headers_of_get_and_no_body(served: Served) -> None:
    paths = ["/healthz", "/metrics", "/v1/limits", "/v1/streams", "/openapi.json"]
    for path in paths:
        head, get = served.client.head(path), served.client.get(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]
    for path in ("/v1/events", "/v1/streams/yard/video.mjpeg", "/v1/streams/yard/picture.jpg"):
        assert served.client.head(path).status_code == 200


def test_unknown_paths_and_methods_have_a_line(served: Served) -> None:
    missing = served.client.get("/v1/nothing")
    assert missing.status_code == 404
    assert "'/v1/nothing'" in line(missing)
    assert served.client.get("/v1/status/").status_code == 404
    kind = {"content-type": "application/json"}
    wrong = served.client.put("/v1/limits", headers=kind)
    assert wrong.status_code == 405
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD", "PATCH"}
    assert "got 'PUT'" in line(wrong)


def test_what_the_service_can_not_do_is_no_fault_and_a_fault_is_told(
    served: Served, monkeypatch, caplog
) -> None:
    def broken() -> ServiceStatus:
        raise SettingsError("look", expected="a", got="b", advice="Do c")

    monkeypatch.setattr(served.service, "status", broken)
    response = served.client.get("/v1/status")
    assert response.status_code == 503
    assert line(response) == "look: expected a, got b. Do c."

    def fault() -> ServiceStatus:
        raise RuntimeError("secret details")

    monkeypatch.setattr(served.service, "status", fault)
    response = served.client.get("/v1/status")
    assert response.status_code == 500
    assert response.headers["connection"] == "close"
    assert "secret" not in response.text
    wait_until(lambda: "secret details" in caplog.text)  # logged behind the answer
    monkeypatch.undo()
    assert served.client.get("/v1/status").status_code == 200
