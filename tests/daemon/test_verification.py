"""A set is verified by another process, whose end of any kind is a refusal in words."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import BuiltSet, sha256_from_file
from edgert.daemon.verification import Verifier
from edgert.daemon.verify_set import verify_set
from edgert.errors import EngineLoadError
from edgert.settings import EngineSettings, Settings
from tests.daemon.sets import Workplace

SETTINGS = Settings(threads=1)


@pytest.fixture
def place(profiled_once: Path, tmp_path: Path) -> Workplace:
    return Workplace(profiled_once, tmp_path / "work")


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def rewritten(built: BuiltSet, **fields) -> None:
    """The set with other words in its manifest."""
    manifest = msgspec.structs.replace(built.manifest, **fields)
    (built.path / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def test_a_sound_set_is_verified_in_a_process_of_its_own(place: Workplace):
    Verifier().verify(place.built_path, SETTINGS)
    assert verify_set(place.built_path, SETTINGS) == 3


def test_a_damaged_engine_is_named(place: Workplace):
    engine = place.built.engine_path("c1")
    engine.write_bytes(engine.read_bytes()[:-1] + b"\0")
    with pytest.raises(EngineLoadError, match=r"status 1: open .*c1.*sha256"):
        Verifier().verify(place.built_path, SETTINGS)


def test_an_engine_of_another_shape_than_its_manifest_says_is_refused(place: Workplace):
    built = place.built
    [output] = built.manifest.outputs
    rewritten(built, outputs=[msgspec.structs.replace(output, shape=(1, 9, 6, 8))])
    with pytest.raises(EngineLoadError, match=r"verify full: expected outputs .*\(1, 9, 6, 8\)"):
        verify_set(place.built_path, SETTINGS)


def test_an_engine_that_computes_no_numbers_is_refused(place: Workplace):
    built = place.built
    weights = built.weights_path
    assert weights is not None
    weights.write_bytes(b"\xff" * weights.stat().st_size)  # each float32 of it is not a number
    rewritten(built, weights_sha256=sha256_from_file(weights))
    with pytest.raises(EngineLoadError, match=r"verify full: expected finite numbers in logits"):
        verify_set(place.built_path, SETTINGS)


def test_keys_that_are_trusted_hold_there_too(place: Workplace, tmp_path: Path):
    from edgert.artifacts import make_key_pair

    make_key_pair(tmp_path / "k.pem")
    [public] = tmp_path.glob("k*pub*")
    settings = Settings(threads=1, engines=EngineSettings(trusted_keys=(str(public),)))
    with pytest.raises(EngineLoadError, match="a signature by a trusted key, got none"):
        Verifier().verify(place.built_path, settings)


def test_a_process_that_is_gone_before_it_is_told_anything_is_a_refusal(
    place: Workplace, monkeypatch
):
    class EndsFirst(subprocess.Popen):
        def __init__(self, *words, **named) -> None:
            super().__init__(*words, **named)
            self.wait()

    monkeypatch.setattr(subprocess, "Popen", EndsFirst)
    with pytest.raises(EngineLoadError, match="got status 3"):
        Verifier(command=python("raise SystemExit(3)")).verify(place.built_path, SETTINGS)


def test_a_crash_is_a_refusal(place: Workplace):
    crash = "import os, signal, sys; sys.stderr.write('cuda: bad\\n'); os.kill(os.getpid(), 11)"
    with pytest.raises(EngineLoadError, match="got a crash, SIGSEGV: cuda: bad"):
        Verifier(command=python(f"import sys; sys.stderr.flush(); {crash}")).verify(
            place.built_path, SETTINGS
        )


def test_a_hang_is_killed_and_much_talk_does_not_block(place: Workplace):
    chatter = (
        "import sys, time; sys.stderr.write('x' * 1000000); sys.stderr.flush(); time.sleep(99)"
    )
    start_s = time.monotonic()
    with pytest.raises(EngineLoadError, match=r"not done after 0\.5 s"):
        Verifier(limit_s=0.5, command=python(chatter)).verify(place.built_path, SETTINGS)
    assert time.monotonic() - start_s < 10


def test_a_daemon_that_ends_does_not_wait_for_it(place: Workplace):
    verifier = Verifier(command=python("import time; print(1, flush=True); time.sleep(99)"))
    timer = threading.Timer(0.3, verifier.stop)
    timer.start()
    with pytest.raises(EngineLoadError, match="the service ended meanwhile"):
        verifier.verify(place.built_path, SETTINGS)
    timer.join()


def test_the_process_ends_when_nobody_waits_for_it_any_more(place: Workplace):
    process = subprocess.Popen(
        [sys.executable, "-m", "edgert.daemon.verify_set"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    job = {"folder": str(place.built_path), "settings": msgspec.to_builtins(SETTINGS)}
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    process.stdin.close()
    assert process.wait(20) in (0, 1)
    process.stdout.close()
    process.stderr.close()


def test_what_it_says_is_one_line(place: Workplace):
    with pytest.raises(EngineLoadError) as caught:
        Verifier().verify(place.folder / "nowhere", SETTINGS)
    assert "\n" not in str(caught.value)
    assert re.search("no such folder", str(caught.value))
