"""The pool where every engine stays loaded."""

import msgspec
import numpy as np
import pytest

from edgert.artifacts import BuiltSet, load_built
from edgert.backends.base import load_own
from edgert.errors import ArtifactError, BackendError, EngineLoadError, InferenceError
from edgert.pool import Pool
from edgert.records import TensorSpec
from tests.pool.built_sets import BACKEND, built_set
from tests.pool.fakes import FakeSession, ListedBackend
from tests.tiny_graphs import conv_net, frame, with_weight


def fake_backend(sessions):
    return ListedBackend(sessions, BACKEND.identity())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return built_set(
        tmp_path_factory.mktemp("pool") / "cpu",
        full=conv_net(),
        c2=with_weight(conv_net(), "head2.weight", lambda array: array * 2),
        c1=conv_net(1),
    )


# ---------------------------------------------------------------- switching


def test_first_configuration_is_active_and_order_stays():
    pool = Pool({"b": FakeSession(1), "a": FakeSession(2)})
    assert (pool.names, pool.active) == (("b", "a"), "b")


def test_next_run_uses_what_was_activated():
    pool = Pool({"b": FakeSession(1), "a": FakeSession(2)})
    tensor = np.zeros((1, 3, 2, 2), np.float32)
    answers = [pool.run(tensor)[0]]
    for name in ("a", "a", "b"):
        assert pool.activate(name) == name
        assert pool.active == name
        answers.append(pool.run(tensor)[0])
    assert answers == [1, 2, 2, 1]


def test_switch_touches_no_session():
    sessions = {"b": FakeSession(1), "a": FakeSession(2)}
    Pool(sessions).activate("a")
    assert [session.runs for session in sessions.values()] == [0, 0]


def test_unknown_name_lists_the_names_and_changes_nothing():
    pool = Pool({"b": FakeSession(1), "a": FakeSession(2)})
    with pytest.raises(BackendError, match=r"expected one of b, a, got 'c'"):
        pool.activate("c")
    assert pool.active == "b"


# ---------------------------------------------------------------- closing


def test_close_closes_every_session_once():
    sessions = [FakeSession(1), FakeSession(2)]
    with Pool({"b": sessions[0], "a": sessions[1]}) as pool:
        pass
    pool.close()
    assert [session.closed for session in sessions] == [1, 1]


def test_session_that_fails_to_close_does_not_keep_the_others_open():
    sessions = [FakeSession(number) for number in range(3)]
    sessions[1].close_error = BackendError("close", expected="a", got="b", advice="c")
    with pytest.raises(BackendError, match="close"):
        Pool(dict(zip("cba", sessions, strict=True))).close()
    assert [session.closed for session in sessions] == [1, 1, 1]


def test_closed_pool_is_misuse():
    pool = Pool({"b": FakeSession(1)})
    pool.close()
    with pytest.raises(ValueError, match="closed"):
        pool.run(np.zeros((1, 3, 2, 2), np.float32))
    with pytest.raises(ValueError, match="closed"):
        pool.activate("b")


def test_pool_of_sessions_needs_no_plan_and_no_loader():
    pool = Pool({"b": FakeSession(1), "a": FakeSession(2)})
    assert (pool.resident, pool.plan, pool.failures) == (("b", "a"), None, ())
    assert (pool.settle(), pool.wait(0.0), pool.absence("a")) == ("b", True, "")


def test_pool_of_nothing_is_misuse():
    with pytest.raises(ValueError, match="at least one"):
        Pool({})


# ---------------------------------------------------------------- engines that differ


@pytest.mark.parametrize(
    "other",
    [
        FakeSession(2, inputs=(TensorSpec(name="x", shape=(1, 3, 4, 4)),)),
        FakeSession(2, inputs=(TensorSpec(name="image", shape=(1, 3, 2, 2)),)),
        FakeSession(2, outputs=(TensorSpec(name="y", shape=(2,)),)),
        FakeSession(2, outputs=(TensorSpec(name="y", shape=(1,), dtype="int64"),)),
    ],
)
def test_engines_with_other_edges_are_refused(other):
    with pytest.raises(ArtifactError, match=r"^pool engine a: expected .* as b has, got "):
        Pool({"b": FakeSession(1), "a": other})


def test_engine_with_two_inputs_is_refused():
    two = tuple(TensorSpec(name=name, shape=(1,)) for name in "xy")
    with pytest.raises(ArtifactError, match="one input"):
        Pool({"a": FakeSession(1, inputs=two)})


# ---------------------------------------------------------------- opening a built set


def test_engines_answer_as_they_do_alone(built):
    with Pool.open(built, BACKEND) as pool:
        assert pool.names == ("full", "c2", "c1")
        assert pool.input == TensorSpec(name="frame", shape=(1, 3, 8, 8))
        answers = {}
        for name in ("c1", "full", "c2", "full", "c1"):
            pool.activate(name)
            answers.setdefault(name, []).append(pool.run(frame()).copy())
    for name, results in answers.items():
        session = load_own(BACKEND, built.engine_path(name))
        alone = session.run({"frame": frame()})["logits"]
        for result in results:
            np.testing.assert_allclose(result, alone, atol=1e-5 * np.abs(alone).max())
        session.close()
    np.testing.assert_allclose(answers["c2"][0], 2 * answers["full"][0], rtol=1e-3, atol=1e-4)
    assert np.abs(answers["c1"][0] - answers["full"][0]).max() > 0.1


def test_folder_is_enough(built):
    with Pool.open(built.path) as pool:
        assert pool.run(frame()).shape == (1, 64, 5)


def test_frame_that_does_not_fit_is_refused_and_the_pool_goes_on(built):
    with Pool.open(built, BACKEND) as pool:
        with pytest.raises(InferenceError, match=r"float32 \(1, 3, 8, 8\), got float32 \(1, 3"):
            pool.run(frame((1, 3, 8, 9)))
        assert pool.run(frame()).shape == (1, 64, 5)


def test_progress_counts_to_the_end(built):
    seen = []
    Pool.open(built, BACKEND, progress=lambda *step: seen.append(step)).close()
    assert seen[0][:2] == (0, 3)
    assert seen[0][2].startswith("3 engines resident, ")
    assert seen[1:] == [
        (0, 3, "load full"),
        (1, 3, "load c2"),
        (2, 3, "load c1"),
        (3, 3, "ready"),
    ]


def test_every_engine_is_run_once_before_it_is_used(built):
    sessions = [FakeSession(number) for number in range(3)]
    pool = Pool.open(built, fake_backend(sessions))
    assert [session.runs for session in sessions] == [1, 1, 1]
    assert pool.active == "full"


def test_failing_engine_closes_those_before_it(built):
    error = EngineLoadError("load c2.onnx", expected="a", got="b", advice="c")
    sessions = [FakeSession(1), error]
    with pytest.raises(EngineLoadError):
        Pool.open(built, fake_backend(sessions))
    assert sessions[0].closed == 1


def test_engine_that_fails_its_first_run_is_closed(built):
    session = FakeSession(1)
    session.run = lambda feeds: 1 / 0
    with pytest.raises(ZeroDivisionError):
        Pool.open(built, fake_backend([session]))
    assert session.closed == 1


def test_engines_with_other_edges_are_closed(built):
    sessions = [
        FakeSession(1),
        FakeSession(2),
        FakeSession(3, outputs=(TensorSpec(name="q", shape=()),)),
    ]
    with pytest.raises(ArtifactError):
        Pool.open(built, fake_backend(sessions))
    assert [session.closed for session in sessions] == [1, 1, 1]


def test_too_little_memory_is_refused_before_anything_is_loaded(built):
    with pytest.raises(BackendError, match=r"for full and c1, the least to run, got 1\.0 MiB"):
        Pool.open(built, fake_backend([]), memory_bytes=1 << 20)


def test_whoever_measures_may_refuse_a_pool_that_loads_ahead(built):
    with pytest.raises(
        BackendError, match=r"12\.\d MiB of memory for all 3 engines, got 9\.0 MiB"
    ):
        Pool.open(built, fake_backend([]), memory_bytes=9 << 20, all_resident=True)


def test_enough_memory_is_accepted(built):
    Pool.open(built, BACKEND, memory_bytes=64 << 20).close()


def test_engines_for_another_machine_are_refused(built):
    elsewhere = {**built.manifest.built_for, "cpu": "Another CPU"}
    manifest = msgspec.structs.replace(built.manifest, built_for=elsewhere)
    with pytest.raises(ArtifactError, match="cpu was Another CPU, is "):
        Pool.open(BuiltSet(built.path, manifest), BACKEND)


def test_damaged_set_is_refused_when_opened_by_its_folder(tmp_path):
    built = built_set(tmp_path / "cpu", full=conv_net())
    content = bytearray(built.weights_path.read_bytes())
    content[100] ^= 1
    built.weights_path.write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256"):
        Pool.open(built.path)
    load_built(built.path, verify=False)
