"""Each of onnxruntime's exceptions is one line of ours."""

import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as vendor

from edgert.backends.onnxruntime_errors import _EXPECTED, refuse, vendor_errors
from edgert.errors import BackendError, EngineLoadError, InferenceError


def line_of(error, error_class=InferenceError):
    assert isinstance(error, vendor_errors())
    with pytest.raises(error_class) as raised:
        refuse(error, "run c1.onnx", error_class)
    assert raised.value.__cause__ is error
    assert "\n" not in str(raised.value)
    return raised.value


def test_the_prefix_and_further_lines_are_left_out():
    text = "[ONNXRuntimeError] : 1 : FAIL : Node 'a' : no luck.\n index: 2\n"
    error = line_of(vendor.Fail(text))
    assert (error.subject, error.got) == ("run c1.onnx", "Node 'a' : no luck")
    assert error.expected == "a graph with all its weights"


@pytest.mark.parametrize("vendor_error", [vendor.Fail, vendor.RuntimeException])
def test_arena_at_its_end_is_told_in_bytes(vendor_error):
    error = line_of(
        vendor_error(
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Resize "
            "node. Available memory of 33089536 is smaller than requested bytes of 50331648\n\n"
        )
    )
    assert error.expected == "48.0 MiB more memory for activations"
    assert error.got == "31.6 MiB left"


@pytest.mark.parametrize("error", [RuntimeError("broken"), MemoryError()])
def test_failure_without_a_code_is_mapped_too(error):
    line = line_of(error)
    assert line.got in ("broken", "MemoryError")
    assert line.expected == "onnxruntime to go on"


@pytest.mark.parametrize(
    ("error_class", "advice"),
    [
        (EngineLoadError, "Build the family again"),
        (InferenceError, "Check the graph"),
        (BackendError, "Check the graph"),
    ],
)
def test_the_advice_is_for_what_was_done(error_class, advice):
    assert line_of(vendor.InvalidGraph("no such operator"), error_class).advice == advice


def test_every_name_of_the_installed_version_is_caught():
    named = [getattr(vendor, name) for name in _EXPECTED if hasattr(vendor, name)]
    assert len(named) >= 8
    assert set(named) <= set(vendor_errors())


@pytest.mark.parametrize("ours", [KeyError, TypeError, ValueError, OSError])
def test_bugs_of_our_own_are_not_taken_for_the_vendor_s(ours):
    assert not issubclass(ours, vendor_errors())
