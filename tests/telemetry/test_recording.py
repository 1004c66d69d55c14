"""Recordings of telemetry: written, cut off, damaged, played."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.errors import ArtifactError
from edgert.records import TelemetrySample
from edgert.telemetry.recording import Recorder, read_header, read_recording
from edgert.telemetry.replay import ReplaySource


def sample(time_s, power_w=5.0, **more):
    return TelemetrySample(
        time_s=time_s, source="sysfs", provenance="measured", power_w=power_w, **more
    )


def record(path, samples):
    with Recorder(path, source="sysfs", board="jetson-x") as recorder:
        for one in samples:
            recorder.write(one)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "telemetry.jsonl"


def message(path):
    with pytest.raises(ArtifactError) as error:
        list(read_recording(path))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_written_is_read(path):
    samples = [
        sample(1.0, rails_w={"VDD_IN": 5.0}, gaps={"zone cv0": "gated: -256 °C"}),
        sample(1.02, None, over_current_events={"under_voltage": 3}, throttled=True),
    ]
    assert list(read_recording(record(path, samples))) == samples
    assert (read_header(path).source, read_header(path).board) == ("sysfs", "jetson-x")


@given(st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(0, 500)), max_size=20))
def test_any_samples_in_order_are_read_as_they_were(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("r") / "telemetry.jsonl"
    samples = [sample(time_s, power_w) for time_s, power_w in sorted(values, key=lambda v: v[0])]
    assert list(read_recording(record(path, samples))) == samples


def test_recording_is_never_written_over(path):
    record(path, [])
    with pytest.raises(ArtifactError, match="file exists"):
        Recorder(path)


def test_lines_reach_the_system_once_a_second(path):
    clock = VirtualClock()
    recorder = Recorder(path, clock=clock)
    recorder.write(sample(1.0))
    assert list(read_recording(path)) == []
    clock.sleep(1.0)
    recorder.write(sample(2.0))
    assert len(list(read_recording(path))) == 2
    recorder.close()
    recorder.close()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_torn_last_line_is_left_out_and_said(path, cut, caplog):
    content = record(path, [sample(1.0), sample(2.0)]).read_bytes()
    path.write_bytes(content[:-cut])
    with caplog.at_level("INFO"):
        assert list(read_recording(path)) == [sample(1.0)]
    assert "line 3 is torn and left out" in caplog.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "line 3: expected a sample"),
        (b"{}", "line 3: expected a sample, got Object missing required field time_s"),
        (b'{"time_s": 1.5, "sou', "line 3: expected a sample"),
        (b"\xff\xfe", "line 3: expected a sample"),
        (b'{"time_s":1.5,"source":"a","provenance":"guessed"}', "line 3"),
        (b'{"time_s":1.5,"source":"a","provenance":"measured","power":1}', "unknown field power"),
        (b'{"time_s":0.5,"source":"a","provenance":"measured"}',
         "line 3: expected a time of 1.000 s or later, got 0.500 s"),
    ],
)  # fmt: skip
def test_damaged_line_is_one_clear_line_with_its_number(path, line, words):
    record(path, [sample(1.0), sample(2.0)])
    lines = path.read_bytes().splitlines()
    lines.insert(2, line)
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert words in message(path)


def test_what_comes_before_the_damage_is_read(path):
    record(path, [sample(1.0), sample(2.0)])
    path.write_bytes(path.read_bytes() + b"damage\n")
    samples = read_recording(path)
    assert [next(samples), next(samples)] == [sample(1.0), sample(2.0)]
    with pytest.raises(ArtifactError, match="line 4"):
        next(samples)


@pytest.mark.parametrize(
    "content", [b"", b"[1]\n", b'{"format":2,"kind":"telemetry"}\n', b"\0\xff"]
)
def test_other_files_are_no_recordings(path, content):
    path.write_bytes(content)
    assert "line 1" in message(path)
    with pytest.raises(ArtifactError, match="line 1"):
        read_header(path)


def test_missing_file_is_said(path):
    assert "no such file" in message(path)
    with pytest.raises(ArtifactError, match="no such file"):
        read_header(path)


def test_line_without_an_end_takes_no_more_memory_than_a_line_may(path):
    record(path, [sample(1.0)])
    with path.open("ab") as file:
        file.write(b"x" * (3 << 20))
    assert "line 3" in message(path)


def test_reading_goes_line_by_line(path):
    import tracemalloc

    record(path, (sample(float(n), rails_w={"VDD_IN": 5.0}) for n in range(5000)))
    size_bytes = path.stat().st_size
    tracemalloc.start()
    count = sum(1 for _ in read_recording(path))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5000
    assert peak_bytes < size_bytes / 5


# ---------------------------------------------------------------- replay


def test_samples_come_at_the_pace_at_which_they_came(path):
    record(path, [sample(100.0, 1.0), sample(100.5, 2.0), sample(102.0, 3.0)])
    clock = VirtualClock(7.0)
    source = ReplaySource(path=path, clock=clock)
    seen = []
    for _ in range(6):
        got = source.read()
        seen.append((got.time_s, got.power_w, got.age_s))
        clock.sleep(0.4)
    assert seen == [
        pytest.approx(values)
        for values in [(7.0, 1, 0), (7.0, 1, 0.4), (7.5, 2, 0.3), (7.5, 2, 0.7), (7.5, 2, 1.1),
                       (9.0, 3, 0.0)]
    ]  # fmt: skip
    assert source.ended


def test_age_of_a_sample_is_kept(path):
    record(path, [sample(100.0, 1.0, age_s=0.25), sample(101.0, 2.0, age_s=0.5)])
    clock = VirtualClock(7.0)
    source = ReplaySource(path=path, clock=clock)
    assert (source.read().time_s, source.read().age_s) == pytest.approx((6.75, 0.25))
    clock.sleep(1.2)
    assert source.read().power_w == 1.0
    clock.sleep(0.05)
    assert (source.read().power_w, source.read().age_s) == pytest.approx((2.0, 0.5))


def test_what_was_recorded_stays_what_it_was(path):
    gaps = {"power": "rail VDD_IN: vanished"}
    emulated = TelemetrySample(
        time_s=1.0, source="emulated-orin-nano", provenance="emulated", gaps=gaps
    )
    got = ReplaySource(path=record(path, [emulated]), clock=VirtualClock()).read()
    assert (got.source, got.provenance, got.gaps) == ("emulated-orin-nano", "emulated", gaps)


def test_damage_is_told_before_it_plays(path):
    record(path, [sample(1.0)])
    path.write_bytes(path.read_bytes() + b"damage\n" + msgspec.json.encode(sample(2.0)) + b"\n")
    with pytest.raises(ArtifactError, match="line 3"):
        ReplaySource(path=path, clock=VirtualClock())


def test_empty_recording_is_refused(path):
    with pytest.raises(ArtifactError, match="expected samples, got none"):
        ReplaySource(path=record(path, []), clock=VirtualClock())


def test_closed_replay_has_no_sample(path):
    source = ReplaySource(path=record(path, [sample(1.0)]), clock=VirtualClock())
    source.close()
    source.close()
    assert source.read() is None
