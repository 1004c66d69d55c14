"""The stand-in keeps the contract that doors rely on."""

import io

import msgspec
import numpy as np
import pytest
from PIL import Image

from edgert.clock import VirtualClock
from edgert.daemon.base import Pictures, Service
from edgert.errors import ServiceBusyError, SettingsError
from edgert.records import ConfigurationStatus, ServiceStatus, WantedChange
from tests.daemon.fake_service import FakeService, check_counts


def test_what_it_tells_fits_the_records() -> None:
    service: Service = FakeService()
    status = service.status()
    assert msgspec.json.decode(msgspec.json.encode(status), type=ServiceStatus) == status
    listed = service.configurations()
    text = msgspec.json.encode(listed)
    assert msgspec.json.decode(text, type=list[ConfigurationStatus]) == listed
    assert [c.name for c in listed if c.active] == [status.configuration]
    assert len(listed) == 8
    check_counts(status)
    assert status.skipped
    assert status.telemetry is not None
    assert status.telemetry.provenance == "emulated"


def test_its_time_passes_and_its_fields_can_be_set() -> None:
    clock = VirtualClock()
    service = FakeService(clock=clock)
    clock.sleep(7)
    service.set(latency_s=0.02)
    assert service.status().uptime_s == 7
    assert service.status().latency_s == 0.02


def test_a_change_is_kept_and_told() -> None:
    service = FakeService()
    wanted = service.change(WantedChange(power_w=9.5, temp_c=None, pinned="c388"), by="test")
    assert (wanted.limits.power_w, wanted.limits.temp_c) == (9.5, None)
    assert wanted.limits.deadline_s == 0.05  # absent fields stay
    assert service.status().wanted == wanted
    assert service.status().configuration == "c388"
    assert [event.kind for event in service.events.since(0)] == ["service", "limits", "switch"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (WantedChange(pinned="c9"), "expected one of full, c1212"),
        (WantedChange(energy_j=9.0), "mission_s"),
    ],
)
def test_a_change_without_sense_is_refused_and_changes_nothing(
    change: WantedChange, words: str
) -> None:
    service = FakeService()
    before = service.wanted
    with pytest.raises(SettingsError, match=words):
        service.change(change, by="test")
    assert service.wanted == before
    assert service.changes == []


def test_a_picture_is_answered_held_or_refused() -> None:
    service, image = FakeService(), np.zeros((4, 6, 3), np.uint8)
    result = service.infer(image, with_map=True).result(0)
    assert (result.width, result.height, result.map_shape) == (6, 4, [2, 2])
    service.hold = True
    assert not service.infer(image, with_map=False).done()
    service.busy = True
    with pytest.raises(ServiceBusyError):
        service.infer(image, with_map=False)


def test_pictures_are_jpegs_with_growing_numbers() -> None:
    service = FakeService()
    pictures: Pictures = service.pictures("yard")
    newest = pictures.newest()
    assert newest is not None
    assert Image.open(io.BytesIO(newest[1])).format == "JPEG"
    later = pictures.newest(after=newest[0])
    assert later is not None
    assert later[0] > newest[0]
    with pytest.raises(KeyError):
        service.pictures("attic")


def test_reload_answers_in_words() -> None:
    assert "settings read again" in FakeService().reload(by="test").result(0)
