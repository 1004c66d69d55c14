import dataclasses
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.backends.tensorrt.arena import Lane, TensorBuffer
from edgert.errors import BackendError, EngineLoadError
from edgert.records import TensorSpec
from tests.backends.cuda_memory.fake_cuda import ORIN, FakeCuda

FRAME = TensorSpec(name="frame", shape=(1, 3, 8, 8))
LOGITS = TensorSpec(name="logits", shape=(1, 64, 5))
DISCRETE = dataclasses.replace(ORIN, integrated=False)


@pytest.fixture
def lane(cuda):
    return Lane(cuda)


def taken(lane, scratch_bytes=1024, *, inputs=(FRAME,), outputs=(LOGITS,)):
    return lane.slot(inputs, outputs, scratch_bytes, subject="load x")


# ---------------------------------------------------------------- one tensor's memory


def test_integrated_device_shares_the_programs_memory(cuda):
    buffer = TensorBuffer(cuda, FRAME)
    buffer.array[...] = 2.5
    on_device = cuda.memory(buffer.address, FRAME.size_bytes).view("float32")
    assert set(on_device) == {2.5}
    assert cuda.calls == [("allocate_pinned", (FRAME.size_bytes, True))]


def test_integrated_device_needs_no_copies(cuda):
    buffer, stream = TensorBuffer(cuda, FRAME), cuda.stream()
    buffer.queue_upload(stream)
    buffer.queue_download(stream)
    assert cuda.ran == []


def test_discrete_device_has_a_buffer_of_its_own_and_copies():
    cuda = FakeCuda(device=DISCRETE)
    buffer, stream = TensorBuffer(cuda, FRAME), cuda.stream()
    buffer.array[...] = 2.5
    assert not (cuda.memory(buffer.address, 4).view("float32") == 2.5).any()
    buffer.queue_upload(stream)
    assert (cuda.memory(buffer.address, FRAME.size_bytes).view("float32") == 2.5).all()
    buffer.array[...] = 0
    buffer.queue_download(stream)
    assert (buffer.array == 2.5).all()


@given(
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    st.sampled_from(["float32", "float16", "int64", "uint8", "bool"]),
    st.booleans(),
)
def test_array_has_the_tensors_shape_and_type(shape, dtype, integrated):
    cuda = FakeCuda(device=ORIN if integrated else DISCRETE)
    buffer = TensorBuffer(cuda, TensorSpec(name="x", shape=shape, dtype=dtype))
    assert (buffer.array.shape, buffer.array.dtype.name) == (shape, dtype)
    assert buffer.address % 256 == 0
    buffer.array[...] = np.ones(shape, dtype)
    buffer.close()
    assert cuda.open_names == []


def test_device_memory_that_cannot_be_had_leaves_no_pinned_memory():
    cuda = FakeCuda(device=DISCRETE, budget_bytes=10)
    with pytest.raises(BackendError, match="OUT_OF_MEMORY"):
        TensorBuffer(cuda, FRAME)
    assert cuda.open_names == []


# ---------------------------------------------------------------- what slots share


def test_slots_share_stream_scratch_and_equal_tensors(lane):
    with taken(lane, 1024) as first, taken(lane, 512) as second:
        assert first == second
        assert first.scratch_bytes == 1024


@pytest.mark.parametrize(
    "change", [{"name": "image"}, {"shape": (1, 3, 4, 8)}, {"dtype": "float16"}]
)
def test_tensors_that_differ_have_memory_of_their_own(lane, change):
    other = TensorSpec(**{"name": "frame", "shape": (1, 3, 8, 8), **change})
    with taken(lane) as first, taken(lane, inputs=(other,)) as second:
        assert first.inputs[0].address != second.inputs[0].address
        assert first.outputs == second.outputs


def test_input_and_output_of_one_name_are_two(lane):
    with taken(lane, inputs=(FRAME,), outputs=(FRAME,)) as slot:
        assert slot.inputs[0].address != slot.outputs[0].address
        assert slot.buffers == (*slot.inputs, *slot.outputs)


def test_memory_goes_with_the_last_slot(lane, cuda):
    with ExitStack() as first:
        first.enter_context(taken(lane))
        with taken(lane):
            pass
        assert len(cuda.open_names) == 4  # stream, scratch, input, output
        assert lane.slots == 1
    assert cuda.open_names == []
    assert lane.scratch_bytes == 0


def test_lane_can_be_used_again(lane, cuda):
    for scratch_bytes in (512, 4096):
        with taken(lane, scratch_bytes) as slot:
            assert slot.scratch_bytes == scratch_bytes
    assert cuda.open_names == []


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_any_order_of_coming_and_going_leaves_nothing(order):
    """A number opens the slot of that input, or closes it where it is open."""
    cuda = FakeCuda()
    lane, held = Lane(cuda), {}
    for number in order:
        if number in held:
            held.pop(number).close()
        else:
            spec = TensorSpec(name=f"frame{number // 2}", shape=(1, 4))
            held[number] = ExitStack()
            held[number].enter_context(taken(lane, 256, inputs=(spec,)))
        names = {number // 2 for number in held}
        assert len(cuda.open_names) == (3 + len(names) if held else 0)
    for stack in held.values():
        stack.close()
    assert cuda.open_names == []


# ---------------------------------------------------------------- scratch memory


def test_scratch_is_allocated_once_with_the_size_reserved(lane, cuda):
    lane.reserve(8192)
    with taken(lane, 1024) as first, taken(lane, 8192) as second:
        assert first.scratch_address == second.scratch_address
    assert [size for name, size in cuda.calls if name == "allocate"] == [8192]


def test_reservation_holds_after_the_sessions_are_gone(lane):
    lane.reserve(8192)
    with taken(lane, 1024):
        pass
    with taken(lane, 1024) as slot:
        assert slot.scratch_bytes == 8192


def test_scratch_grows_while_nobody_uses_it(lane):
    lane.reserve(1024)
    with taken(lane, 4096) as slot:
        assert slot.scratch_bytes == 4096


def test_engine_that_needs_more_than_is_shared_is_refused(lane, cuda):
    with taken(lane, 1024) as first:
        names = cuda.open_names
        with pytest.raises(EngineLoadError) as error, taken(lane, 4096):
            pass
        assert "at most 1.0 KiB of scratch" in error.value.expected
        assert error.value.got == "an engine that needs 4.0 KiB"
        assert cuda.open_names == names
        assert lane.scratch_bytes == first.scratch_bytes


def test_reservation_under_loaded_engines_is_refused_where_it_is_larger(lane):
    with taken(lane, 1024):
        lane.reserve(512)  # there is that much
        with pytest.raises(BackendError, match="expected no engines loaded yet, got 1 that share"):
            lane.reserve(2048)


def test_later_reservation_replaces_the_earlier(lane, cuda):
    lane.reserve(8192)
    lane.reserve(1024)
    assert lane.scratch_bytes == 1024
    lane.close()
    assert cuda.open_names == []


def test_reservation_beyond_the_memory_says_what_is_left(lane, cuda):
    with pytest.raises(BackendError, match=r"OUT_OF_MEMORY with 64\.0 MiB free"):
        lane.reserve(1 << 30)
    assert cuda.open_names == []


def test_engine_without_scratch_has_an_address_all_the_same(lane):
    with taken(lane, 0) as slot:
        assert slot.scratch_address
        assert slot.scratch_bytes == 256


def test_slot_that_memory_is_short_for_leaves_nothing():
    cuda = FakeCuda(budget_bytes=2000)  # for scratch and input, and not for the output
    with pytest.raises(BackendError, match="OUT_OF_MEMORY"), taken(Lane(cuda), 1024):
        pass
    assert cuda.open_names == []
