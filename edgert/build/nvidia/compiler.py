"""TensorRT-RTX in a process of its own, so that a fault in it is one line about one graph."""

import multiprocessing
import platform
import signal
from contextlib import ExitStack
from pathlib import Path

from edgert.build.nvidia.report import Compilation, Refusal
from edgert.build.nvidia.worker import Failed, Ready, serve
from edgert.build.scratch import scratch_folder
from edgert.errors import BackendError, BuildError
from edgert.processes import interrupts_wait

MODULE = "tensorrt_rtx"
# Where the GPU is not there, its compute capability has to be named. Orin's is SM87 and Thor's
# SM110, which TensorRT-RTX does not know; SM86 is of Orin's generation.
CAPABILITY = "SM86"
_PATIENCE_S = 600.0  # the bundled family's graphs take two seconds each
_END_S = 5.0
_MACHINES = ("x86_64", "AMD64")


class NvidiaCompiler:
    """NVIDIA's parser and ahead-of-time compiler. Use as a context manager.

    Args:
        module: NVIDIA's Python module; it is imported in the other process alone.
        machine: This machine's processor, as `platform.machine` tells it.
        capability: For which GPUs to compile.
        patience_s: A graph that takes longer is given up.
        scratch: For a temporary file; None: where such files go.
    """

    def __init__(
        self,
        *,
        module: str = MODULE,
        machine: str | None = None,
        capability: str = CAPABILITY,
        patience_s: float = _PATIENCE_S,
        scratch: Path | None = None,
    ) -> None:
        self._module, self._patience_s = module, patience_s
        self._machine = platform.machine() if machine is None else machine
        self.capability = capability
        self.version = ""  # of TensorRT-RTX, once it is open
        self._process: _Process | None = None
        self._stack, self._scratch = ExitStack(), scratch
        self._folder = Path()

    def __enter__(self) -> "NvidiaCompiler":
        """Start the process.

        Raises:
            BuildError: There is no TensorRT-RTX for this processor.
            MissingDependencyError: It is not installed.
            BackendError: It does not load.
        """
        if self._machine not in _MACHINES:
            raise BuildError(
                "open TensorRT-RTX",
                expected="an x86-64 processor, the only one that it is made for",
                got=self._machine,
                advice="Verify on a PC or in CI; on the board itself, build the family",
            )
        with ExitStack() as stack:  # what fails below leaves nothing behind
            self._folder = stack.enter_context(scratch_folder(self._scratch))
            stack.callback(self._end)
            self._process = self._started()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, also in the middle of a graph."""
        self._stack.close()

    def compile(self, graph: Path, name: str) -> Compilation:
        """Parse and compile a graph.

        Args:
            graph: An ONNX file with static shapes, weights beside it.
            name: What errors call it.

        Returns:
            What came of it. A fault of NVIDIA's code is a refusal too; the next graph gets a new
            process.
        """
        if self._process is None:
            self._process = self._started()
        try:
            found = self._process.ask(graph, name, patience_s=self._patience_s)
        except TimeoutError:
            got = f"no answer within {self._patience_s:g} s"
        except (EOFError, ConnectionError):
            got = self._process.ending()
        else:
            return found
        self._end()
        return Compilation(
            refused=Refusal(
                "crash",
                expected="a plan, or a reason why there is none",
                got=got,
                advice="Leave it out, or look at its last edits one by one",
            )
        )

    def _started(self) -> "_Process":
        process = _Process(self._module, self.capability, self._folder / "printed")
        try:
            self.version = process.version()
        except EOFError as error:
            raise BackendError(
                "open TensorRT-RTX",
                expected="a process that loads it",
                got=process.ending(),
                advice="Free some memory, and install edgert[rtx] again",
            ) from error
        finally:
            if not self.version:
                process.kill()
        return process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None


class _Process:
    """`worker.serve` in a new process, and the connection to it."""

    def __init__(self, module: str, capability: str, printed: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._printed = printed
        arguments = (theirs, module, capability, printed)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        with interrupts_wait():
            self._process.start()
        theirs.close()  # or its end would not be noticed

    def version(self) -> str:
        """What was loaded; asked once, first.

        Raises:
            EdgertError: As `worker.open_rtx`.
            EOFError: The process ended.
        """
        answer: Ready | Failed = self._connection.recv()
        if isinstance(answer, Failed):
            raise answer.error()
        return answer.version

    def ask(self, graph: Path, name: str, *, patience_s: float) -> Compilation:
        """What comes of a graph.

        Raises:
            TimeoutError: Nothing did in time.
            EOFError, ConnectionError: The process ended.
        """
        self._connection.send((str(graph), name))
        if not self._connection.poll(patience_s):
            raise TimeoutError
        found: Compilation = self._connection.recv()
        return found

    def ending(self) -> str:
        """How a process ended that did, and what it printed last."""
        self._process.join(_END_S)
        code = self._process.exitcode
        told = "a process that ended"
        if code is not None:
            told += f" by {_signal(-code)}" if code < 0 else f" with status {code}"
        text = self._printed.read_text(errors="replace") if self._printed.is_file() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f"{told}: {lines[-1].rstrip('.')}" if lines else told

    def kill(self) -> None:
        """End it at once: it writes no file of ours."""
        self._connection.close()
        self._process.kill()
        self._process.join()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
