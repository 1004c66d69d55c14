"""The result of `benchmark.py prune` as two tables in markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgert.units import text_from_bytes, text_from_count, text_from_duration

_NONE = "-"


def text_from(result: Mapping[str, Any]) -> str:
    """What is compared with what, every model in a row, and onnxsim's rows with their answers."""
    rows = {row["name"]: row for row in result["rows"]}
    baseline = rows[result["baseline"]]
    threads = f"{result['threads']} threads" if result["threads"] else "a thread for each core"
    lines = [
        f"{result['family']}, {result['peer']}. Baseline of every share, ratio and change: the "
        f"graph as {result['baseline']} ({text_from_count(baseline['macs'], 'MACs')}, mIoU "
        f"{baseline['miou']:.2%}).",
        f"{result['calibration_frames']} unlabelled calibration frames, "
        f"{result['validation_frames']} labelled frames, {result['rounds']} rounds of timing "
        f"taking turns in one run, {threads}. 'to make' is the whole process, with what rows "
        "share; memory is its peak.",
        "",
        *_table([_cells(row) for row in rows.values()]),
    ]
    pairs = [_pair(rows, name, answers) for name, answers in result["answers"].items() if answers]
    if pairs:
        lines += ["", "Share of MACs and change of mIoU; edgert's at onnxsim's MACs or fewer:", ""]
        lines += _table(pairs)
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    made_s, peak_bytes, size = row["made_s"], row["peak_bytes"], row.get("file_bytes")
    return {
        "model": row["name"],
        "made by": row["by"],
        "MACs": _percent(row.get("macs_ratio")),
        "mIoU": _percent(row.get("miou"), digits=2),
        "change": _points(row.get("miou_change")),
        "latency": _latency(row),
        "to make": _NONE if made_s is None else text_from_duration(made_s),
        "memory": _NONE if peak_bytes is None else text_from_bytes(peak_bytes),
        "file": _NONE if size is None else text_from_bytes(size),
        "note": row["note"],
    }


def _pair(
    rows: Mapping[str, Mapping[str, Any]], name: str, answers: Mapping[str, str]
) -> dict[str, str]:
    def cell(kind: str) -> str:
        row = rows.get(answers.get(kind, ""))
        return _NONE if row is None else f"{_short(row)} ({row['name'].rpartition('/')[2]})"

    return {
        "onnxsim": name,
        "its result": _short(rows[name]),
        "plain skip": cell("plain"),
        "edgert uniform": cell("uniform"),
        "edgert, family": cell("family"),
    }


def _short(row: Mapping[str, Any]) -> str:
    if "miou_change" not in row:
        return row["note"].partition(":")[0] or _NONE
    return f"{_percent(row['macs_ratio'])}, {_points(row['miou_change'])}"


def _table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A markdown table whose columns also line up in a terminal."""
    columns = list(rows[0])
    safe = [{c: row[c].replace("|", "\\|").replace("\n", " ") for c in columns} for row in rows]
    widths = {c: max(len(c), *(len(row[c]) for row in safe)) for c in columns}
    head = [{c: c for c in columns}, {c: "-" * widths[c] for c in columns}]
    return [
        "| " + " | ".join(row[c].ljust(widths[c]) for c in columns) + " |"
        for row in [*head, *safe]
    ]


def _percent(ratio: float | None, *, digits: int = 1) -> str:
    return _NONE if ratio is None else f"{100 * ratio:.{digits}f} %"


def _points(change: float | None) -> str:
    """A difference of two shares in percentage points; what rounds to zero has no sign."""
    if change is None:
        return _NONE
    rounded = round(100 * change, 2)
    return f"{rounded:+.2f}" if rounded else "0.00"


def _latency(row: Mapping[str, Any]) -> str:
    if "latency_ratio" not in row:
        return _NONE
    low, high = row["latency_ratio_range"]
    return f"{row['latency_ratio']:.2f} ({low:.2f} to {high:.2f})"
