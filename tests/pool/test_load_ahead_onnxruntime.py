"""Loading ahead with a real runtime, in a real thread, while frames run."""

import random
import shutil
import weakref

import msgspec
import numpy as np
import pytest

from edgert.artifacts import BuiltSet
from edgert.backends.base import load_own
from edgert.backends.onnxruntime import OnnxRuntimeBackend
from edgert.clock import VirtualClock
from edgert.pool import Pool, text_from_plan
from tests.pool.built_sets import SESSION_BYTES, built_set
from tests.pool.fakes import PATIENCE_S
from tests.tiny_graphs import conv_net, frame

FOUR = ("full", "c3", "c2", "c1")
TWO_MORE_BYTES = 2 * SESSION_BYTES


class WatchedBackend(OnnxRuntimeBackend):
    """onnxruntime, with a weak reference to each of its own sessions that is handed out."""

    def __init__(self):
        super().__init__(threads=1)
        self.loaded = []

    def load(self, engine, sha256, *, beside=False):
        session = super().load(engine, sha256, beside=beside)
        self.loaded.append((engine.stem, beside, weakref.ref(session._vendor_session)))
        return session

    def live(self):
        return [name for name, _, session in self.loaded if session() is not None]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    models = {name: conv_net(seed) for seed, name in enumerate(FOUR)}
    return built_set(tmp_path_factory.mktemp("ahead") / "cpu", **models)


@pytest.fixture(scope="module")
def answers(built):
    """What each engine answers alone, to each of a few frames."""
    found, backend = {}, OnnxRuntimeBackend(threads=1)
    for name in FOUR:
        session = load_own(backend, built.engine_path(name))
        for seed in range(5):
            found[name, seed] = session.run({"frame": frame(seed=seed)})["logits"].copy()
        session.close()
    return found


def budget_bytes(built):
    return built.weights_path.stat().st_size + TWO_MORE_BYTES


def is_answer_of(name, seed, answer, answers):
    expected = answers[name, seed]
    return np.abs(answer - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_engines_answers_can_be_told_apart(answers):
    for seed in range(5):
        for name in FOUR:
            matches = [n for n in FOUR if is_answer_of(n, seed, answers[name, seed], answers)]
            assert matches == [name]


def test_two_thousand_frames_with_room_for_two_of_four(built, answers):
    backend, order = WatchedBackend(), random.Random(0)
    ran, substitutes, exchanges, held = dict.fromkeys(FOUR, 0), 0, 0, "full"
    with Pool.open(built, backend, memory_bytes=budget_bytes(built)) as pool:
        assert pool.resident == ("full", "c1")
        asked = "full"
        for index in range(2000):
            if order.random() < 0.1:
                asked = order.choice(FOUR)
            name = pool.activate(asked)
            answer = pool.run(frame(seed=index % 5))
            assert is_answer_of(name, index % 5, answer, answers)
            assert len(backend.live()) <= 2
            substitutes += name != asked
            ran[name] += 1
            if index % 50 == 49:  # now and then it may catch up, however slow this machine is
                assert pool.wait(PATIENCE_S)
                assert pool.activate(asked) == asked
                assert sorted(backend.live()) == sorted(pool.resident)
                exchanges += asked not in (held, "c1")
                held = held if asked == "c1" else asked
        assert pool.failures == ()
        ahead = [name for name, beside, _ in backend.loaded if beside]
        assert len(ahead) >= exchanges > 15
        assert set(ahead) == {"full", "c3", "c2"}  # the cheapest never went
    assert backend.live() == []
    assert all(ran.values())
    assert substitutes >= exchanges


def test_a_damaged_engine_found_while_loading_ahead_keeps_the_set(built, answers, tmp_path):
    folder = tmp_path / "cpu"
    shutil.copytree(built.path, folder)
    damaged, clock = BuiltSet(folder, built.manifest), VirtualClock()
    with Pool.open(
        damaged, WatchedBackend(), memory_bytes=budget_bytes(built), clock=clock
    ) as pool:
        content = bytearray(damaged.engine_path("c3").read_bytes())
        content[len(content) // 2] ^= 1
        damaged.engine_path("c3").write_bytes(content)
        pool.activate("c3")
        assert pool.wait(PATIENCE_S)
        assert (
            "c3 could not be loaded: EngineLoadError: load c3.onnx: expected sha256"
            in (pool.failures[0])
        )
        assert pool.resident == ("full", "c1")
        assert pool.activate("c3") == "c1"
        for name in ("full", "c1"):
            assert pool.activate(name) == name
            assert is_answer_of(name, 0, pool.run(frame(seed=0)), answers)
        damaged.engine_path("c3").write_bytes(built.engine_path("c3").read_bytes())
        clock.sleep(60)
        pool.activate("c3")
        assert pool.wait(PATIENCE_S)
        assert pool.activate("c3") == "c3"
        assert is_answer_of("c3", 0, pool.run(frame(seed=0)), answers)


def test_a_missing_weights_file_fails_the_load_and_not_the_run(built, answers, tmp_path):
    folder = tmp_path / "cpu"
    shutil.copytree(built.path, folder)
    moved = BuiltSet(folder, built.manifest)
    with Pool.open(moved, WatchedBackend(), memory_bytes=budget_bytes(built)) as pool:
        moved.weights_path.unlink()  # what is mapped stays mapped
        pool.activate("c2")
        assert pool.wait(PATIENCE_S)
        assert pool.failure_count >= 1
        assert pool.activate("c2") == "c1"
        assert is_answer_of("c1", 0, pool.run(frame(seed=0)), answers)


def test_the_plan_says_what_it_does_not_count(built):
    with Pool.open(built, OnnxRuntimeBackend(threads=1), memory_bytes=1 << 30) as pool:
        text = text_from_plan(pool.plan)
    assert "activations, of which the backend states nothing" in text
    assert "weights " in text
    assert text.count("persistent 4.0 MiB") == 4


def test_a_set_with_stated_scratch_counts_it(built):
    engines = [
        msgspec.structs.replace(e, memory=msgspec.structs.replace(e.memory, scratch_bytes=1 << 20))
        for e in built.manifest.engines
    ]
    manifest = msgspec.structs.replace(built.manifest, engines=engines)
    backend = OnnxRuntimeBackend(threads=1)
    with Pool.open(BuiltSet(built.path, manifest), backend, memory_bytes=1 << 30) as pool:
        assert pool.plan.shared.scratch_bytes == 1 << 20
        assert "activations" not in text_from_plan(pool.plan)
