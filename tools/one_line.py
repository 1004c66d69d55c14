"""How a tool ends: whatever an operator can act on is one line on stderr, and a status."""

import sys
from collections.abc import Callable

from edgert.artifacts import disk_error
from edgert.errors import EdgertError, UsageError

STOPPED = 130  # as a shell counts Ctrl-C


def status_of(run: Callable[[], None], tool: str, *, stopped: str = "stopped") -> int:
    """Run a tool to its end.

    Args:
        run: All of its work.
        tool: Its name, in front of the line; empty for none.
        stopped: What to say after Ctrl-C.

    Returns:
        0 done, 1 refused, 2 wrong usage, 130 stopped.
    """
    before = f"{tool}: " if tool else ""
    try:
        run()
    except EdgertError as error:
        print(f"{before}{error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except OSError as error:
        told = disk_error(error)
        if told is None:
            raise
        print(f"{before}{told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{before}{stopped}", file=sys.stderr)
        return STOPPED
    return 0
