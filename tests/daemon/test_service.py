"""The service behind the doors, in this process: what it is asked, refuses and keeps."""

import json
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from edgert.artifacts import save_profile
from edgert.daemon import state
from edgert.daemon.service import EdgeService
from edgert.errors import ArtifactError, SensorReadError, ServiceBusyError, SettingsError
from edgert.records import Limits, TelemetrySample, WantedChange
from edgert.settings import Settings, ShadowSettings, StreamSettings
from tests.daemon.fake_service import check_counts
from tests.daemon.real_daemon import BOARD, wait_for
from tests.daemon.sets import Workplace

YARD = StreamSettings(name="yard", source="test://?width=64&height=48&fps=50", policy="latest")


class Stand:
    """A service with a tiny family on an emulated board, and its settings."""

    def __init__(
        self, place: Workplace, folder: Path, *, profile_of_board: bool = False, **settings
    ) -> None:
        self.place, self.folder = place, folder
        if profile_of_board:  # without an emulated board another place would be looked at
            settings["profile"] = str(place.profile_path)
        self.settings = Settings(
            **{
                "family": str(place.family_path), "board": str(BOARD), "threads": 1,
                "streams": (YARD,), **settings,
            }
        )  # fmt: skip
        self.frames: list = []
        self.service = EdgeService(
            self.settings,
            reread=lambda: self.settings,
            state=folder,
            root=place.folder,
            see_frame=self.frames.append,
        )

    def texts(self, kind: str) -> list[str]:
        return [event.text for event in self.service.events.since(0) if event.kind == kind]

    def frame(self, count: int = 1) -> None:
        """Wait for so many more frames."""
        until = len(self.frames) + count
        wait_for(lambda: len(self.frames) >= until, "a frame")


@pytest.fixture
def stand(profiled_once: Path, tmp_path: Path):
    (tmp_path / "state").mkdir(mode=0o700)
    made = []

    def make(**settings) -> Stand:
        place = Workplace(profiled_once, tmp_path / "w")
        made.append(Stand(place, tmp_path / "state", **settings))
        return made[-1]

    yield make
    for one in made:
        one.service.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("edgert-frames")]


def test_before_the_engines_are_loaded_it_says_so(stand):
    service = stand().service
    status = service.status()
    assert (status.state, status.ready) == ("starting", False)
    assert status.reasons == ["engines are being loaded"]
    assert service.configurations() == []
    with pytest.raises(ServiceBusyError, match="engines that are loaded, got none"):
        service.infer(np.zeros((8, 8, 3), np.uint8), with_map=False)
    with pytest.raises(ServiceBusyError, match="starting"):
        service.reload(by="http")
    assert service.alive()


def test_what_is_asked_for_while_it_starts_counts(stand):
    one = stand()
    one.service.change(WantedChange(pinned="c1", deadline_s=0.5), by="http")
    one.service.start()
    one.frame(2)
    assert one.frames[-1].line.configuration == "c1"
    assert one.service.status().wanted.limits == Limits(deadline_s=0.5)


def test_pictures_pins_pauses_and_live_pictures(stand):
    one = stand()
    one.service.start()
    one.frame()
    result = one.service.infer(np.zeros((20, 30, 3), np.uint8), with_map=True).result(10)
    assert (result.width, result.height, result.map_shape) == (30, 20, [6, 8])
    with pytest.raises(SettingsError, match="one of full, c2, c1, got 'c9'"):
        one.service.change(WantedChange(pinned="c9"), by="http")
    with pytest.raises(SettingsError, match="mission_s"):
        one.service.change(WantedChange(energy_j=5.0), by="http")
    one.service.change(WantedChange(paused=True), by="mqtt")
    assert one.service.status().state == "paused"
    assert one.texts("limits") == ["paused (by mqtt)"]
    one.service.change(WantedChange(paused=False), by="mqtt")
    one.frame()
    assert one.service.pictures("yard").newest(timeout_s=5.0) is not None
    with pytest.raises(KeyError):
        one.service.pictures("gate")
    active = [c for c in one.service.configurations() if c.active]
    assert [c.name for c in active] == ["full"]
    assert (active[0].metric, active[0].provenance) == ("agreement with full", "emulated")


def test_a_full_disk_is_told_and_limits_hold_all_the_same(stand, monkeypatch):
    one = stand()
    one.service.start()
    full = ArtifactError("write x", expected="room", got="no space", advice="Free some")

    def refuse(*_):
        raise full

    monkeypatch.setattr("edgert.daemon.asked.keep_wanted", refuse)
    one.service.change(WantedChange(pinned="c2"), by="http")
    wait_for(lambda: one.frames and one.frames[-1].line.configuration == "c2", "c2")
    status = one.service.status()
    assert status.ready
    assert any("is not kept" in reason for reason in status.reasons)
    monkeypatch.undo()
    one.service.change(WantedChange(pinned="c1"), by="http")
    assert one.service.status().reasons == []
    assert state.restore_wanted(one.folder, Limits()).wanted.pinned == "c1"


def test_a_reload_takes_limits_and_says_what_it_leaves(stand):
    one = stand()
    one.service.start()
    one.service.change(WantedChange(temp_c=50.0), by="http")
    one.settings = Settings(
        family=one.settings.family, board=one.settings.board, threads=2,
        streams=one.settings.streams, limits=Limits(deadline_s=0.3),
    )  # fmt: skip
    told = one.service.reload(by="SIGHUP").result(20)
    assert "threads changed, which takes a restart" in told
    assert "the engines are the same" in told
    assert one.service.status().wanted.limits == Limits(deadline_s=0.3, temp_c=50.0)
    one.settings = Settings(streams=(YARD,))
    with pytest.raises(SettingsError, match="settings family"):
        one.service.reload(by="SIGHUP").result(20)
    assert one.texts("engines")[-1].startswith("refused: settings family")
    one.frame()


def test_a_new_set_without_the_pinned_configuration_loses_the_pin(stand):
    one = stand()
    one.service.start()
    before = one.service.status().engine_set
    one.service.change(WantedChange(pinned="c2"), by="http")
    one.frame()
    manifest = one.place.built.manifest
    one.place.another_set(without="c2")
    assert "has taken over" in one.service.reload(by="http").result(60)
    one.frame(3)
    status = one.service.status()
    assert status.engine_set != before
    assert [c.name for c in one.service.configurations()] == ["full", "c1"]
    wait_for(lambda: one.service.status().wanted.pinned is None, "the pin to go")
    assert any("c2" in text and "dropped" in text for text in one.texts("limits"))
    assert len(manifest.engines) == 3


def test_a_profile_of_engines_that_are_no_longer_built_ends_no_daemon(stand):
    one = stand()
    profile = one.place.profile
    other = [one_of(entry, {"full": "c99"}) for entry in profile.entries]
    save_profile(one.place.profile_path, replace(profile, entries=other))
    one.service.start()
    one.frame(5)
    assert one.service.alive()
    assert {each.line.configuration for each in one.frames} <= {"c1", "c2"}
    assert any("c99 no longer built" in text for text in one.texts("engines"))
    # The set that is kept begins with the same, also when the profile is gone.
    kept = json.loads((one.folder / "engines" / "current" / "profile.json").read_text())
    assert [entry["name"] for entry in kept["entries"]] == ["c2", "c1"]


def test_configurations_say_what_their_profile_says(stand):
    one = stand()
    profile = one.place.profile
    full, c2, c1 = profile.entries
    save_profile(
        one.place.profile_path,
        replace(
            profile,
            entries=[
                replace(full, accuracy_from="agreement with full", energy_from="measured"),
                replace(c2, accuracy_from="mIoU measured on 5 labelled frames", energy_from=None),
                replace(c1, name="c99"),
            ],
        ),
    )
    one.service.start()
    one.frame()
    told = one.service.configurations()
    assert [c.metric for c in told] == ["agreement with full", "mIoU", ""]
    assert [c.provenance for c in told] == ["measured", None, None]
    assert [c.latency_s for c in told] == [full.latency_s, c2.latency_s, None]
    assert [c.accuracy for c in told] == [full.accuracy, c2.accuracy, None]


def test_without_figures_of_the_full_one_there_are_no_shadow_runs(stand):
    one = stand(shadow=ShadowSettings(share=1.0, decides=True))
    profile = one.place.profile
    other = [one_of(entry, {"full": "c99"}) for entry in profile.entries]
    save_profile(one.place.profile_path, replace(profile, entries=other))
    one.service.start()
    one.frame(3)
    assert one.service.status().shadow is None
    assert any("no shadow runs: the profile has no figures of full" in t
               for t in one.texts("engines"))  # fmt: skip


def test_a_profile_of_other_engines_altogether_is_refused_at_the_start(stand):
    one = stand()
    profile = one.place.profile
    other = [one_of(e, {"full": "c99", "c2": "c98", "c1": "c97"}) for e in profile.entries]
    save_profile(one.place.profile_path, replace(profile, entries=other))
    with pytest.raises(ArtifactError, match="figures of the engines that are built: full, c2, c1"):
        one.service.start()


def test_a_stored_set_whose_profile_is_of_other_engines_is_not_served(stand):
    one = stand()
    one.service.start()
    one.frame()
    one.service.close()
    file = one.folder / "engines" / "current" / "profile.json"
    content = json.loads(file.read_text())
    for entry in content["entries"]:
        entry["name"] += "x"
    file.write_text(json.dumps(content))
    again = Stand(one.place, one.folder)
    try:
        again.service.start()
        again.frame()
        assert any("is not served: read the profile of" in t for t in again.texts("engines"))
    finally:
        again.service.close()


def one_of(entry, names):
    return replace(entry, name=names.get(entry.name, entry.name))


def test_frames_that_are_skipped_are_counted_as_frames(stand):
    one = stand(limits=Limits(power_w=0.5))  # less than the board draws with nothing to do
    one.service.start()
    wait_for(lambda: one.service.status().skipped, "a frame that is skipped")
    one.service.change(WantedChange(paused=True), by="http")
    status = wait_for(lambda: settled(one), "all that was served to be counted")
    check_counts(status)
    assert 0 < status.skipped < status.frames


def settled(one: Stand):
    """The status, where it did not change while it was looked at."""
    status = one.service.status()
    return status if status.frames == len(one.frames) == one.service.status().frames else None


def test_shadow_runs_give_every_configuration_its_agreement(stand):
    one = stand(shadow=ShadowSettings(share=1.0))
    one.service.start()
    one.service.change(WantedChange(pinned="c1"), by="http")

    def agreed():
        found = {c.name: c.agreement for c in one.service.configurations()}
        return found.get("c1")

    agreement = wait_for(agreed, "an agreement")
    assert 0 <= agreement.low <= agreement.mean <= agreement.high <= 1
    shadow = one.service.status().shadow
    assert shadow is not None
    assert shadow.runs >= 1


def test_closed_twice_it_is_closed(stand):
    one = stand()
    one.service.start()
    one.frame()
    one.service.close()
    one.service.close()
    assert one.texts("service")[-1] == "draining"
    with pytest.raises(ServiceBusyError):
        one.service.reload(by="http")
    with pytest.raises(ServiceBusyError):
        one.service.infer(np.zeros((8, 8, 3), np.uint8), with_map=False)


class Flaky:
    """Sensors that can be made to stop answering."""

    name = "flaky"

    def __init__(self, clock) -> None:
        self.clock, self.broken = clock, False

    def read(self) -> TelemetrySample:
        if self.broken:
            raise SensorReadError("read i2c", expected="a number", got="nothing", advice="Look")
        return TelemetrySample(
            time_s=self.clock.now_s(), source=self.name, provenance="emulated", power_w=5.0,
            temp_c=50.0,
        )  # fmt: skip

    def close(self) -> None:
        pass


def test_telemetry_that_is_lost_for_a_while_stops_no_frame(stand, monkeypatch):
    sensors: list[Flaky] = []

    def open_flaky(settings, clock):
        sensors.append(Flaky(clock))
        return sensors[0], ""

    monkeypatch.setattr("edgert.daemon.work.open_telemetry", open_flaky)
    one = stand(board="", limits=Limits(power_w=10.0), profile_of_board=True)
    one.service.start()
    one.frame()
    assert one.service.status().telemetry.power_w == 5.0
    sensors[0].broken = True
    wait_for(lambda: one.texts("telemetry"), "the loss")
    assert "lost: read i2c" in one.texts("telemetry")[0]
    status = one.service.status()
    assert any("no telemetry" in reason for reason in status.reasons)
    assert status.ready
    one.frame(3)
    sensors[0].broken = False
    wait_for(lambda: len(one.texts("telemetry")) == 2, "its return")
    assert one.texts("telemetry")[1].startswith("back after ")
    assert one.service.status().reasons == []


def test_frames_that_are_served_no_more_are_told_to_who_has_to_know(stand, monkeypatch):
    failed = threading.Event()
    one = stand()
    one.service.start(on_failure=failed.set)
    one.frame()

    def broken(*_):
        raise RuntimeError("the device is gone")

    monkeypatch.setattr("edgert.pool.pool.Pool.run", broken)
    assert failed.wait(20)
    assert not one.service.alive()
    status = one.service.status()
    assert not status.ready
    assert "frames are served no more" in status.reasons[0]
    assert any("the device is gone" in text for text in one.texts("service"))


def test_results_of_months_stay_within_their_bounds(stand, tmp_path):
    one = stand(
        streams=(
            msgspec.structs.replace(
                YARD, sinks=(str(tmp_path / "r.jsonl"),), results_bytes=600, results_files=2
            ),
        )
    )
    one.service.start()
    wait_for((tmp_path / "r.4.jsonl").exists, "the fourth file")
    files = list(tmp_path.glob("r*.jsonl"))
    assert len(files) <= 2
    assert max(path.stat().st_size for path in files) < 1200
    assert one.service.status().streams[0].sink_problem == ""


def test_a_frame_that_is_taken_when_it_is_due_has_not_waited_for_a_period(stand):
    """Frames of what plays at its own speed are made ahead; they arrive when they are due."""
    camera = msgspec.structs.replace(YARD, source="test://?width=64&height=48&fps=10")
    one = stand(streams=(camera,))
    one.service.start()
    one.frame(8)
    status = one.service.status().streams[0]
    assert status.wait_median_s < 0.05
    assert 0.05 < 1 / status.served_fps < 0.2


def test_a_video_of_months_stays_within_its_bounds(stand, tmp_path):
    one = stand(
        streams=(
            msgspec.structs.replace(
                YARD, sinks=(str(tmp_path / "v.mp4"),), video_part_s=0.3, video_parts=2
            ),
        )
    )
    one.service.start()
    wait_for((tmp_path / "v.4.mp4").exists, "the fourth part")
    one.service.close()
    assert len(list(tmp_path.glob("v*.mp4"))) == 2
    assert not list(tmp_path.glob("*.partial.mp4"))
    assert one.service.status().streams[0].sink_problem == ""
