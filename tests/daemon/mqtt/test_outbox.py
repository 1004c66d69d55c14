"""What waits for a broker, by Hypothesis: in order, bounded, nothing lost without a count."""

from hypothesis import given
from hypothesis import strategies as st

from edgert.daemon.mqtt.outbox import Outbox

STEPS = st.lists(
    st.sampled_from(["event", "stats", "send", "acknowledge", "disconnect"]), max_size=200
)


@given(STEPS, st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_outbox_keeps_order_and_bounds_and_counts_what_it_drops(
    steps: list[str], stats: int, events: int, window: int
) -> None:
    outbox = Outbox(stats=stats, events=events, window=window)
    added: dict[str, list[bytes]] = {"event": [], "stats": []}
    delivered: list[bytes] = []
    flying: dict[int, bytes] = {}
    next_id = 0
    for step in steps:
        if step in ("event", "stats"):
            payload = f"{step} {len(added[step])}".encode()
            added[step].append(payload)
            outbox.add(step, payload)  # type: ignore[arg-type]
        elif step == "send":
            while (message := outbox.next()) is not None:
                next_id += 1
                flying[next_id] = message.payload
                outbox.sent(next_id)
        elif step == "acknowledge" and flying:
            first = min(flying)
            delivered.append(flying.pop(first))
            outbox.acknowledged(first)
        elif step == "disconnect":
            flying.clear()
            outbox.disconnected()
        assert len(flying) <= window
        assert len(outbox) <= stats + events + window
    for kind in ("event", "stats"):
        came = [p for p in delivered if p.startswith(kind.encode())]
        assert came == [p for p in added[kind] if p in came]  # in order, none twice
        waiting = len(outbox) - sum(not p.startswith(kind.encode()) for p in _rest(outbox))
        assert len(added[kind]) == len(came) + waiting + outbox.dropped[kind]  # type: ignore[index]
    assert outbox.delivered == len(delivered)


def _rest(outbox: Outbox) -> list[bytes]:
    return [m.payload for m in (*outbox._on_their_way.values(), *outbox._waiting)]


def test_oldest_go_and_events_outlive_figures() -> None:
    outbox = Outbox(stats=2, events=3)
    for number in range(5):
        outbox.add("stats", b"s%d" % number)
        outbox.add("event", b"e%d" % number)
    assert _rest(outbox) == [b"e2", b"s3", b"e3", b"s4", b"e4"]
    assert outbox.dropped == {"stats": 3, "event": 2}


def test_unacknowledged_go_again_first_and_in_order() -> None:
    outbox = Outbox(window=2)
    for number in range(4):
        outbox.add("event", b"%d" % number)
    for message_id in (7, 8):
        outbox.sent(message_id)
    assert outbox.next() is None  # the window is full
    outbox.acknowledged(7)
    outbox.acknowledged(99)  # of another message of the client's
    outbox.disconnected()
    assert _rest(outbox) == [b"1", b"2", b"3"]
    assert outbox.delivered == 1


def test_events_gone_before_they_came_are_counted() -> None:
    outbox = Outbox()
    outbox.missed(4)
    assert outbox.dropped["event"] == 4
