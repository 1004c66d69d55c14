"""Small text files of the kernel and the vendor, read without an error."""

from pathlib import Path


def read_text(path: Path) -> str:
    """The file's text; "" where it is missing or can't be read."""
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return ""


def read_strings(path: Path) -> list[str]:
    """A device-tree property: strings that each end in NUL; empty ones are left out."""
    return [text.strip() for text in read_text(path).split("\0") if text.strip()]
