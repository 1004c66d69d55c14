"""Which processor an engine was built for, from /proc/cpuinfo.

Compiled engines hold weights in the order that this processor's vector instructions read them
(blocks of 16 channels with AVX-512, of 8 with AVX2). On another processor they may compute
something else without an error, which is why the processor is part of an engine's identity.
"""

import hashlib
import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

# Only what arithmetic can use: the kernel's other flags change with its version and mitigations.
_ARITHMETIC = re.compile(r"(sse|ssse|avx|fma|f16c|amx|asimd|neon|sve|sme|fp|bf16|i8mm|f32mm|vfp)")


def cpu_identity(cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """The machine, the processor's model and its arithmetic instructions.

    Args:
        cpuinfo: The kernel's description, in x86's or ARM's words.

    Returns:
        "machine" as "x86_64"; "cpu" as the kernel names it, or "unknown"; "cpu_instructions", a
        SHA-256 over the sorted instruction flags.
    """
    fields = _fields(cpuinfo)
    lines = fields.get("flags", set()) | fields.get("features", set())  # x86, ARM
    flags = {flag for line in lines for flag in line.split() if _ARITHMETIC.match(flag)}
    # ARM kernels often give numbers only, and a board can mix two kinds of core.
    numbers = [
        f"{key} {'/'.join(sorted(fields[key]))}"
        for key in ("cpu implementer", "cpu part")
        if key in fields
    ]
    model = " / ".join(sorted(fields.get("model name", ()))) or ", ".join(numbers) or "unknown"
    return {
        "machine": platform.machine(),
        "cpu": model,
        "cpu_instructions": hashlib.sha256(" ".join(sorted(flags)).encode()).hexdigest(),
    }


def _fields(cpuinfo: Path) -> dict[str, set[str]]:
    """Every key in small letters with the values that it has on any core."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux, or a sandbox without /proc: runtime and machine must do
        return {}
    fields: dict[str, set[str]] = {}
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator:
            fields.setdefault(key.strip().lower(), set()).add(value.strip())
    return fields
