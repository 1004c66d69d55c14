"""A family from its yaml to switched frames, over a device and a vendor of plain memory."""

import numpy as np
import pytest

from edgert.artifacts import load_family
from edgert.build.compile import build_family
from edgert.errors import EngineLoadError
from edgert.pool import Pool


@pytest.fixture
def built(tiny_family, backend):
    return build_family(load_family(tiny_family), backend, device="orin").built


def test_built_set_has_plans_and_their_timing_cache_and_no_weights_file(built, cuda):
    names = sorted(path.name for path in built.path.iterdir())
    assert names == ["c1.plan", "c2.plan", "full.plan", "manifest.json", "timing.cache"]
    assert list(built.manifest.carried) == ["timing.cache"]
    assert built.manifest.weights is None
    assert {e.compiled.version for e in built.manifest.engines} == {"10.3.0.30"}
    assert all(e.memory.weights_bytes == e.size_bytes for e in built.manifest.engines)
    assert cuda.open_names == []


def test_second_build_finds_the_set_up_to_date(built, tiny_family, backend):
    assert not build_family(load_family(tiny_family), backend, device="orin").rebuilt


def test_pool_switches_by_one_launch(built, backend, trt, cuda):
    with Pool.open(built.path, backend) as pool:
        frame = np.random.default_rng(0).standard_normal(pool.input.shape).astype("float32")
        expected = {}
        for name in pool.names:
            pool.activate(name)
            expected[name] = pool.run(frame).copy()
        trt.calls.clear()
        cuda.calls.clear()
        for number in range(300):
            name = pool.names[number % len(pool.names)]
            pool.activate(name)
            assert np.array_equal(pool.run(frame), expected[name])
        assert trt.calls == []
        assert cuda.count("launch") == 300
        assert cuda.count("allocate") == cuda.count("allocate_pinned") == 0
    assert cuda.open_names == []


def test_engine_that_memory_is_short_for_closes_those_before_it(built, backend, cuda):
    cuda.budget_bytes = 70_000
    with pytest.raises(EngineLoadError, match=r"load (c1|c2|full)"):
        Pool.open(built.path, backend, memory_bytes=1 << 30)
    backend.close()  # and the scratch that was reserved
    assert cuda.open_names == []
