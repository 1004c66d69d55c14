"""Quantities as people read them. SI inside the program; this is the way out."""

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def text_from_count(count: float, unit: str = "") -> str:
    """3.1e9, "MACs" becomes "3.10 GMACs"; below a thousand the number stays whole."""
    for factor, prefix in _PREFIXES:
        if abs(count) >= factor:
            return f"{count / factor:.2f} {prefix}{unit}".rstrip()
    return f"{count:.0f} {unit}".rstrip()


def text_from_bytes(size_bytes: float) -> str:
    """Bytes in binary multiples: 15728640 becomes "15.0 MiB"."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def text_from_duration(duration_s: float) -> str:
    """0.0123 becomes "12.3 ms", 75 becomes "1 min 15 s"."""
    if duration_s == 0:
        return "0 s"
    if duration_s < 1e-3:
        return f"{duration_s * 1e6:.0f} µs"
    if duration_s < 1:
        return f"{duration_s * 1e3:.1f} ms"
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{minutes} min {seconds} s"
