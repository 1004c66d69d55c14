"""Settings that don't fit together are one line."""

import msgspec
import pytest

from edgert.daemon.checks import check_limits, check_settings, tcp_address
from edgert.errors import SettingsError
from edgert.records import Limits
from edgert.settings import DaemonSettings, MqttSettings, Settings, StreamSettings

YARD = StreamSettings(name="yard", source="test://", sinks=("yard.mp4",))


def test_what_fits_passes():
    check_settings(Settings())
    check_settings(
        Settings(
            family="f",
            streams=(YARD, StreamSettings(name="gate", source="test://", sinks=("none",))),
            limits=Limits(energy_j=5, mission_s=9),
            daemon=DaemonSettings(tcp="0.0.0.0:80", token_file="t"),
        )
    )


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (Settings(limits=Limits(energy_j=5)), r"limits\.mission_s: .* beside limits\.energy_j"),
        (Settings(limits=Limits(mission_s=5)), r"limits\.energy_j: .* beside limits\.mission_s"),
        (
            Settings(family="f", streams=(YARD, StreamSettings(name="yard", source="x"))),
            "streams: expected each once, got 'yard' twice",
        ),
        (
            Settings(family="f", streams=(YARD, msgspec.structs.replace(YARD, name="gate"))),
            "sinks: expected each once, got 'yard.mp4' twice",
        ),
        (Settings(streams=(YARD,)), "settings family: expected a family"),
        (Settings(daemon=DaemonSettings(tcp="0.0.0.0:80")), r"loopback address, or a token_file"),
        (Settings(daemon=DaemonSettings(tcp="example.org:80")), "or a token_file"),
        (Settings(daemon=DaemonSettings(tcp="80")), "expected HOST:PORT, got '80'"),
        (Settings(mqtt=MqttSettings(host="h", username="u")), r"mqtt\.password_file"),
    ],
)
def test_what_does_not_fit_is_one_line(settings: Settings, line: str):
    with pytest.raises(SettingsError, match=line) as caught:
        check_settings(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8077", ("127.0.0.1", 8077, True)),
        ("localhost:0", ("localhost", 0, True)),
        ("[::1]:1", ("::1", 1, True)),
        ("127.9.9.9:1", ("127.9.9.9", 1, True)),
        ("0.0.0.0:1", ("0.0.0.0", 1, False)),
        ("[::]:1", ("::", 1, False)),
        ("192.168.1.4:1", ("192.168.1.4", 1, False)),
    ],
)
def test_addresses(text, address):
    assert tcp_address(text) == address


@pytest.mark.parametrize(
    "text", ["", ":80", "host", "host:", "host:x", "host:70000", "::1:80", "h:-1"]
)
def test_what_is_no_address(text):
    with pytest.raises(SettingsError):
        tcp_address(text)


def test_limits_by_themselves():
    check_limits(Limits())
    with pytest.raises(SettingsError):
        check_limits(Limits(energy_j=1))
