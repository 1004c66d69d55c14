"""`edgert serve` as it is deployed: the real command, a tiny family, an emulated board."""

import json
import platform
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import av
import httpx
import msgspec
import pytest
from msgspec.structs import replace

from edgert.artifacts import save_profile
from edgert.daemon.run import own_names
from tests.daemon.real_daemon import Daemon, wait_for
from tests.daemon.sets import Workplace

YARD = {"name": "yard", "source": "test://?width=64&height=48&fps=25", "policy": "latest",
        "sinks": ["yard.mp4", "yard.jsonl"]}  # fmt: skip


@pytest.fixture
def place(profiled_once: Path, tmp_path: Path) -> Workplace:
    return Workplace(profiled_once, tmp_path / "w")


@pytest.fixture
def daemon(place: Workplace):
    with Daemon(place, streams=[YARD]) as daemon:
        yield daemon


def served(daemon: Daemon, at_least: int = 3) -> dict:
    def enough():
        status = daemon.status()
        return status if status["frames"] >= at_least else None

    return wait_for(enough, f"{at_least} frames")


def test_a_day_in_short(daemon: Daemon):
    """Ready, a limit changed and the switch told, drained with a video that plays."""
    daemon.start().ready()
    assert any("3 engines of tiny" in word for word in daemon.words)
    status = served(daemon)
    assert (status["state"], status["ready"], status["reasons"]) == ("ready", True, [])
    assert status["telemetry"]["provenance"] == "emulated"
    assert [s["name"] for s in status["streams"]] == ["yard"]
    assert (daemon.code("/healthz"), daemon.code("/readyz")) == (200, 200)

    assert daemon.patch(pinned="c1").status_code == 200
    event = daemon.events(until="c1", kind="switch")
    assert event["facts"]["from"] == "full"
    assert event["facts"]["to"] == "c1"
    assert event["text"].startswith("full → c1: ")
    changed = daemon.events(until="c1 pinned", kind="limits")
    assert changed["facts"]["by"] == "http"

    assert daemon.patch(pinned="none such").status_code == 422
    assert daemon.patch(energy_j=5).status_code == 422  # without a mission
    assert "edgert_engine_switches_total" in metrics(daemon)
    served(daemon, 60)  # long enough for the board to heat, and the filters to learn

    assert daemon.stop() == 0
    assert not daemon.socket_path.exists()
    with av.open(str(daemon.place.folder / "yard.mp4")) as video:
        frames = sum(1 for _ in video.decode(video=0))
    lines = (daemon.place.folder / "yard.jsonl").read_text().splitlines()
    assert 3 <= frames <= len(lines)
    [log] = (daemon.place.folder / "state" / "decisions").glob("*.jsonl")
    words = [sys.executable, "-m", "edgert", "replay", str(log), "--json"]
    replayed = subprocess.run(words, capture_output=True, check=False, text=True)
    told = json.loads(replayed.stdout)
    assert (told["differences"], told["same"]) == ([], told["frames"])
    assert told["frames"] >= 60
    assert replayed.returncode == 0


def metrics(daemon: Daemon) -> str:
    with daemon.client() as client:
        return client.get("/metrics").text


def test_what_was_asked_for_outlives_a_power_cut(daemon: Daemon):
    daemon.start().ready()
    assert daemon.patch(deadline_s=0.25, pinned="c2").status_code == 200
    daemon.kill()
    daemon.start().ready()
    wanted = served(daemon)["wanted"]
    assert (wanted["limits"]["deadline_s"], wanted["pinned"]) == (0.25, "c2")
    daemon.stop()
    # Where the settings have changed since, they count.
    daemon.write_settings(limits={"deadline_s": 0.5})
    daemon.start().ready()
    wanted = daemon.status()["wanted"]
    assert (wanted["limits"]["deadline_s"], wanted["pinned"]) == (0.5, "c2")
    assert daemon.events(until="deadline_s is 0.5 as the settings say now", kind="limits")
    daemon.stop()


def test_a_second_daemon_is_refused_and_the_first_goes_on(daemon: Daemon):
    daemon.start().ready()
    result = subprocess.run(
        [sys.executable, "-m", "edgert", "serve", str(daemon.file)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert result.returncode == 1
    assert "no other daemon with this state folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert daemon.status()["ready"]
    assert daemon.stop() == 0


def test_new_engines_are_taken_at_sighup_between_two_frames(daemon: Daemon):
    daemon.start().ready()
    before = served(daemon)["engine_set"]
    daemon.place.another_set()
    daemon.send(signal.SIGHUP)
    daemon.hear("RELOADING=1")
    assert any(word.startswith("MONOTONIC_USEC=") for word in daemon.words)
    daemon.hear("READY=1")
    event = daemon.events(until="has taken over from", kind="engines")
    status = daemon.status()
    assert status["engine_set"] == event["facts"]["to"] != before
    frames = status["frames"]
    served(daemon, frames + 5)  # counts go on, frames too
    assert daemon.status()["streams"][0]["source"]["state"] == "running"
    # The folder is deleted: the copy goes on, also after a power cut.
    shutil.rmtree(daemon.place.family_path)
    served(daemon, frames + 10)
    daemon.kill()
    daemon.start().ready()
    assert served(daemon)["engine_set"] == status["engine_set"]
    assert daemon.events(until="the set of before is served", kind="engines")
    assert daemon.stop() == 0


def test_a_set_that_is_damaged_is_refused_in_words_and_the_old_one_goes_on(daemon: Daemon):
    daemon.start().ready()
    before = served(daemon)
    daemon.place.another_set()
    engine = daemon.place.built.engine_path("c1")
    engine.write_bytes(b"\0" * engine.stat().st_size)
    with daemon.client() as client:
        answer = client.post("/v1/reload", json={})
    assert answer.status_code >= 400
    assert "sha256" in answer.text
    assert daemon.events(until="refused: ", kind="engines")
    status = served(daemon, before["frames"] + 5)
    assert status["engine_set"] == before["engine_set"]
    assert status["ready"]
    assert len([p for p in (daemon.place.folder / "state/engines").iterdir() if p.is_dir()]) <= 2
    assert daemon.stop() == 0


@pytest.mark.parametrize("step", ["copying", "verifying", "loading the new engines"])
def test_killed_in_the_middle_of_a_swap_it_begins_with_the_last_good_set(
    daemon: Daemon, step: str
):
    daemon.start().ready()
    before = served(daemon)["engine_set"]
    daemon.place.another_set()
    daemon.send(signal.SIGHUP)
    daemon.hear(f"STATUS={step}")
    daemon.kill()
    daemon.start().ready()
    status = served(daemon)
    assert status["ready"]
    if step == "copying":  # it had not begun to take it: the start does so by itself
        daemon.events(until="has taken over from", kind="engines")
        assert daemon.status()["engine_set"] != before
    else:
        assert status["engine_set"] == before
        assert daemon.events(until="the newer set is not tried", kind="engines")
        with daemon.client() as client:  # unless it is asked to
            assert client.post("/v1/reload", json={}).status_code == 200
        assert daemon.status()["engine_set"] != before
    sets = [p for p in (daemon.place.folder / "state/engines").iterdir() if not p.is_symlink()]
    assert len([p for p in sets if p.is_dir() and not p.name.startswith(".")]) == 2
    assert daemon.stop() == 0


def test_settings_that_became_wrong_are_refused_at_a_reload(daemon: Daemon):
    daemon.start().ready()
    daemon.file.write_text("limits: {power: 3}\n")
    daemon.send(signal.SIGHUP)
    daemon.hear("READY=1")
    assert daemon.events(until="unknown field 'power'")
    assert served(daemon)["ready"]
    assert daemon.stop() == 0


def test_a_stream_that_can_not_be_reached_is_no_reason_not_to_start(place: Workplace):
    gate = {"name": "gate", "source": "rtsp://someone:secret@127.0.0.1:1/gate"}
    missing = {"name": "late", "source": "comes-later.mp4"}
    with Daemon(place, streams=[YARD, gate, missing]) as daemon:
        daemon.start().ready()
        served(daemon)

        def offline():
            streams = {s["name"]: s["source"] for s in daemon.status()["streams"]}
            return streams if streams["gate"]["state"] == "offline" else None

        streams = wait_for(offline, "gate offline")
        assert streams["gate"]["reason"]
        assert streams["yard"]["state"] == "running"
        assert daemon.events(until="gate offline", kind="stream")
        assert daemon.stop() == 0
        assert "secret" not in daemon.log.read_text()


def test_over_tcp_it_goes_by_its_own_names_and_no_others(place: Workplace):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = place.folder / "token"
    token.write_text("0123456789abcdef0\n")
    token.chmod(0o600)
    doors = {"tcp": f"127.0.0.1:{port}", "token_file": str(token), "state_dir": "state",
             "socket": "d.sock"}  # fmt: skip
    machine = platform.node()
    with Daemon(place, family="", streams=[], daemon=doors) as daemon:
        daemon.start().ready()
        codes = {}
        for name in (machine, f"{machine.partition('.')[0]}.local", "evil.example"):
            answer = httpx.get(
                f"http://127.0.0.1:{port}/v1/status",
                headers={"host": f"{name}:{port}", "authorization": "Bearer 0123456789abcdef0"},
            )
            codes[name] = answer.status_code
        assert list(codes.values()) == [200, 200, 421]
        assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("host", "machine", "names"),
    [
        ("", "", set()),
        ("cam-7.lan", "cam-7", {"cam-7.lan", "cam-7", "cam-7.local"}),
        ("0.0.0.0", "a.b.c", {"0.0.0.0", "a.b.c", "a", "a.local"}),
    ],
)
def test_its_own_names_are_its_host_and_the_machine(host: str, machine: str, names: set[str]):
    assert own_names(host, machine) == names


def test_without_a_family_there_are_doors_and_no_readiness(place: Workplace):
    with Daemon(place, family="", streams=[]) as daemon:
        daemon.start().ready()
        assert (daemon.code("/healthz"), daemon.code("/readyz")) == (200, 503)
        status = daemon.status()
        assert not status["ready"]
        assert status["reasons"] == ["no family is set: there is nothing to serve"]
        wait_for(lambda: daemon.status()["telemetry"], "telemetry")
        assert daemon.patch(power_w=9).status_code == 200
        assert daemon.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"family": "none-such"}, "none-such"),
        ({"limits": {"energy_j": 5}}, "limits.mission_s"),
        ({"daemon": {"tcp": "0.0.0.0:0", "state_dir": "state", "socket": "d.sock"}}, "token_file"),
        ({"streams": [YARD, YARD]}, "'yard' twice"),
        ({"board": "emulated-abacus"}, "emulated-abacus"),
        ({"controller": "oracle"}, "'oracle'"),
    ],
)
def test_what_can_not_be_started_is_one_line_and_status_1(place, changes, line):
    with Daemon(place, **changes) as daemon:
        daemon.start()
        assert daemon.process.wait(30) in (1, 2)
        last = [text for text in daemon.log.read_text().splitlines() if "edgert serve:" in text]
        assert len(last) == 1
        assert line in last[0]
        assert not daemon.socket_path.exists()


def test_a_second_ctrl_c_ends_it_at_once_and_sigterm_while_it_starts_drains(place: Workplace):
    with Daemon(place, streams=[YARD]) as daemon:
        daemon.start()
        daemon.hear("EXTEND_TIMEOUT_USEC")
        assert daemon.stop() == 0


def test_the_watchdog_is_fed_while_frames_are_served(place: Workplace):
    with Daemon(place, streams=[YARD]) as daemon:
        daemon.start(environment={"WATCHDOG_USEC": "400000"}).ready()
        for _ in range(3):
            daemon.hear("WATCHDOG=1")
        assert daemon.stop() == 0


def test_kept_limits_that_are_damaged_are_told_and_put_aside(daemon: Daemon):
    daemon.start().ready()
    assert daemon.patch(deadline_s=0.25).status_code == 200
    assert daemon.stop() == 0
    kept = daemon.place.folder / "state" / "wanted.json"
    assert msgspec.json.decode(kept.read_bytes())["wanted"]["limits"]["deadline_s"] == 0.25
    kept.write_text("{")
    daemon.start().ready()
    assert daemon.status()["wanted"]["limits"]["deadline_s"] is None
    assert daemon.events(until="what was asked for before is lost", kind="limits")
    assert json.loads(json.dumps(kept.with_name("wanted.json.refused").read_text())) == "{"
    assert daemon.stop() == 0


def test_a_profile_measured_since_is_taken_at_sighup_while_frames_go_on(daemon: Daemon):
    daemon.start().ready()
    before = served(daemon, 5)
    assert before["configuration"] == "full"
    profile = daemon.place.profile
    better = {"full": 0.5, "c2": 0.6, "c1": 0.99}
    entries = [replace(entry, accuracy=better[entry.name]) for entry in profile.entries]
    save_profile(daemon.place.profile_path, replace(profile, entries=entries))
    daemon.send(signal.SIGHUP)
    daemon.hear("RELOADING=1")
    daemon.hear("READY=1")
    assert daemon.events(until="another profile is taken", kind="service")
    wait_for(lambda: daemon.status()["configuration"] == "c1", "the now most accurate")
    status = served(daemon, daemon.status()["frames"] + 5)
    assert status["engine_set"] == before["engine_set"]
    assert status["streams"][0]["source"]["reconnects"] == 0
    assert [c["accuracy"] for c in daemon.get("/v1/configurations")] == [0.5, 0.6, 0.99]
    # What can't be read leaves that one at work, in a line, and over a restart.
    daemon.place.profile_path.write_text("{")
    with daemon.client() as client:
        answer = client.post("/v1/reload", json={})
    assert answer.status_code == 200
    assert "the figures of before stay: read" in answer.json()["done"]
    daemon.kill()
    daemon.start().ready()
    assert served(daemon, 2)["configuration"] == "c1"
    assert daemon.events(until="the profile of before is used", kind="engines")
    assert daemon.stop() == 0
