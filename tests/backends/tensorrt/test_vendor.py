import logging
import threading
from types import SimpleNamespace

import pytest

from edgert.backends.tensorrt.vendor import (
    installed_version,
    is_rtx,
    one_line,
    open_logger,
    open_vendor,
    version_text,
)
from edgert.errors import BackendError, MissingDependencyError
from tests.backends.tensorrt.fake_tensorrt import FakeILogger, Severity

VENDOR = SimpleNamespace(ILogger=FakeILogger)


class Library:
    """libnvinfer's own functions."""

    def __init__(self, *numbers):
        for part, number in zip(("Major", "Minor", "Patch", "Build"), numbers, strict=False):
            setattr(self, f"getInferLib{part}Version", lambda number=number: number)


@pytest.fixture
def vendor_logger():
    return open_logger(VENDOR)


# ---------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("stated", "library", "expected"),
    [
        ("10.13.3.9", None, (10, 13, 3, 9)),
        ("10.3.0", Library(10, 3, 0, 30), (10, 3, 0, 30)),
        ("10.3.0", None, (10, 3, 0)),  # no such library
        ("10.3.0", Library(10, 3), (10, 3, 0)),  # one without the functions
        ("10.3.0", Library(10, 4, 0, 26), (10, 3, 0)),  # another installation's
        ("11.4.0.106", None, (11, 4, 0, 106)),
        ("10.16.1.11.post1", None, (10, 16, 1, 11)),
    ],
)
def test_version_has_four_numbers_where_they_can_be_had(stated, library, expected):
    asked = []

    def open_library(name):
        asked.append(name)
        if library is None:
            raise OSError(name)
        return library

    module = SimpleNamespace(__version__=stated)
    assert installed_version(module, open_library=open_library) == expected
    assert asked == ([] if len(expected) == 4 and library is None else ["libnvinfer.so.10"])


def test_version_is_written_with_dots():
    assert version_text((10, 3, 0, 30)) == "10.3.0.30"


def test_rtx_is_told_by_its_compute_capabilities():
    assert is_rtx(SimpleNamespace(ComputeCapability=1))
    assert not is_rtx(VENDOR)


# ---------------------------------------------------------------- import


def test_missing_module_says_that_jetpack_brings_it():
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        with pytest.raises(
            MissingDependencyError, match="apt install python3-libnvinfer"
        ) as error:
            open_vendor()
        assert "edgert[" not in str(error.value)  # no extra brings it
    else:
        pytest.skip("tensorrt is installed here")


def test_module_without_its_libraries_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "tensorrt.py").write_text(
        "raise ImportError('libnvinfer.so.10: cannot open shared object file:\\nNo such file')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match=r"got libnvinfer\.so\.10: cannot open.*No such file"):
        open_vendor()


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (Severity.INTERNAL_ERROR, logging.ERROR),
        (Severity.ERROR, logging.ERROR),
        (Severity.WARNING, logging.WARNING),
        (Severity.INFO, logging.DEBUG),
    ],
)
def test_messages_go_to_python_logging(vendor_logger, caplog, severity, level):
    with caplog.at_level(logging.DEBUG):
        vendor_logger.log(severity, "first line\nsecond 100 %s.")
    (record,) = caplog.records
    assert (record.levelno, record.name) == (level, "edgert.backends.tensorrt.vendor")
    assert record.getMessage() == "first line second 100 %s"


def test_verbose_messages_are_dropped(vendor_logger, caplog):
    with caplog.at_level(logging.DEBUG):
        vendor_logger.log(Severity.VERBOSE, "a tactic")
    assert not caplog.records


def test_errors_of_a_failing_operation_are_kept_and_not_logged(vendor_logger, caplog):
    with pytest.raises(ValueError, match="x"), vendor_logger.listening() as said:
        vendor_logger.log(Severity.ERROR, "first")
        vendor_logger.log(Severity.INTERNAL_ERROR, "last.")
        raise ValueError("x")
    assert said.errors == ["first", "last"]
    assert (said.first, said.last) == ("first", "last")
    assert not caplog.records


def test_errors_of_an_operation_that_went_on_are_logged(vendor_logger, caplog):
    with vendor_logger.listening():
        vendor_logger.log(Severity.ERROR, "tactic failed")
    assert [record.getMessage() for record in caplog.records] == ["tactic failed"]
    assert caplog.records[0].levelno == logging.WARNING


def test_errors_after_an_operation_are_logged_as_they_come(vendor_logger, caplog):
    with vendor_logger.listening() as said:
        pass
    vendor_logger.log(Severity.ERROR, "later")
    assert said.errors == []
    assert said.first == said.last == "no reason given"
    assert caplog.records[0].levelno == logging.ERROR


def test_errors_are_the_asking_threads_own_where_it_has_some(vendor_logger):
    with vendor_logger.listening() as said:
        thread = threading.Thread(target=vendor_logger.log, args=(Severity.ERROR, "another's"))
        vendor_logger.log(Severity.ERROR, "own")
        thread.start()
        thread.join()
        assert said.first == said.last == "own"
        assert said.errors == ["own", "another's"]


def test_errors_may_be_of_a_thread_of_the_vendors(vendor_logger):
    with vendor_logger.listening() as said:
        thread = threading.Thread(target=vendor_logger.log, args=(Severity.ERROR, "a worker's"))
        thread.start()
        thread.join()
        assert said.last == "a worker's"


def test_out_of_memory_is_found_before_what_follows_from_it(vendor_logger):
    with vendor_logger.listening() as said:
        vendor_logger.log(Severity.ERROR, "Error Code 1: Cuda Runtime (Out of Memory)")
        vendor_logger.log(Severity.ERROR, "Engine deserialization failed")
    assert said.out_of_memory == "Error Code 1: Cuda Runtime (Out of Memory)"


def test_layers_on_the_dla_are_taken_from_the_builders_list(vendor_logger):
    with vendor_logger.listening() as said:
        vendor_logger.log(Severity.INFO, "[DlaLayer] {ForeignNode[conv1...relu2]},")
        vendor_logger.log(Severity.INFO, "[GpuLayer] SOFTMAX: prob")
    assert said.dla_layers == ["{ForeignNode[conv1...relu2]}"]


@pytest.mark.parametrize(("text", "expected"), [("a.\n b. ", "a. b"), ("", "no reason")])
def test_words_fit_one_line(text, expected):
    assert one_line(text) == expected
