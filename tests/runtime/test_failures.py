"""A failing stage ends the run with one clear error, and what was written is kept."""

import pytest

from edgert.artifacts import read_run
from edgert.errors import ArtifactError, EdgertError, InferenceError, VideoError
from edgert.runtime.failure import close_all
from tests.runtime.fakes import FakeOverlay, FakePool, FakeSink, FakeSource, Rig, ScriptedPolicy

OWN = VideoError("read video x.mp4", expected="frames", got="noise", advice="Look at it")


@pytest.mark.parametrize(
    ("parts", "kind", "subject"),
    [
        ({"source": FakeSource(fail_at=3, error=OSError("gone"))}, VideoError, "read the source"),
        ({"source": FakeSource(fail_at=3, error=OWN)}, VideoError, "read video x.mp4"),
        (
            {"pool": FakePool(None, fail_at=3, error=RuntimeError("out\nof memory"))},
            InferenceError,
            "run an engine",
        ),
        (
            {"sink": FakeSink(fail_at=3, error=OSError("disk full"))},
            VideoError,
            "write to the sink",
        ),
    ],
)
def test_a_failing_stage_ends_the_run_and_keeps_what_was_written(parts, kind, subject, tmp_path):
    rig = Rig(log=tmp_path / "log", **parts)
    with pytest.raises(kind) as error:
        rig.run()
    assert error.value.subject == subject
    assert "\n" not in str(error.value)
    assert (rig.sink.closed, rig.source.closed) == (1, 1)
    assert len(rig.sink.images) == 3
    assert len(read_run(tmp_path / "log")[1]) == 3


def test_a_failing_overlay_is_named():
    rig = Rig(overlay=FakeOverlay(error=ValueError("no labels")))
    with pytest.raises(VideoError, match="draw the overlay: expected a picture, got ValueError"):
        rig.run()


def test_results_that_can_not_be_written_are_named():
    def refuse(*_):
        raise OSError("no space")

    with pytest.raises(VideoError, match=r"^write results: "):
        Rig(on_result=refuse).run()


def test_a_failing_controller_is_named():
    class Broken(ScriptedPolicy):
        def decide(self, now_s, telemetry):
            raise ValueError("no figures")

    with pytest.raises(EdgertError, match="decide: expected a decision"):
        Rig(Broken("full")).run()


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    rig = Rig(log=tmp_path)
    with pytest.raises(ArtifactError, match="write the run's log"):
        rig.run()
    assert rig.sink.closed == 1


def test_a_bug_is_not_dressed_up():
    rig = Rig(pool=FakePool(None, fail_at=1, error=TypeError("bug")))
    with pytest.raises(TypeError, match="bug"):
        rig.run()
    assert rig.sink.closed == 1


def test_keyboard_interrupt_finishes_the_sink():
    rig = Rig(pool=FakePool(None, fail_at=1, error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        rig.run()
    assert rig.sink.closed == 1


def test_errors_while_closing_do_not_hide_the_first(caplog):
    rig = Rig(
        source=FakeSource(fail_at=1, error=OWN, close_error=OSError("source close")),
        sink=FakeSink(close_error=OSError("sink close")),
    )
    with pytest.raises(VideoError) as error:
        rig.run()
    assert error.value is OWN
    assert "sink close" in caplog.text
    assert "source close" in caplog.text


def test_a_sink_that_cannot_be_finished_fails_the_run():
    rig = Rig(sink=FakeSink(close_error=OSError("disk full")))
    with pytest.raises(VideoError, match=r"write to the sink: .*disk full"):
        rig.run()
    assert rig.source.closed == 1


def test_of_several_failures_to_close_the_first_is_raised():
    sinks = [FakeSink(close_error=OWN), FakeSink(close_error=OSError("later")), None]
    with pytest.raises(VideoError, match=r"x\.mp4"):
        close_all([("write to the sink", sink) for sink in sinks], another_error=False)
    assert [sink.closed for sink in sinks[:2]] == [1, 1]
