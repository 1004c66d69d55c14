"""The soaks themselves, shortened, with the tiny family."""

import json

import pytest
import soak

from tests.daemon.real_daemon import BOARD
from tests.daemon.sets import Workplace


@pytest.fixture
def soaked(place: Workplace, tmp_path, capsys, note):
    """Runs a soak; what it says."""

    def run(name: str, *words: str) -> dict:
        out = tmp_path / f"{name}.jsonl"
        given = ["--family", str(place.family_path), "--profile", str(place.profile_path)]
        status = soak.main(
            [name, *given, "--board", str(BOARD), "--out", str(out), "--json", *words]
        )
        assert status == 0
        found = json.loads(capsys.readouterr().out)
        note(**{key: value for key, value in found.items() if key != "ran"})
        return found

    run.folder = tmp_path
    return run


@pytest.mark.slow
def test_four_streams_while_limits_change(soaked, tmp_path):
    found = soaked("streams", "--seconds", "25")
    assert sorted(found["streams"]) == ["archive", "gate", "north", "south"]
    for stream in found["streams"].values():
        # 2.5 a second are asked for of each; some are left out while the budget is small.
        assert stream["served"] + stream["skipped"] >= 45
        assert stream["misses"] <= 0.05 * stream["served"]
    assert found["streams"]["south"]["decoded"] >= 1.5 * found["streams"]["north"]["decoded"]
    assert all(one["over_after"] == 0 for one in found["temperature"])
    assert found["rss_mib"][1] < found["rss_mib"][0] + 60
    assert soak.main(["plot", str(tmp_path), "--picture", str(tmp_path / "soak.png"),
                      "--figures", str(tmp_path / "figures.txt")]) == 0  # fmt: skip
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
    [line] = (tmp_path / "figures.txt").read_text().splitlines()
    assert json.loads(line)["frames"] == found["frames"]


@pytest.mark.slow
def test_requests_make_no_frame_later(soaked):
    words = ("--requests", "1600", "--rate", "200", "--cycles", "1", "--pin", "c1")
    found = soaked("requests", *words, "--deadline-s", "0.05")
    without, beside = found["without"], found["with"]
    assert found["requests"]["count"] == 1600
    assert found["requests"]["refused"] == 0
    assert beside["frames"] >= 70
    assert beside["late"] <= without["late"] + 0.02 * beside["frames"]
    # 0.02 ms of an engine: what is added is told in milliseconds, not in shares.
    assert beside["latency_s"]["median"] < without["latency_s"]["median"] + 0.002


@pytest.mark.slow
def test_exchanges_of_engines_leave_no_threads_and_files_behind(soaked):
    words = ("--seconds", "40", "--reload-s", "3", "--cut-s", "15", "--sample-s", "0.5")
    found = soaked("memory", *words, "--fps", "5", "--warm-s", "12")
    assert found["reloads"] >= 8
    assert found["reconnects"] >= 1
    assert found["threads"]["last"] <= found["threads"]["after_warm_up"] + 3
    assert found["files"]["last"] <= found["files"]["after_warm_up"] + 6
