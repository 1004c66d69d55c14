"""What is in messages."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgert.daemon.mqtt.messages import (
    MOST_COMMAND_BYTES,
    answer_to_change,
    change_from_payload,
    event_message,
    stats_message,
)
from edgert.errors import SettingsError
from edgert.records import Event, ServiceStatus, TelemetrySample, Wanted, WantedChange
from tests.daemon.fake_service import FakeService

TOPIC = "edgert/dev/limits/set"


def test_stats_have_figures_and_provenance_and_stay_small() -> None:
    payload = stats_message(FakeService().status())
    stats = json.loads(payload)
    assert stats["telemetry"]["provenance"] == "emulated"
    assert stats["telemetry"]["power_w"] == 10.84
    assert stats["configuration"] == "c630"
    assert stats["wanted"]["limits"]["power_w"] == 12.0
    assert [s["name"] for s in stats["streams"]] == ["yard", "gate"]
    assert stats["streams"][1]["state"] == "offline"
    assert stats["misses"] == 10
    assert "numbers" not in stats
    assert "trip_points_c" not in stats["telemetry"]
    assert len(payload) < 3000


def test_stats_of_a_daemon_without_anything() -> None:
    wanted = Wanted(limits=FakeService().wanted.limits)
    status = ServiceStatus(
        version="0", state="starting", ready=False, uptime_s=0.0, unix_s=1.0, wanted=wanted
    )
    stats = json.loads(stats_message(status))
    assert stats["ready"] is False  # false and 0 say something
    assert stats["frames"] == 0
    assert "telemetry" not in stats
    assert "streams" not in stats


def test_unread_sensor_is_absent_and_zero_is_zero() -> None:
    service = FakeService()
    service.set(
        telemetry=TelemetrySample(
            time_s=0.0, source="sysfs", provenance="measured", power_w=0.0, temp_c=None
        )
    )
    telemetry = json.loads(stats_message(service.status()))["telemetry"]
    assert telemetry["power_w"] == 0.0
    assert "temp_c" not in telemetry
    assert telemetry["provenance"] == "measured"


@given(
    st.text(),
    st.dictionaries(
        st.text(),
        st.one_of(st.none(), st.integers(-(2**60), 2**60), st.text(), st.just(Exception("x"))),
    ),
)
def test_event_is_json_whatever_its_facts(text: str, facts: dict[str, Any]) -> None:
    event = Event(id=3, time_s=1.5, unix_s=2.5, kind="switch", text=text, facts=facts)
    content = json.loads(event_message(event))
    assert content["id"] == 3
    assert content["text"] == text
    assert content["facts"].keys() == facts.keys()


@given(st.binary(max_size=600))
@example(b"")
@example(b"null")
@example(b"NaN")
@example(b'{"power_w": 1e999}')
@example(b"[" * 5000)
@example(b'{"a":' * 800)
@example(b'{"power_w": true}')
@example(b'{"miss_ratio": 2}')
def test_no_payload_does_more_than_be_refused_in_one_line(payload: bytes) -> None:
    service = FakeService()
    before = service.wanted
    answer = json.loads(answer_to_change(payload, service, TOPIC))
    if not answer["ok"]:
        assert service.wanted == before
        assert answer["error"].startswith(f"read {TOPIC}")
        assert "\n" not in answer["error"]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "power_w": st.none() | st.floats(0.1, 1000),
            "deadline_s": st.none() | st.floats(0.001, 10),
            "temp_c": st.none() | st.floats(-40, 120),
            "paused": st.booleans(),
        },
    )
)
def test_what_is_asked_for_is_done_and_nothing_else(wish: dict[str, Any]) -> None:
    service = FakeService()
    before = msgspec.to_builtins(service.wanted)
    answer = json.loads(answer_to_change(json.dumps(wish).encode(), service, TOPIC))
    assert answer["ok"] is True
    for name, value in {**before["limits"], "paused": False, **wish}.items():
        now = answer["wanted"].get(name, answer["wanted"]["limits"].get(name))
        assert now == pytest.approx(value)


def test_absent_and_null_are_not_the_same() -> None:
    assert change_from_payload(b"{}", TOPIC) == WantedChange()
    assert change_from_payload(b'{"power_w": null}', TOPIC) == WantedChange(power_w=None)


def test_refusals_by_the_service_come_back_word_for_word() -> None:
    answer = json.loads(answer_to_change(b'{"pinned": "x"}', FakeService(), TOPIC))
    assert answer["error"].startswith("change limits at pinned: expected one of full, ")


def test_long_command_is_refused_before_it_is_read() -> None:
    payload = b'{"power_w": 9}' + b" " * MOST_COMMAND_BYTES
    with pytest.raises(SettingsError, match="expected at most 4096 bytes, got 4110"):
        change_from_payload(payload, TOPIC)
