"""How much memory is left on this machine, as the kernel estimates it."""

from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def available_bytes(meminfo: Path = MEMINFO) -> int | None:
    """What can be taken without swapping, file cache that can be given up included.

    Args:
        meminfo: The kernel's table, with the line "MemAvailable:  24388564 kB".

    Returns:
        None where there is no such table or line, as on another kernel than Linux.
    """
    try:
        lines = meminfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) == 3 and fields[0] == "MemAvailable:":
            return int(fields[1]) * 1024
    return None
