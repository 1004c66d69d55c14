"""SegFormer's knobs: what the paper turns on a pretrained model, as lists of edits.

Owns the branches that can be skipped and what the knobs of "Vision Transformer Computation and
Resilience for Dynamic Inference" become as edits. The edits themselves are surgery's, the names
of the parts `segformer_names`'.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from edgert.errors import UsageError
from edgert.records import Edit

FUSE_GROUP = "decode.fuse"
LINEAR_GROUPS = ("decode.linear1", "decode.linear2", "decode.linear3", "decode.linear4")

# The paper's knobs on the decoder and the channel groups that they narrow: a projection's width,
# the input channels of Conv2DFuse (all projections, concatenated) and those of Conv2DPred (what
# Conv2DFuse writes). The knobs' names are recalled, not read in the paper's text; DecodeLinear
# counts from 0 there.
KNOBS: Mapping[str, tuple[str, ...]] = {
    **{f"DecodeLinear{index}": (group,) for index, group in enumerate(LINEAR_GROUPS)},
    "Conv2DFuse": LINEAR_GROUPS,
    "Conv2DPred": (FUSE_GROUP,),
}


def block_names(depths: Sequence[int]) -> tuple[str, ...]:
    """The encoder's blocks, "stage1.block1" first, in the order they run."""
    return tuple(
        f"stage{stage}.block{block}"
        for stage, depth in enumerate(depths, start=1)
        for block in range(1, depth + 1)
    )


def branch_names(depths: Sequence[int]) -> tuple[str, ...]:
    """The residual branches that `skip_residuals` can leave out, in the order they run.

    Args:
        depths: Blocks in each stage: (2, 2, 2, 2) for B0 and B1, (3, 4, 6, 3) for B2.
    """
    return tuple(
        f"{block}.{branch}" for block in block_names(depths) for branch in ("attention", "ffn")
    )


def edits(
    *,
    depths: Sequence[int],
    keep_blocks: Sequence[int] | None = None,
    skip_attention: Collection[str] = (),
    skip_ffn: Collection[str] = (),
    ffn_widths: Mapping[str, int] | None = None,
    decoder_dim: int = 256,
    fuse_width: int | None = None,
    decoder: Mapping[str, int] | None = None,
    merge: bool = True,
) -> list[Edit]:
    """The paper's knobs as the list of edits that family.yaml takes.

    Args:
        depths: Blocks in each stage of the pretrained model.
        keep_blocks: Blocks kept in each stage, 1 to depth; the last ones go. None keeps all.
        skip_attention: Blocks ("stage3.block1") that lose their attention branch.
        skip_ffn: Blocks that lose their feed-forward branch.
        ffn_widths: Hidden channels kept in the feed-forward branch, by block; at least 1. The
            widest is 4 times the stage's width.
        decoder_dim: Width of the decoder: 256 for B0 and B1, 768 above.
        fuse_width: Channels that Conv2DFuse hands to Conv2DPred, 1 to `decoder_dim`; the same
            knob as decoder["Conv2DPred"].
        decoder: Channels by the paper's names, as `KNOBS` lists them: "DecodeLinear0" to
            "DecodeLinear3" (written, 1 to `decoder_dim`), "Conv2DFuse" (read, 4 to 4 times
            `decoder_dim`, shared evenly between the projections that have no number of their
            own) and "Conv2DPred" (read, 1 to `decoder_dim`).
        merge: Whether `merge_linear` is among the edits. It changes no output.

    Returns:
        Projections that are narrowed first, because they are gone behind `merge_linear`; then
        `merge_linear`, and what the other knobs ask for. Behind the merge the widths of the
        projections cost nothing any more, so that narrowing them saves only where `merge` is
        False; a few channels may even leave nothing worth merging, which `merge_linear` refuses.

    Raises:
        UsageError: A value that the model does not have.

    Source:
        Sreedhar et al., "Vision Transformer Computation and Resilience for Dynamic Inference",
        ISPASS 2024, arXiv 2212.02687: encoder layers per stage and channels of the decoder's
        convolutions as knobs of a pretrained SegFormer. Differs: which layers of a stage go is
        not known from the paper, here the last ones; attention and feed-forward branches can
        go one by one, and so can hidden channels of the latter.
    """
    widths = dict(ffn_widths or {})
    _check_blocks(depths, [*skip_attention, *skip_ffn, *widths])
    skipped = _dropped_blocks(depths, keep_blocks)
    skipped |= {f"{block}.attention" for block in skip_attention}
    skipped |= {f"{block}.ffn" for block in skip_ffn}
    decoder_widths = _decoder_widths(decoder or {}, fuse_width, decoder_dim)
    steps = [_narrowed(g, decoder_widths[g]) for g in LINEAR_GROUPS if g in decoder_widths]
    if merge:
        steps.append({"merge_linear": {}})
    if skipped:
        in_order = [name for name in branch_names(depths) if name in skipped]
        steps.append({"skip_residuals": {"branches": in_order}})
    for block in block_names(depths):
        if block in widths:
            keep = _checked_ffn_width(block, widths[block], skipped)
            steps.append(_narrowed(f"{block}.ffn.fc1", keep))
    if FUSE_GROUP in decoder_widths:
        steps.append(_narrowed(FUSE_GROUP, decoder_widths[FUSE_GROUP]))
    return steps


def _narrowed(group: str, keep: int) -> Edit:
    return {"narrow_channels": {"group": group, "keep": keep}}


def _check_blocks(depths: Sequence[int], named: Iterable[str]) -> None:
    blocks = block_names(depths)
    for block in named:
        if block not in blocks:
            raise UsageError(
                f"choose blocks of a SegFormer with depths {list(depths)}",
                expected=f"a block from {blocks[0]} to {blocks[-1]}",
                got=f"'{block}'",
                advice="Correct the block's name; stages and blocks count from 1",
            )


def _checked_ffn_width(block: str, width: int, skipped: Iterable[str]) -> int:
    if width < 1 or f"{block}.ffn" in skipped:
        raise UsageError(
            f"narrow the feed-forward branch of {block}",
            expected="one channel or more, of a branch that is not skipped",
            got=f"{width}" if width < 1 else "a skipped branch",
            advice=f"Set ffn_widths['{block}'] to 1 or more, or leave it out",
        )
    return width


def _dropped_blocks(depths: Sequence[int], keep_blocks: Sequence[int] | None) -> set[str]:
    kept = list(depths if keep_blocks is None else keep_blocks)
    if len(kept) != len(depths):
        raise UsageError(
            "choose the blocks of a SegFormer",
            expected=f"one number for each of {len(depths)} stages",
            got=f"{len(kept)} numbers",
            advice="Give keep_blocks as many entries as depths",
        )
    for stage, (keep, depth) in enumerate(zip(kept, depths, strict=True), start=1):
        if not 1 <= keep <= depth:
            raise UsageError(
                f"choose the blocks of stage {stage} of a SegFormer",
                expected=f"1 to {depth} blocks kept",
                got=f"{keep}",
                advice=f"Set keep_blocks[{stage - 1}] between 1 and {depth}",
            )
    gone = set(block_names(depths)) - set(block_names(kept))
    return {f"{block}.{branch}" for block in gone for branch in ("attention", "ffn")}


def _decoder_widths(
    decoder: Mapping[str, int], fuse_width: int | None, decoder_dim: int
) -> dict[str, int]:
    """Channels kept of every group of the decoder that is narrowed."""
    knobs = dict(decoder)
    if fuse_width is not None and knobs.setdefault("Conv2DPred", fuse_width) != fuse_width:
        raise _refused("Conv2DPred", f"{fuse_width} as fuse_width says", knobs["Conv2DPred"])
    kept: dict[str, int] = {}
    for knob, channels in knobs.items():
        if knob not in KNOBS:
            raise _refused(knob, f"a knob among {', '.join(KNOBS)}", "none of them")
        if knob != "Conv2DFuse":
            (group,) = KNOBS[knob]
            if not 1 <= channels <= decoder_dim:
                raise _refused(knob, f"1 to {decoder_dim} channels kept", channels)
            kept[group] = channels
    if "Conv2DFuse" in knobs:
        kept |= _shared_inputs(knobs["Conv2DFuse"], kept, decoder_dim)
    return {group: channels for group, channels in kept.items() if channels < decoder_dim}


def _shared_inputs(channels: int, fixed: Mapping[str, int], decoder_dim: int) -> dict[str, int]:
    """The projections' widths that add up to Conv2DFuse's input channels."""
    free = [group for group in LINEAR_GROUPS if group not in fixed]
    given = sum(fixed[group] for group in LINEAR_GROUPS if group in fixed)
    least, most = given + len(free), given + len(free) * decoder_dim
    if not least <= channels <= most:
        raise _refused("Conv2DFuse", f"{least} to {most} input channels kept", channels)
    each, more = divmod(channels - given, len(free)) if free else (0, 0)
    return {group: each + (index < more) for index, group in enumerate(free)}


def _refused(knob: str, expected: str, got: object) -> UsageError:
    also = " or fuse_width" if knob == "Conv2DPred" else ""
    return UsageError(
        f"narrow {knob} of a SegFormer",
        expected=expected,
        got=f"{got}",
        advice=f"Correct decoder['{knob}']{also}",
    )
