"""Names at the broker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.daemon.mqtt.topics import topics_of
from edgert.errors import SettingsError


@given(st.text(max_size=200))
def test_any_machine_name_gives_topics_without_wildcards_or_levels(machine: str) -> None:
    topics = topics_of("", machine)
    assert 1 <= len(topics.device) <= 64
    assert not set(topics.device) & set("+#/$\0 ")
    assert topics.device.isascii()
    assert topics.availability.count("/") == 2
    assert topics == topics_of("", machine)


@pytest.mark.parametrize(
    "name", ["a/b", "+", "#", "$SYS", "", " ", "a b", "-x", "ä", "x\n", "x" * 65]
)
def test_name_that_no_topic_can_hold_is_refused(name: str) -> None:
    if not name:
        assert topics_of(name, "machine").device == "machine"
        return
    with pytest.raises(SettingsError, match=r"settings mqtt.device: expected 1 to 64 letters"):
        topics_of(name, "machine")


def test_names_alike_have_clients_of_their_own() -> None:
    assert topics_of("", "a b").device == topics_of("", "a/b").device
    assert topics_of("", "a b").client_id != topics_of("", "a/b").client_id
    assert topics_of("dev", "x").client_id == topics_of("dev", "y").client_id
    assert topics_of("dev", "x").client_id.startswith("edgert-dev-")


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        "",
        "a/+",
        "a/#",
        "$SYS/x",
        "edgert/other/limits/set",
        "edgert/dev/limits/set",
        "edgert",
        "edgert/dev/availability",
        "x" * 201,
        "a\0b",
    ],
)
def test_answer_stays_at_home_where_the_wanted_place_is_none(wanted: str | None) -> None:
    assert topics_of("dev", "").answer_topic(wanted) == "edgert/dev/limits/ack"


@pytest.mark.parametrize("wanted", ["office/answers", "edgert/dev/limits/ack/7"])
def test_answer_goes_to_the_wanted_place(wanted: str) -> None:
    assert topics_of("dev", "").answer_topic(wanted) == wanted
