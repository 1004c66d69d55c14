"""Claims and what came of them as rows, as JSON, and what a reader has to run to check them."""

from collections.abc import Sequence

import msgspec

from edgert.profiling.savings import ClaimCheck


def rows_of(checks: Sequence[ClaimCheck]) -> list[dict[str, str]]:
    """The checks as a table's rows."""
    return [_row(check) for check in checks]


def _row(check: ClaimCheck) -> dict[str, str]:
    claim, saving = check.claim, check.saving
    drop = "-" if claim.drop is None else f"{claim.drop:g}"
    ours = interval = points = relative = configuration = ""
    if saving is not None:
        mark = "" if saving.provenance == "measured" else f" ({saving.provenance})"
        what = "" if saving.quantity == claim.quantity else f" {saving.quantity}"
        ours = f"{saving.ratio:.1%}{what}{mark}"
        interval = f"{saving.low:.1%} to {saving.high:.1%}" if saving.low < saving.high else ""
        configuration = f"{saving.configuration} against {saving.baseline}"
        points = "-" if saving.drop_points is None else f"{saving.drop_points:.2f}"
        relative = "-" if saving.drop_relative is None else f"{saving.drop_relative:.2f} %"
    return {
        "claim": claim.name,
        "saves": f"{'up to ' if claim.up_to else ''}{claim.saving_ratio:.0%} {claim.quantity}",
        "at a drop of": f"{drop} ({claim.drop_kind})",
        "ours": ours,
        "95 %": interval,
        "configuration": configuration,
        "points": points,
        "relative": relative,
        "verdict": check.verdict,
    }


def plain(checks: Sequence[ClaimCheck]) -> list[dict[str, object]]:
    """The checks as `--json` prints them; stable."""
    return [
        {
            "claim": msgspec.to_builtins(check.claim),
            "saving": None if check.saving is None else vars(check.saving),
            "verdict": check.verdict,
            "differs": check.differs,
            "reasons": check.reasons,
        }
        for check in checks
    ]


def lines_of(checks: Sequence[ClaimCheck]) -> list[str]:
    """Why verdicts are what they are, and the commands that check what could not be compared.

    Claims that take the same commands share them.
    """
    lines = [
        f"  {check.claim.name}: {check.verdict}: {reason}"
        for check in checks
        for reason in check.reasons
    ]
    shared: dict[tuple[str, ...], list[ClaimCheck]] = {}
    for check in checks:
        if check.verdict == "not comparable" and check.claim.to_check:
            shared.setdefault((check.claim.needs, *check.claim.to_check), []).append(check)
    for (needs, *commands), of in shared.items():
        names = ", ".join(check.claim.name for check in of)
        lines += ["", f"to check {names} (it takes {needs}):"]
        lines += [f"  {command}" for command in commands]
    return lines
