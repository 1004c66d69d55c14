"""How a run fails: any stage's error as one clear line, and an orderly end behind it."""

import logging
from collections.abc import Iterable
from typing import Protocol

from edgert.errors import ArtifactError, EdgertError, InferenceError, VideoError

logger = logging.getLogger(__name__)

# What a stage may fail of; anything else is a bug.
FRAME_ERRORS = (EdgertError, OSError, RuntimeError, ValueError)

# What the loop is at, with the error it becomes and what was expected of it.
_STAGES: dict[str, tuple[type[EdgertError], str]] = {
    "read the source": (VideoError, "a frame or the end"),
    "decide": (EdgertError, "a decision"),
    "activate a configuration": (InferenceError, "a loaded engine"),
    "preprocess a frame": (VideoError, "an input for the model"),
    "run an engine": (InferenceError, "an output"),
    "draw the overlay": (VideoError, "a picture"),
    "write to the sink": (VideoError, "a written frame"),
    "write results": (VideoError, "a result that fits the family's task"),
    "write the run's log": (ArtifactError, "a written line"),
}


class Closable(Protocol):
    """A stage that finishes what it has when closed."""

    def close(self) -> None:
        """Finish; may fail."""
        ...


def stage_error(stage: str, cause: Exception) -> EdgertError:
    """The error of a stage that failed with something else than an EdgertError."""
    kind, expected = _STAGES.get(stage, (EdgertError, "success"))
    got = " ".join(f"{type(cause).__name__}: {cause}".split())
    return kind(stage, expected=expected, got=got, advice="What was written so far is kept")


def as_told(stage: str, error: Exception) -> EdgertError:
    """The error itself where it is one for the operator, else the stage's."""
    return error if isinstance(error, EdgertError) else stage_error(stage, error)


def close_all(endings: Iterable[tuple[str, Closable | None]], *, another_error: bool) -> None:
    """Close every stage, whatever the others do.

    Args:
        endings: Stage name and stage, in the order to close; None is passed over.
        another_error: An error is on its way already: failures here are only logged.

    Raises:
        EdgertError: The first stage that failed to close, when nothing failed before.
    """
    first: EdgertError | None = None
    for stage, closable in endings:
        if closable is None:
            continue
        try:
            closable.close()
        except EdgertError as error:
            first = _note(error, first)
        except (OSError, RuntimeError, ValueError) as error:
            told = stage_error(stage, error)
            told.__cause__ = error
            first = _note(told, first)
    if first is not None and not another_error:
        raise first


def _note(error: EdgertError, first: EdgertError | None) -> EdgertError:
    logger.warning("while ending the run: %s", error)
    return first or error
