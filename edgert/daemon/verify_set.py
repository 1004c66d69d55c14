"""A process that loads every engine of a set, runs each once, and says whether that went well.

    python -m edgert.daemon.verify_set < job.json

The job's line is JSON; see `Job`. The process ends with status 0 and a line of JSON, or with 1 and
the reason in one line on stderr. It ends too when its standard input does: then nobody waits for
it any more.
"""

import os
import sys
import threading
from pathlib import Path

import msgspec
import numpy as np

from edgert.artifacts import BuiltSet, load_built
from edgert.backends.base import Backend, Session
from edgert.errors import EdgertError, EngineLoadError
from edgert.opening.families import backend_from_settings, trusted_keys_from
from edgert.pool.opening import refuse_foreign
from edgert.records import Engine, Record, TensorSpec
from edgert.settings import Settings

_NICENESS = 10


class Job(Record, frozen=True, kw_only=True):
    """What is to be verified, and with what."""

    folder: str  # of the built set
    settings: Settings


def verify_set(folder: Path, settings: Settings) -> int:
    """Load each engine of a set by itself, run it once on zeros and look at what comes out.

    Returns:
        How many engines were verified.

    Raises:
        EdgertError: The set or an engine is not sound; the line says which and why.
    """
    backend = backend_from_settings(settings)
    built = load_built(folder, trusted_keys=trusted_keys_from(settings))
    refuse_foreign(built, backend)
    for engine in built.manifest.engines:
        _verify_engine(built, backend, engine)
    return len(built.manifest.engines)


def _verify_engine(built: BuiltSet, backend: Backend, engine: Engine) -> None:
    session = backend.load(built.path / engine.file, engine.sha256)
    try:
        manifest = built.manifest
        for what, stated, found in (
            ("inputs", manifest.inputs, session.inputs),
            ("outputs", manifest.outputs, session.outputs),
        ):
            if tuple(stated) != tuple(found):
                raise _refused(engine, f"{what} {_words(stated)}", _words(found))
        _run_once(engine, session)
    finally:
        session.close()


def _run_once(engine: Engine, session: Session) -> None:
    feeds = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in session.inputs}
    results = session.run(feeds)
    for spec in session.outputs:
        array = results[spec.name]
        if array.shape != spec.shape:
            raise _refused(engine, f"{spec.name} of shape {spec.shape}", str(array.shape))
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            count = int(array.size - np.isfinite(array).sum())
            got = f"{count} of {array.size} that are not, for a picture of zeros"
            raise _refused(engine, f"finite numbers in {spec.name}", got)


def _words(specs: "list[TensorSpec] | tuple[TensorSpec, ...]") -> str:
    return ", ".join(f"{s.name} {s.dtype} {s.shape}" for s in specs) or "none"


def _refused(engine: Engine, expected: str, got: str) -> EngineLoadError:
    return EngineLoadError(
        f"verify {engine.name}", expected=expected, got=got, advice="Build the family again"
    )


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> int:
    """Read the job, do it, tell."""
    os.nice(_NICENESS)  # frames go on meanwhile
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    try:
        count = verify_set(Path(job.folder), job.settings)
    except EdgertError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f'{{"engines": {count}}}\n')
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    os._exit(main())  # a runtime's threads, and the one that waits for stdin, end with it
