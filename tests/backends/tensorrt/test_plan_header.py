import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.backends.tensorrt.plan_header import PlanVersion, plan_version

# The first 32 bytes of a plan of TensorRT-RTX 1.7.1.116, as its compiler wrote them.
RTX_PLAN = bytes.fromhex("7674727400000000 0200000000000000 cc50060000000000 0107017476747274")


def test_version_of_a_plan_that_nvidia_wrote_is_read():
    assert plan_version(RTX_PLAN) == PlanVersion("TensorRT-RTX", (1, 7, 1, 116))
    assert str(plan_version(RTX_PLAN)) == "TensorRT-RTX 1.7.1.116"


@given(
    st.tuples(*[st.integers(0, 255)] * 4),
    st.binary(max_size=64),
    st.binary(min_size=16, max_size=16),
)
def test_version_does_not_depend_on_what_lies_around_it(numbers, rest, between):
    plan = b"ftrt" + bytes(4) + between + bytes(numbers) + rest
    assert plan_version(plan) == PlanVersion("TensorRT", numbers)


@given(st.integers(0, 27))
def test_less_than_a_header_is_no_plan(size):
    assert plan_version(RTX_PLAN[:size]) is None


@given(st.binary(max_size=64))
def test_other_bytes_are_no_plan(content):
    if content[:4] not in {b"ftrt", b"vtrt"}:
        assert plan_version(content) is None


@pytest.mark.parametrize("place", range(4, 8))
def test_plan_with_something_where_zeros_belong_is_none(place):
    content = bytearray(RTX_PLAN)
    content[place] = 1
    assert plan_version(bytes(content)) is None


def test_onnx_file_is_no_plan(graph):
    assert plan_version(graph.read_bytes()) is None
