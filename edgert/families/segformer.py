"""SegFormer's knobs: what the paper turns on a pretrained model, as lists of edits.

Owns the branches that can be skipped and what the knobs of "Vision Transformer Computation and
Resilience for Dynamic Inference" become as edits. The edits themselves are surgery's, the names
of the parts `segformer_names`'.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from edgert.errors import UsageError
from edgert.records import Edit

FUSE_GROUP = "decode.fuse"

# The paper's knobs and the parts they turn. The knobs' names are recalled, not read in the
# paper's text; DecodeLinear counts from 0 there.
KNOBS = {
    "DecodeLinear0": "decode.linear1",
    "DecodeLinear1": "decode.linear2",
    "DecodeLinear2": "decode.linear3",
    "DecodeLinear3": "decode.linear4",
    "Conv2DFuse": FUSE_GROUP,
    "Conv2DPred": "decode.predict",
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
        fuse_width: Channels that Conv2DFuse hands to Conv2DPred, 1 to `decoder_dim`.

    Returns:
        `merge_linear` first (it changes no output), then what the knobs ask for.

    Raises:
        UsageError: A value that the model does not have.

    Source:
        Sreedhar et al., "Vision Transformer Computation and Resilience for Dynamic Inference",
        ISPASS 2024, arXiv 2212.02687: encoder layers per stage and channels of the decoder's
        convolutions as knobs of a pretrained SegFormer. Differs: which layers of a stage go is
        not known from the paper, here the last ones; attention and feed-forward branches can
        go one by one, and so can hidden channels of the latter; the channels between Conv2DFuse
        and Conv2DPred are narrowed, not those into Conv2DFuse, because `merge_linear` has
        already removed what these cost.
    """
    widths = dict(ffn_widths or {})
    _check_blocks(depths, [*skip_attention, *skip_ffn, *widths])
    skipped = _dropped_blocks(depths, keep_blocks)
    skipped |= {f"{block}.attention" for block in skip_attention}
    skipped |= {f"{block}.ffn" for block in skip_ffn}
    steps: list[Edit] = [{"merge_linear": {}}]
    if skipped:
        in_order = [name for name in branch_names(depths) if name in skipped]
        steps.append({"skip_residuals": {"branches": in_order}})
    for block in block_names(depths):
        if block in widths:
            keep = _checked_ffn_width(block, widths[block], skipped)
            steps.append({"narrow_channels": {"group": f"{block}.ffn.fc1", "keep": keep}})
    if fuse_width is not None and _checked_width(fuse_width, decoder_dim) < decoder_dim:
        steps.append({"narrow_channels": {"group": FUSE_GROUP, "keep": fuse_width}})
    return steps


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


def _checked_width(fuse_width: int, decoder_dim: int) -> int:
    if not 1 <= fuse_width <= decoder_dim:
        raise UsageError(
            "narrow Conv2DFuse of a SegFormer",
            expected=f"1 to {decoder_dim} channels kept",
            got=f"{fuse_width}",
            advice=f"Set fuse_width between 1 and {decoder_dim}",
        )
    return fuse_width
