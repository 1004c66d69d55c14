"""Engines that need not be compiled again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgert.artifacts import load_built, load_family
from edgert.build.compile import build_family
from edgert.errors import EdgertError, VerificationError
from tests.build.standalone_backend import StandaloneBackend

ALL = ["full.plan", "c2.plan", "c1.plan"]
UNFINISHED = ".here.unfinished"


def build(family: Path, backend, **options):
    return build_family(load_family(family), backend, device="here", **options)


def add_configuration(family: Path, name: str, branch: str) -> None:
    file = family / "family.yaml"
    content = yaml.safe_load(file.read_text())
    edits = [{"merge_linear": {}}, {"skip_residuals": {"branches": [branch]}}]
    content["configurations"].append({"name": name, "edits": edits})
    file.write_text(yaml.safe_dump(content, sort_keys=False))


class KilledError(Exception):
    pass


def kill_at(step: int):
    def progress(done, total, what):
        if done == step:
            raise KilledError

    return progress


def test_engines_hold_their_own_weights(tiny_family: Path):
    backend = StandaloneBackend()
    built = build(tiny_family, backend).built
    assert built.manifest.weights is None
    assert {p.name for p in built.path.iterdir()} == {"manifest.json", "timing.cache", *ALL}
    assert load_built(built.path).manifest == built.manifest
    assert not (built.path.parent / UNFINISHED).exists()
    assert all(engine.build_s > 0 for engine in built.manifest.engines)
    assert {engine.compiled.version for engine in built.manifest.engines} == {"1"}


def test_one_configuration_more_costs_one_compile(tiny_family: Path):
    first = build(tiny_family, StandaloneBackend()).built.manifest
    add_configuration(tiny_family, "c3", "block1.mix")
    backend = StandaloneBackend()
    second = build(tiny_family, backend).built.manifest
    assert backend.compiled == ["c3.plan"]
    assert [e.name for e in second.engines] == ["full", "c2", "c1", "c3"]
    for before, after in zip(first.engines, second.engines, strict=False):
        assert (before.sha256, before.build_s) == (after.sha256, after.build_s)


def test_another_runtime_compiles_everything_anew(tiny_family: Path):
    build(tiny_family, StandaloneBackend("1"))
    backend = StandaloneBackend("2")
    result = build(tiny_family, backend)
    assert backend.compiled == ALL
    assert result.reasons == ["runtime was standalone 1, is standalone 2"]


def test_force_compiles_everything_anew(tiny_family: Path):
    build(tiny_family, StandaloneBackend())
    backend = StandaloneBackend()
    build(tiny_family, backend, force=True)
    assert backend.compiled == ALL


def test_a_changed_engine_of_the_standing_set_is_not_reused(tiny_family: Path):
    built = build(tiny_family, StandaloneBackend()).built
    content = bytearray((built.path / "c2.plan").read_bytes())
    content[-1] ^= 1
    (built.path / "c2.plan").write_bytes(content)
    backend = StandaloneBackend()
    result = build(tiny_family, backend)
    assert backend.compiled == ["c2.plan"]
    assert "c2.plan" in result.reasons[0]


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_build_that_was_stopped_goes_on_where_it_was(tiny_family: Path, step: int):
    first, second = StandaloneBackend(), StandaloneBackend()
    with pytest.raises(KilledError):
        build(tiny_family, first, progress=kill_at(step))
    assert first.compiled == ALL[:step]
    assert not (tiny_family / "built" / "here").exists()
    built = build(tiny_family, second).built
    assert second.compiled == ALL[step:]
    assert [e.file for e in load_built(built.path).manifest.engines] == ALL
    assert not (built.path.parent / UNFINISHED).exists()


KILLED = """
import os, pathlib, signal, sys
from edgert.artifacts import load_family
from edgert.build.compile import build_family
from tests.build.standalone_backend import StandaloneBackend

def progress(done, total, what):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

folder = load_family(pathlib.Path(sys.argv[1]))
build_family(folder, StandaloneBackend(), device="here", progress=progress)
"""


def test_a_build_that_was_killed_goes_on_where_it_was(tiny_family: Path):
    command = [sys.executable, "-c", KILLED, str(tiny_family)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    backend = StandaloneBackend()
    build(tiny_family, backend)
    assert backend.compiled == ["c1.plan"]
    assert not list((tiny_family / "built").glob(".here.*.tmp"))


def test_half_an_engine_is_compiled_again(tiny_family: Path):
    with pytest.raises(KilledError):
        build(tiny_family, StandaloneBackend(), progress=kill_at(2))
    torn = tiny_family / "built" / UNFINISHED / "full.plan"
    torn.write_bytes(torn.read_bytes()[:100])
    (torn.parent / "c2.plan.json").write_text('{"from": "another version"}')
    backend = StandaloneBackend()
    build(tiny_family, backend)
    assert backend.compiled == ALL


def test_an_unfinished_engine_of_another_runtime_is_compiled_again(tiny_family: Path):
    with pytest.raises(KilledError):
        build(tiny_family, StandaloneBackend("1"), progress=kill_at(2))
    backend = StandaloneBackend("2")
    build(tiny_family, backend)
    assert backend.compiled == ALL


def test_the_cache_is_carried_through_a_build_and_to_the_next(tiny_family: Path):
    first, second = StandaloneBackend(), StandaloneBackend("2")
    build(tiny_family, first)
    assert first.caches_seen == ["", "full ", "full c2 "]
    build(tiny_family, second)
    assert second.caches_seen[0] == "full c2 c1 "


def test_the_cache_is_carried_over_a_kill(tiny_family: Path):
    with pytest.raises(KilledError):
        build(tiny_family, StandaloneBackend(), progress=kill_at(2))
    backend = StandaloneBackend()
    build(tiny_family, backend)
    assert backend.caches_seen == ["full c2 "]


def test_a_cache_that_was_changed_is_not_carried(tiny_family: Path):
    built = build(tiny_family, StandaloneBackend()).built
    (built.path / "timing.cache").write_text("evil")
    backend = StandaloneBackend("2")
    build(tiny_family, backend)
    assert backend.caches_seen[0] == ""


def test_a_wrong_engine_is_not_kept_for_the_next_build(tiny_family: Path):
    with pytest.raises(VerificationError, match="verify full"):
        build(tiny_family, StandaloneBackend(wrong=["head.predict.weight"], wrong_times=1))
    backend = StandaloneBackend()
    build(tiny_family, backend)
    assert backend.compiled == ["full.plan"]


def test_two_builds_at_once_in_one_folder(tiny_family: Path):
    lines = []

    def progress(done, total, what):
        if done == 1 and not lines:
            with pytest.raises(EdgertError) as error:
                build(tiny_family, StandaloneBackend())
            lines.append(str(error.value))

    build(tiny_family, StandaloneBackend(), progress=progress)
    assert len(lines) == 1
    assert "expected no other process writing it" in lines[0]
    load_built(tiny_family / "built" / "here")
