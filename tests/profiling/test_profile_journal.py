"""The finished parts of a profile on the disk."""

from pathlib import Path

import numpy as np
import pytest

from edgert.errors import ArtifactError
from edgert.profiling.journal import ProfileJournal
from edgert.profiling.latency import measure_latencies
from edgert.profiling.profile import profile_engines
from tests.profiling.test_profile import engines, half_bright

IDENTITY = {"family": "toy", "rounds": "2"}


def test_parts_survive_the_process(tmp_path: Path):
    folder = tmp_path / "deep" / "p.journal"
    with ProfileJournal(folder, IDENTITY) as journal:
        journal.update(rounds=[{"a": [0.1, 0.2]}])
        journal.update(agreements={"a": 1.0})
    with ProfileJournal(folder, IDENTITY) as journal:
        assert journal.parts.rounds == [{"a": [0.1, 0.2]}]
        assert journal.parts.agreements == {"a": 1.0}
        assert journal.windows() == []
        journal.finish()
    assert not folder.exists()


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ProfileJournal(None, {}) as journal:
        journal.update(agreements={"a": 0.5})
        assert journal.parts.agreements == {"a": 0.5}
        assert journal.windows_file is None
        journal.finish()
    assert not list(tmp_path.iterdir())


def test_another_measurement_s_parts_are_refused_in_words(tmp_path: Path):
    ProfileJournal(tmp_path / "j", IDENTITY).close()
    with pytest.raises(ArtifactError, match="rounds 3 instead of 2") as raised:
        ProfileJournal(tmp_path / "j", {**IDENTITY, "rounds": "3"})
    assert "--restart" in raised.value.advice
    with ProfileJournal(tmp_path / "j", {"rounds": "3"}, anew=True) as journal:
        assert journal.parts.identity == {"rounds": "3"}


def test_restart_throws_windows_away_too(tmp_path: Path):
    with ProfileJournal(tmp_path / "j", IDENTITY) as journal:
        assert journal.windows_file is not None
        journal.windows_file.write_text("x")
    with ProfileJournal(tmp_path / "j", IDENTITY, anew=True) as journal:
        assert journal.windows_file is not None
        assert not journal.windows_file.exists()


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', '{"format": 2, "identity": {}}'])
def test_damaged_parts_are_one_line(tmp_path: Path, content: str):
    (tmp_path / "parts.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"parts\.json") as raised:
        ProfileJournal(tmp_path, IDENTITY)
    assert "--restart" in str(raised.value)
    # The lock was let go.
    ProfileJournal(tmp_path, IDENTITY, anew=True).close()


def test_one_process_at_a_time(tmp_path: Path):
    with (
        ProfileJournal(tmp_path, IDENTITY),
        pytest.raises(ArtifactError, match="one that is at it"),
    ):
        ProfileJournal(tmp_path, IDENTITY)


def test_a_folder_that_can_t_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="a folder that can be written to"):
        ProfileJournal(tmp_path / "file" / "j", IDENTITY)


def test_latency_goes_on_behind_finished_rounds():
    ran: list[str] = []
    kept: list[dict[str, list[float]]] = []
    finished = [{"a": [5.0, 5.0]}]
    told = measure_latencies(
        {"a": lambda: ran.append("a")}, rounds=2, runs_per_round=2, warmup_runs=1,
        finished=finished, keep=lambda times: kept.append(dict(times)),
    )  # fmt: skip
    assert len(ran) == 1 + 1 + 2  # warm-up, the turn's own, and one round of two
    assert len(kept) == 1
    assert len(kept[0]["a"]) == 2
    assert told["a"].runs == 4
    assert told["a"].p99_s == pytest.approx(5.0)


def test_a_profile_takes_its_parts_from_the_journal(tmp_path: Path):
    set_ = engines(card=False)
    runs = []
    counted = {
        name: lambda x, name=name, run=run: (runs.append(name), run(x))[1]
        for name, run in set_.runs.items()
    }
    import dataclasses

    set_ = dataclasses.replace(set_, runs=counted)
    picture = half_bright()
    with ProfileJournal(tmp_path, IDENTITY) as journal:
        first = profile_engines(set_, device="d", frames=[picture], rounds=2, journal=journal)
        assert len(journal.parts.rounds) == 2
    measured = len(runs)
    with ProfileJournal(tmp_path, IDENTITY) as journal:
        again = profile_engines(set_, device="d", frames=[picture], rounds=2, journal=journal)
    assert again == first
    assert len(runs) == measured > 0
    assert np.isclose(again.entries[1].agreement or 0, 0.5)
