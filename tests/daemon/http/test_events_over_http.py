"""Events as a list and as they come, on a real server."""

import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from edgert.daemon.http import context as context_module
from edgert.daemon.http import event_stream
from tests.daemon.fake_service import FakeService
from tests.daemon.http.conftest import Served, wait_until


@pytest.fixture
def served(serve) -> Served:
    """One of its own for each test: they end it, or count its events from the first."""
    return serve()


def messages(response: httpx.Response) -> Iterator[dict[str, str]]:
    """Server-sent events as the standard reads them; a comment is {"comment": …}."""
    message: dict[str, str] = {}
    for text in response.iter_lines():
        if not text:
            if message:
                yield message
            message = {}
        elif text.startswith(":"):
            message["comment"] = text[1:].strip()
        else:
            name, _, value = text.partition(": ")
            message[name] = value


def test_a_list_of_what_is_kept(served: Served) -> None:
    served.service.events.add("switch", "down", **{"from": "full", "to": "c630"})
    listed = served.client.get("/v1/events?format=json").json()
    assert [event["id"] for event in listed] == [1, 2]
    assert listed[1]["facts"] == {"from": "full", "to": "c630"}
    assert served.client.get("/v1/events?format=json&since=2").json() == []
    assert [e["id"] for e in served.client.get("/v1/events?format=json&since=1").json()] == [2]


def test_a_since_that_is_no_number_is_refused(served: Served) -> None:
    for since in ("-1", "x", "1.5", "9" * 30, "", "²"):
        response = served.client.get("/v1/events", params={"format": "json", "since": since})
        assert response.status_code == 422
        assert "look at since: expected" in response.json()["error"]


def test_events_come_as_they_happen_and_a_watcher_goes_on_where_it_was(served: Served) -> None:
    with served.client.stream("GET", "/v1/events?since=0") as response:
        assert response.headers["content-type"] == "text/event-stream"
        coming = messages(response)
        assert next(coming) == {"retry": "2000"}
        first = next(coming)
        assert first["event"] == "service"
        served.service.events.add("throttle", "the board slows down")
        second = next(coming)
        assert second["event"] == "throttle"
        assert json.loads(second["data"])["text"] == "the board slows down"
    served.service.events.add("stream", "yard is offline")
    headers = {"last-event-id": second["id"]}
    with served.local.stream("GET", "/v1/events?since=0", headers=headers) as response:
        coming = messages(response)
        next(coming)
        assert json.loads(next(coming)["data"])["id"] == 3


def test_without_a_number_only_what_is_new_comes(served: Served) -> None:
    with served.client.stream("GET", "/v1/events") as response:
        coming = messages(response)
        next(coming)
        served.service.events.add("stream", "new")
        assert json.loads(next(coming)["data"])["text"] == "new"


def test_a_number_of_another_process_begins_anew(served: Served) -> None:
    for last in ("feedbeef-900", "900", "feedbeef-", "-", "x" * 300):
        headers = {"last-event-id": last}
        with served.client.stream("GET", "/v1/events", headers=headers) as response:
            coming = messages(response)
            next(coming)
            assert json.loads(next(coming)["data"])["id"] == 1


def test_who_missed_events_is_told_how_many(serve) -> None:
    served = serve(service=FakeService(kept=5))
    for number in range(19):
        served.service.events.add("service", str(number))
    with served.client.stream("GET", "/v1/events?since=3") as response:
        coming = messages(response)
        next(coming)
        assert next(coming) == {"event": "gap", "data": '{"lost":12}'}
        ids = [json.loads(next(coming)["data"])["id"] for _ in range(5)]
    assert ids == [16, 17, 18, 19, 20]


def test_a_heartbeat_comes_when_nothing_happens(serve, monkeypatch) -> None:
    monkeypatch.setattr(event_stream.EventStream.__init__, "__kwdefaults__", {"heartbeat_s": 0.05})
    served = serve()
    with served.client.stream("GET", "/v1/events") as response:
        coming = messages(response)
        assert [next(coming) for _ in range(3)][1:] == [{"comment": "still here"}] * 2


def test_many_watch_and_one_more_is_refused(serve, monkeypatch) -> None:
    monkeypatch.setattr(context_module, "MOST_EVENT_WATCHERS", 3)
    served = serve()
    got: list[int] = []
    ready = threading.Barrier(4)

    def watch() -> None:
        with (
            httpx.Client(base_url=served.url) as client,
            client.stream("GET", "/v1/events?since=1") as response,
        ):
            coming = messages(response)
            next(coming)
            ready.wait(10)
            got.extend(json.loads(next(coming)["data"])["id"] for _ in range(50))

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    refused = served.client.get("/v1/events")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "fewer than 3 watchers of events" in refused.json()["error"]
    for number in range(50):
        served.service.events.add("switch", str(number))
    for thread in threads:
        thread.join(10)
    assert sorted(got) == sorted([*range(2, 52)] * 3)
    # Those places are free again when the server has seen them go.
    wait_until(lambda: served.client.head("/v1/events").status_code == 200)

    def free() -> bool:
        with served.client.stream("GET", "/v1/events") as response:
            return response.status_code == 200

    wait_until(free)


def test_a_watcher_that_does_not_read_costs_no_memory_and_is_dropped(serve) -> None:
    served = serve(service=FakeService(kept=50), write_s=0.3)
    idle = served.connect()
    idle.sendall(b"GET /v1/events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    places = served.app._context.event_watchers
    wait_until(lambda: places.taken == 1)

    def flooded() -> bool:
        for _ in range(20):
            served.service.events.add("service", "x" * 20_000)
        return places.taken == 0

    wait_until(flooded, 20)  # dropped; meanwhile 50 events were kept, whoever reads
    assert len(served.service.events.since(0)) == 50
    assert served.client.get("/healthz").status_code == 200
    idle.close()


def test_watchers_are_told_to_go_when_the_server_closes(served: Served) -> None:
    with served.client.stream("GET", "/v1/events") as response:
        coming = messages(response)
        next(coming)
        closing = threading.Thread(target=served.server.close)
        closing.start()
        assert list(coming) == []  # ended in order, not broken off
        closing.join(5)
        assert not closing.is_alive()
