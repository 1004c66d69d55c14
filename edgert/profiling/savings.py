"""What papers claim to save, held against what was measured.

A claim is a share of energy or time saved at a drop of the score. Ours is the configuration of a
profile that saves most while its score falls by no more, against a baseline that is named. Figures
that an emulator or a model made are shown, and never judged: there is no verdict without a
measurement, nor between different models or data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgert.errors import ArtifactError
from edgert.profiling.claims import Claim, Quantity
from edgert.records import Profile, ProfileEntry, Provenance
from edgert.units import text_from_count

Verdict = Literal["met", "not met", "undecided", "not comparable"]
Difference = Literal["model", "data", "size"]

# 95 % interval of a median: 1.57 times the spread of the middle half over the root of the runs
# (McGill, Tukey, Larsen, Variations of box plots, 1978).
_NOTCH = 1.57
# Models are of one size where their MACs are no farther apart than this: abstracts round, and
# ResNet-50 with the stem of ResNet-50D, which the released subnets have, counts 4.3 G for 4 G.
_SAME_SIZE = 0.2


@dataclass(frozen=True)
class Saving:
    """What a configuration saves against a baseline: a ratio with its 95 % interval."""

    configuration: str
    baseline: str
    quantity: Quantity
    ratio: float
    low: float
    high: float
    drop_points: float | None  # of the score times 100
    drop_relative: float | None  # percent of the baseline's score
    provenance: Provenance


@dataclass(frozen=True)
class ClaimCheck:
    """A claim beside ours. `saving` may be there without a verdict: it is shown all the same."""

    claim: Claim
    saving: Saving | None
    verdict: Verdict
    reasons: list[str] = field(default_factory=list)  # why not comparable, or what is undecided
    differs: list[Difference] = field(default_factory=list)  # in what from the claim's


def check_claims(
    claims: Sequence[Claim], profile: Profile, *, baseline: str | None = None
) -> list[ClaimCheck]:
    """Hold claims against a profile.

    Args:
        claims: As `load_claims` gives them.
        profile: What was measured of a family.
        baseline: The configuration that savings are stated against; None takes the dearest.

    Raises:
        ArtifactError: The profile has no such configuration.
    """
    named = None if baseline is None else _named(profile, baseline)
    return [_check(claim, profile, named or _baseline(claim, profile)) for claim in claims]


def _named(profile: Profile, name: str) -> ProfileEntry:
    for entry in profile.entries:
        if entry.name == name:
            return entry
    raise ArtifactError(
        f"check savings of {profile.family}",
        expected=f"a baseline among {', '.join(e.name for e in profile.entries)}",
        got=repr(name),
        advice="Name one of them",
    )


def _baseline(claim: Claim, profile: Profile) -> ProfileEntry:
    """The best of those that are as large as the claim's model; the dearest where none is."""
    sized = [entry for entry in profile.entries if _same_size(entry.macs, claim.base_macs)]
    return max(sized, key=lambda entry: entry.accuracy or 0.0, default=profile.entries[0])


def _same_size(macs: int | None, claimed: float | None) -> bool:
    if not macs or not claimed:
        return False
    return abs(macs / claimed - 1) <= _SAME_SIZE


def _check(claim: Claim, profile: Profile, base: ProfileEntry) -> ClaimCheck:
    found = _differences(claim, profile, base)
    differs = [kind for kind in _KINDS if kind in found]
    reasons = [_joined(differs, found)] if differs else []
    reasons += _shortcomings(claim, base)
    quantity = claim.quantity
    if quantity == "energy" and not any(_figure(entry, "energy") for entry in profile.entries):
        quantity = "time"
        reasons.append("the profile has no energy: what is shown is saved of the time")
    savings = _savings(profile, base, quantity)
    best = max(
        (saving for saving in savings if _within(saving, claim)),
        key=lambda saving: saving.ratio,
        default=None,
    )
    if best is None:
        reasons.append(f"no configuration with {quantity} and score drops by so little")
        # What is not comparable is shown all the same: the one that comes nearest.
        scored = [saving for saving in savings if differs and saving.drop_points is not None]
        best = min(scored, key=lambda saving: saving.drop_points or 0.0, default=None)
    if best is not None and best.provenance != "measured":
        reasons.append(f"our {quantity} is {best.provenance}, not measured")
    if reasons or best is None:
        return ClaimCheck(claim, best, "not comparable", reasons, differs)
    if best.low >= claim.saving_ratio:
        return ClaimCheck(claim, best, "met")
    if best.high < claim.saving_ratio:
        return ClaimCheck(claim, best, "not met")
    return ClaimCheck(claim, best, "undecided", ["the claim lies inside our interval"])


def _savings(profile: Profile, base: ProfileEntry, quantity: Quantity) -> list[Saving]:
    """What every other configuration saves that there are figures of."""
    found = [saving_of(entry, base, quantity) for entry in profile.entries if entry is not base]
    return [saving for saving in found if saving is not None]


def saving_of(entry: ProfileEntry, base: ProfileEntry, quantity: Quantity) -> Saving | None:
    """What an entry saves against another; None where one of them has no such figure.

    Where energies were measured in windows that took turns, theirs is the ratio. Otherwise the two
    intervals are joined as those of independent figures, on the logarithm of the ratio.
    """
    ours, theirs = _figure(entry, quantity), _figure(base, quantity)
    if ours is None or theirs is None:
        return None
    value, spread, provenance = ours
    base_value, base_spread, base_provenance = theirs
    ratio = value / base_value
    uncertainty = math.hypot(spread / value, base_spread / base_value)
    low, high = ratio * math.exp(-uncertainty), ratio * math.exp(uncertainty)
    if quantity == "energy" and entry.energy is not None and entry.energy.baseline is not None:
        paired = entry.energy.baseline
        if paired.baseline == base.name:
            ratio, (low, high) = paired.total, paired.total_interval
    drop = relative = None
    if entry.accuracy is not None and base.accuracy:
        drop = (base.accuracy - entry.accuracy) * 100
        relative = drop / base.accuracy
    return Saving(
        configuration=entry.name,
        baseline=base.name,
        quantity=quantity,
        ratio=1 - ratio,
        low=1 - high,
        high=1 - low,
        drop_points=drop,
        drop_relative=relative,
        provenance=provenance if provenance != "measured" else base_provenance,
    )


def _figure(entry: ProfileEntry, quantity: Quantity) -> tuple[float, float, Provenance] | None:
    """A value, half its 95 % interval, and where it comes from."""
    if quantity == "time":
        if entry.latency is not None:
            half = _NOTCH * entry.latency.iqr_s / math.sqrt(entry.latency.runs)
            return entry.latency_s, half, entry.latency_from
        # Without runs a measured time has no interval, and a modelled one has none at all.
        return (
            None if entry.latency_from == "measured" else (entry.latency_s, 0, entry.latency_from)
        )
    if entry.energy is not None:
        low, high = entry.energy.total_interval_j
        return entry.energy.total_j, (high - low) / 2, entry.energy.provenance
    if entry.energy_j is not None and entry.energy_from is not None:
        return entry.energy_j, 0.0, entry.energy_from
    return None


def _within(saving: Saving, claim: Claim) -> bool:
    """Whether a saving costs no more of the score than the claim's."""
    if claim.drop is None:
        return True
    drops = {
        "absolute": [saving.drop_points],
        "relative": [saving.drop_relative],
        "not stated": [saving.drop_points, saving.drop_relative],
    }[claim.drop_kind]
    return all(drop is not None and drop <= claim.drop + 1e-9 for drop in drops)


_KINDS: tuple[Difference, ...] = ("model", "data", "size")


def _differences(claim: Claim, profile: Profile, base: ProfileEntry) -> dict[Difference, str]:
    """In what a profile is of something else than a claim, each in words."""
    found: dict[Difference, str] = {}
    if not any(profile.family.startswith(prefix) for prefix in claim.model):
        found["model"] = f"{profile.family}, the claim is about {claim.task}"
    source = base.accuracy_from or "no score"
    names = [name.lower() for name in (claim.dataset, *claim.also_named)]
    if not any(name in source.lower() for name in names):
        found["data"] = f"{source}, the claim's is {claim.dataset}"
    elif (base.accuracy_frames or math.inf) < (claim.pictures or 0):
        found["data"] = f"{source}, {claim.dataset} has {claim.pictures}"
    if base.macs and claim.base_macs and not _same_size(base.macs, claim.base_macs):
        found["size"] = (
            f"{text_from_count(base.macs)} MACs of {base.name}, "
            f"the claim's model has {text_from_count(round(claim.base_macs))}"
        )
    return found


def _joined(differs: Sequence[Difference], found: dict[Difference, str]) -> str:
    """As in "other data and size: …; …"."""
    kinds = " and ".join(filter(None, [", ".join(differs[:-1]), differs[-1]]))
    return f"other {kinds}: {'; '.join(found[kind] for kind in differs)}"


def _shortcomings(claim: Claim, base: ProfileEntry) -> list[str]:
    """What keeps a profile of the same thing from a verdict."""
    reasons = []
    if claim.drop is None:
        reasons.append("the claim gives no drop of the score to hold it to")
    if claim.quantity == "energy" and base.energy is None and base.energy_from == "measured":
        reasons.append("our energy has no interval")
    return reasons
