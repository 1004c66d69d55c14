"""Traces as JSON lines: what is written comes back, what is damaged is told in one line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.artifacts.trace import AmbientCourse, read_trace, write_trace
from edgert.errors import ArtifactError
from edgert.records import TracePoint

MAYBE = st.none() | st.floats(0.1, 100)
POINTS = st.lists(
    st.builds(
        TracePoint,
        time_s=st.floats(0, 1e6),
        ambient_c=st.none() | st.floats(-40, 60),
        fan_running=st.none() | st.booleans(),
        slowdown=MAYBE,
        power_limit_w=MAYBE,
        temp_limit_c=MAYBE,
        deadline_s=MAYBE,
        telemetry=st.none() | st.booleans(),
        over_current_events=st.dictionaries(st.sampled_from(["oc1", "oc3"]), st.integers(0, 9)),
        tag=st.text(max_size=5),
    ),
    min_size=1,
    max_size=6,
)


@given(points=POINTS)
@settings(max_examples=25, deadline=None)
def test_points_come_back_as_they_were_written(tmp_path_factory, points):
    points.sort(key=lambda point: point.time_s)
    path = tmp_path_factory.mktemp("trace") / "t.jsonl"
    write_trace(path, points)
    assert read_trace(path) == points


def test_what_says_nothing_is_left_out_and_false_and_zero_are_kept(tmp_path):
    path = tmp_path / "t.jsonl"
    write_trace(path, [TracePoint(time_s=0.0, telemetry=False, ambient_c=0.0)])
    assert path.read_text() == '{"time_s":0.0,"ambient_c":0.0,"telemetry":false}\n'


def test_empty_lines_and_a_missing_last_line_break_are_taken(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"time_s": 0}\n\n  \r\n{"time_s": 1}')
    assert [point.time_s for point in read_trace(path)] == [0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected at least one point, got an empty file"),
        (b"\n \n", "expected at least one point, got an empty file"),
        (b'{"time_s": 0}\nrubbish\n', "line 2: expected a TracePoint in JSON, got JSON is malf"),
        (b"\xff\xfe\x00", "line 1: expected a TracePoint in JSON"),
        (b'{"time_s": 0, "tag": "\xff"}', "line 1: expected a TracePoint in JSON"),
        (b'{"ambient_c": 20}', "line 1: expected a TracePoint in JSON, got Object missing"),
        (b'{"time_s": -1}', "line 1: expected a TracePoint in JSON, got Expected `float` >= 0"),
        (b'{"time_s": 0, "slowdown": 0}', "got Expected `float` > 0"),
        (b'{"time_s": 0, "ambient": 20}', "got Object contains unknown field `ambient`"),
        (b'{"time_s": 0, "slowdown": "fast"}', "got Expected `float"),
        (b"[0]", "line 1: expected a TracePoint in JSON, got Expected `object`"),
        (b'{"time_s": 5}\n{"time_s": 4.5}', "line 2: expected time_s from 5 on, got 4.5"),
    ],
)
def test_damage_is_one_line_with_its_place(tmp_path, content, words):
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        read_trace(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_trace_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("trace") / "t.jsonl"
    path.write_bytes(content)
    told = ""
    try:
        assert read_trace(path)
    except ArtifactError as error:
        told = str(error)
    assert "\n" not in told


def test_missing_file_and_folder_are_one_line(tmp_path):
    with pytest.raises(ArtifactError, match="got no such file"):
        read_trace(tmp_path / "none.jsonl")
    with pytest.raises(ArtifactError, match="got is a directory"):
        read_trace(tmp_path)
    (tmp_path / "t.jsonl").write_bytes(b"")
    with pytest.raises(ArtifactError, match="write"):
        write_trace(tmp_path / "t.jsonl" / "in-a-file", [TracePoint(time_s=0.0)])


def test_the_air_goes_in_a_straight_line_and_steps_where_two_points_share_a_time():
    stated = [(2.0, 20.0), (4.0, 30.0), (4.0, 50.0), (8.0, 50.0)]
    course = AmbientCourse(
        [TracePoint(time_s=t, ambient_c=c) for t, c in stated] + [TracePoint(time_s=9.0)]
    )
    assert [course.at(t) for t in (0.0, 2.0, 3.0, 4.0, 6.0, 99.0)] == [None, 20, 25, 50, 50, 50]
    assert AmbientCourse([]).at(1.0) is None
