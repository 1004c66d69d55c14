"""Where the budget comes from."""

import pytest

from edgert.pool.budget import free_bytes, plan_built, warms_beside
from tests.pool.built_sets import paper_set
from tests.pool.fakes import FakeBackend, WarmBackend

NAMES = ("full", "c2", "c1")


def test_what_was_asked_for_counts_whatever_the_device_says(tmp_path):
    backend = WarmBackend(NAMES, left_bytes=5)
    plan = plan_built(paper_set(tmp_path, NAMES), backend, memory_bytes=77)
    assert (plan.budget_bytes, plan.budget_from) == (77, "as asked for")


def test_nine_tenths_of_what_the_backend_says_is_free(tmp_path):
    plan = plan_built(paper_set(tmp_path, NAMES), WarmBackend(NAMES, left_bytes=2 << 20))
    assert plan.budget_bytes == int(0.9 * (2 << 20))
    assert plan.budget_from == "90% of the 2.0 MiB left"


def test_a_backend_that_says_nothing_leaves_it_to_the_kernel(tmp_path):
    backend = FakeBackend(NAMES)
    left_bytes = free_bytes(backend)
    assert left_bytes is None or left_bytes > 1 << 20
    plan = plan_built(paper_set(tmp_path, NAMES), backend)
    assert plan.all_resident
    if left_bytes is not None:
        assert plan.budget_bytes == pytest.approx(0.9 * left_bytes, rel=0.5)


def test_the_weights_file_is_counted_as_it_lies_there(tmp_path):
    built = paper_set(tmp_path, NAMES, weights_bytes=500)
    assert plan_built(built, FakeBackend(NAMES), memory_bytes=1000).needed_bytes == 530


def test_a_lane_of_its_own_is_the_backend_s_to_state(tmp_path):
    built = paper_set(tmp_path, NAMES, scratch_bytes=50, io_bytes=5)
    quiet, warm = FakeBackend(NAMES), WarmBackend(NAMES)
    assert (warms_beside(quiet), warms_beside(warm)) == (False, True)
    assert plan_built(built, quiet, memory_bytes=1000).shared.load_ahead_bytes == 0
    assert plan_built(built, warm, memory_bytes=1000).shared.load_ahead_bytes == 55
    warm.warms_beside = False
    assert plan_built(built, warm, memory_bytes=1000).shared.load_ahead_bytes == 0
