"""NVIDIA's module: how it is imported, what it says, and all in which its versions differ.

The rest of this package is one code path for TensorRT 10.3 (JetPack 6), 10.13 (7.0, 7.1), 10.16
(7.2) and 11.4, and, to compile on a CPU, for TensorRT-RTX. What differs between them:

version     10.3's `__version__` lacks the fourth number that plans are checked against; the
            library's own functions have it
RTX         `ComputeCapability` marks it; it has no timing cache, and its plans a tag of their own
inspector   11 says "I/O Tensors" where 10 said "Bindings"
typing      strong typing is asked for by a flag; 11 knows nothing else and ignores the flag
DLA         10.7 was the last before 11.4.1 that had it; the others state that there are 0 cores
"""

import ctypes
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgert.errors import BackendError, MissingDependencyError
from edgert.optional import needs

TENSORRT_TAG, RTX_TAG = b"ftrt", b"vtrt"  # the first bytes of a plan
EDGE_KEYS = ("I/O Tensors", "Bindings")  # of the inspector: the engine's inputs and outputs

# Names that not every version has, and those that do. The conformance tests fail for any other
# name that one of the versions lacks.
VERSION_DEPENDENT: dict[str, tuple[str, ...]] = {}

logger = logging.getLogger(__name__)


def open_vendor() -> Any:
    """NVIDIA's module tensorrt.

    Raises:
        MissingDependencyError: It is not installed; the message says where it comes from.
        BackendError: It is, but the libraries below it are not.
    """
    try:
        return needs("tensorrt", "", "to build and run engines")
    except MissingDependencyError as error:
        # No extra brings it: what pip could install does not run on a Jetson.
        raise MissingDependencyError(
            error.subject,
            expected=error.expected,
            got=error.got,
            advice="Run: apt install python3-libnvinfer (JetPack's own), and make the environment "
            "with --system-site-packages",
        ) from error
    except ImportError as error:
        raise BackendError(
            "import tensorrt",
            expected="the libraries that it loads",
            got=one_line(str(error)),
            advice="Install the TensorRT of this JetPack again",
        ) from error


def is_rtx(vendor: Any) -> bool:
    """Whether it is TensorRT-RTX, which compiles for GPUs that need not be here."""
    return hasattr(vendor, "ComputeCapability")


def installed_version(
    vendor: Any, *, open_library: Callable[[str], Any] = ctypes.CDLL
) -> tuple[int, ...]:
    """Major, minor, patch and, where it can be had, build: (10, 3, 0, 30).

    Args:
        vendor: The module.
        open_library: Finds a shared library by its name; the vendor's is loaded already.
    """
    numbers = tuple(int(part) for part in vendor.__version__.split(".") if part.isdecimal())
    if len(numbers) >= 4:
        return numbers[:4]
    try:
        library = open_library(f"libnvinfer.so.{numbers[0]}")
        parts = [getattr(library, f"getInferLib{part}Version")() for part in _VERSION_PARTS]
    except (OSError, AttributeError):  # under another name, or without these functions
        return numbers
    return tuple(parts) if tuple(parts[: len(numbers)]) == numbers else numbers


_ON_DLA = "[DlaLayer] "  # the builder's own list of what it placed there
_VERSION_PARTS = ("Major", "Minor", "Patch", "Build")


def version_text(numbers: tuple[int, ...]) -> str:
    """(10, 3, 0, 30) becomes "10.3.0.30"."""
    return ".".join(str(number) for number in numbers)


def strongly_typed(vendor: Any) -> int:
    """Flags of a network in which every tensor has the type that the graph states."""
    return 1 << int(vendor.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def one_line(text: str) -> str:
    """The vendor's words without line breaks and full stop."""
    return " ".join(text.split()).rstrip(". ") or "no reason"


class Said:
    """What TensorRT complained of during one operation, which may use threads of TensorRT's."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._errors: list[tuple[bool, str]] = []
        self.dla_layers: list[str] = []  # a build's, by the names of the inspector

    def add_error(self, text: str) -> None:
        """Keep an error, and whether it came from the thread that asked for the operation."""
        self._errors.append((threading.get_ident() == self._thread, text))

    @property
    def errors(self) -> list[str]:
        """All, in order."""
        return [text for _, text in self._errors]

    @property
    def first(self) -> str:
        """The first error, from which others follow: a truncated plan also fails to be freed."""
        return self._of_asking_thread()[0]

    @property
    def last(self) -> str:
        """The last error: what a build that survived others before ended with."""
        return self._of_asking_thread()[-1]

    def _of_asking_thread(self) -> list[str]:
        """Its errors, else those of any thread, else words that there was none."""
        own = [text for mine, text in self._errors if mine]
        return own or self.errors or ["no reason given"]

    @property
    def out_of_memory(self) -> str:
        """The first error that says so; others follow from it. "" where none does."""
        return next((text for text in self.errors if "out of memory" in text.lower()), "")


def open_logger(vendor: Any) -> Any:
    """TensorRT's messages as Python logging, under this module's name.

    One for a process is best: TensorRT keeps the first that it is given for some of its messages.

    Returns:
        An `ILogger` with one more method: `listening()`, a context that gives a `Said`. Errors
        within it are meant for an error line of ours, so they are logged only if all goes well.
    """
    levels = {
        vendor.ILogger.INTERNAL_ERROR: logging.ERROR,
        vendor.ILogger.ERROR: logging.ERROR,
        vendor.ILogger.WARNING: logging.WARNING,
        vendor.ILogger.INFO: logging.DEBUG,
    }  # verbose messages are one for each node and tactic: dropped

    class VendorLogger(vendor.ILogger):  # type: ignore[misc]  # the base is known at run time
        def __init__(self) -> None:
            vendor.ILogger.__init__(self)  # as its documentation demands: not by super()
            self._open: list[Said] = []

        def log(self, severity: Any, msg: str) -> None:
            level = levels.get(severity)
            if level is None:
                return
            text = one_line(msg)
            listeners = tuple(self._open)
            for said in listeners:
                if text.startswith(_ON_DLA):
                    said.dla_layers.append(text.removeprefix(_ON_DLA).rstrip(","))
                if level == logging.ERROR:
                    said.add_error(text)
            if level < logging.ERROR or not listeners:
                logger.log(level, "%s", text)

        @contextmanager
        def listening(self) -> Iterator[Said]:
            said = Said()
            self._open.append(said)
            try:
                yield said
            finally:
                self._open.remove(said)
            for text in said.errors:  # it went on all the same: nobody else would tell
                logger.warning("%s", text)

    return VendorLogger()
