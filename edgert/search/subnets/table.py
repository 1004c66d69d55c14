"""What a search over subnets found, as rows and lines of text."""

from edgert.search.subnets.result import FoundSubnet, SubnetResult
from edgert.units import text_from_count, text_from_duration

_POINTS = 100


def rows_of(result: SubnetResult) -> list[dict[str, str]]:
    """One row for each configuration, the whole supernet first."""
    return [_row(result, found) for found in (result.full, *result.frontier)]


def lines_of(result: SubnetResult) -> list[str]:
    """What has to be known about the rows."""
    images = result.images
    lines = [
        f"{result.scored} subnets scored and {result.timed} timed in "
        f"{text_from_duration(60 * result.minutes)} on {result.device}; statistics on "
        f"{images['calibration']} pictures"
    ]
    if result.caution:
        lines.append(result.caution)
    else:
        lines.append(
            f"{result.metric} measured on {images['report']} pictures that did not choose; "
            f"{images['choose']} chose"
        )
    model = result.latency_model
    if model is not None:
        candidates = ", ".join(f"{error:.1%}" for error in model.candidates) or "none"
        lines.append(
            f"latency model: off by {model.median:.1%} (median; nine in ten by less than "
            f"{model.p90:.1%}) on subnets held out of {model.subnets}, by MACs alone "
            f"{model.median_by_macs:.1%}; on the candidates that it put forward {candidates}; "
            "latencies above are measured"
        )
    return lines


def _row(result: SubnetResult, found: FoundSubnet) -> dict[str, str]:
    row = {"name": found.name, "MACs": text_from_count(found.macs)}
    row["of full"] = f"{found.macs / result.full.macs:.1%}"
    if result.cost == "latency":
        seconds = found.latency_s
        row["latency"] = "-" if seconds is None else text_from_duration(seconds)
        row["latency of full"] = f"{found.cost:.1%}"
        row["±"] = f"{found.cost_error:.1%}"
    if found.report is None:
        row["predicted top1, modelled"] = f"{found.choose:.2%}"
    else:
        error = found.report_error
        row["chosen by"] = f"{found.choose:.2%}"
        row[result.metric] = f"{found.report:.2%}"
        row["lost"] = f"{_POINTS * (found.report_drop or 0.0):.2f}"
        row["± points"] = "unknown" if error is None else f"{_POINTS * error:.2f}"
        before = found.before
        row["before recalibration"] = "-" if before is None else f"{before:.2%}"
    row["subnet"] = found.word
    return row
