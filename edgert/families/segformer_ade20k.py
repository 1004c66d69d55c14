"""The paper's SegFormer-B2 on ADE20K as a family, alone and with its scaled versions B0 and B1.

Owns which configurations there are, their order and their notes. They are written down without
weights, to be filled in from NVIDIA's checkpoints by tools/export_segformer.py. Nobody measured
their accuracy here, so none is stated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgert.families.segformer import edits
from edgert.families.segformer_names import INPUT_NAME
from edgert.families.segformer_sizes import SIZES
from edgert.records import BaseModel, Configuration, Family, InputSpec, ScaledModel

_B2 = SIZES["b2"]
_FUSE_INPUTS = 4 * _B2.decoder_dim
_SOURCE = "nvidia/segformer-{size}-finetuned-ade-512-512"
_INPUT = InputSpec(
    name=INPUT_NAME,
    shape=(1, 3, 512, 512),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
_TERMS = "NVIDIA's licence for SegFormer's weights: non-commercial"


@dataclass(frozen=True)
class ExecutionPath:
    """One of the paper's execution paths through B2, in its words.

    Attributes:
        kept: Encoder layers kept in each stage.
        fuse: Input channels of Conv2DFuse, of 3072.
        pred: Input channels of Conv2DPred, of 768.
        merged: Whether the decode head's linear maps are merged, which changes no output.
    """

    kept: tuple[int, ...] = _B2.depths
    fuse: int = _FUSE_INPUTS
    pred: int = _B2.decoder_dim
    merged: bool = False

    @property
    def name(self) -> str:
        """Its name as a configuration: "full", "merged", "d2353-fuse2304"."""
        parts = ["merged"] if self.merged else []
        if self.kept != _B2.depths:
            parts.append("d" + "".join(map(str, self.kept)))
        if self.fuse != _FUSE_INPUTS:
            parts.append(f"fuse{self.fuse}")
        if self.pred != _B2.decoder_dim:
            parts.append(f"pred{self.pred}")
        return "-".join(parts) or "full"

    @property
    def note(self) -> str:
        """What it means in the paper's words."""
        parts = []
        if self.kept != _B2.depths:
            parts.append(f"encoder layers {list(self.kept)} of {list(_B2.depths)}")
        if self.fuse != _FUSE_INPUTS:
            each = self.fuse // 4
            parts.append(
                f"Conv2DFuse reads {self.fuse} of {_FUSE_INPUTS} channels, {each} of each "
                "DecodeLinear"
            )
        if self.pred != _B2.decoder_dim:
            parts.append(f"Conv2DPred reads {self.pred} of {_B2.decoder_dim} channels")
        if self.merged:
            parts.append("Conv2DFuse merged into the DecodeLinears, lossless")
        return "; ".join(parts) or "the pretrained model as exported"

    def configuration(self) -> Configuration:
        """It as family.yaml takes it."""
        decoder = {}
        if self.fuse != _FUSE_INPUTS:
            decoder["Conv2DFuse"] = self.fuse
        if self.pred != _B2.decoder_dim:
            decoder["Conv2DPred"] = self.pred
        steps = edits(
            depths=_B2.depths,
            keep_blocks=self.kept,
            decoder=decoder,
            decoder_dim=_B2.decoder_dim,
            merge=self.merged,
        )
        return Configuration(name=self.name, edits=steps, note=self.note)


# By MACs, dearest first. Narrower inputs of Conv2DFuse are not among the merged ones: behind the
# merge they save nothing.
PATHS = (
    ExecutionPath(),
    ExecutionPath((2, 4, 6, 3)),
    ExecutionPath((2, 3, 5, 3)),
    ExecutionPath((2, 3, 5, 2)),
    ExecutionPath((2, 3, 4, 3)),
    ExecutionPath(pred=640),
    ExecutionPath((2, 2, 3, 2)),
    ExecutionPath(fuse=2304),
    ExecutionPath((2, 4, 6, 3), fuse=2304),
    ExecutionPath(pred=512),
    ExecutionPath((2, 3, 5, 3), fuse=2304),
    ExecutionPath((1, 1, 1, 1)),
    ExecutionPath(fuse=1536),
    ExecutionPath(pred=384),
    ExecutionPath(fuse=1024),
    ExecutionPath((2, 3, 5, 2), fuse=1024),
    ExecutionPath(merged=True),
    ExecutionPath(pred=512, merged=True),
    ExecutionPath((2, 4, 6, 3), merged=True),
    ExecutionPath((2, 3, 5, 3), merged=True),
    ExecutionPath((2, 3, 5, 2), merged=True),
    ExecutionPath((2, 3, 5, 3), pred=512, merged=True),
    ExecutionPath((2, 3, 4, 3), merged=True),
    ExecutionPath((2, 2, 3, 2), merged=True),
    ExecutionPath((1, 1, 1, 1), merged=True),
)


def b2_family() -> Family:
    """The paper's B2 family, to be filled in."""
    return _family("segformer-b2-ade20k", [path.configuration() for path in PATHS], [])


def scaled_family() -> Family:
    """The same with the scaled versions B1 and B0 behind it, to be filled in."""
    configurations = [path.configuration() for path in PATHS]
    names = [configuration.name for configuration in configurations]
    for size, next_names in (("b1", ("merged-d2232", "merged-d1111")), ("b0", ("", ""))):
        for scaled, follower in zip(_scaled_configurations(size), next_names, strict=True):
            place = names.index(follower) if follower else len(names)  # where its MACs put it
            configurations.insert(place, scaled)
            names.insert(place, scaled.name)
    models = [
        ScaledModel(
            name=size,
            graph=f"{size}.onnx",
            weights=f"{size}.weights",
            source=_SOURCE.format(size=size),
            input=_INPUT,
        )
        for size in ("b1", "b0")
    ]
    return _family("segformer-scaled-ade20k", configurations, models)


FAMILIES = {"segformer-b2-ade20k": b2_family, "segformer-scaled-ade20k": scaled_family}


def _scaled_configurations(size: str) -> list[Configuration]:
    """A scaled version as it was exported, and merged."""
    told = f"the pretrained SegFormer-{size.upper()}"
    depths = SIZES[size].depths
    return [
        Configuration(
            name=size,
            model=size,
            edits=edits(depths=depths, merge=False),
            note=f"{told} as exported, in place of B2",
        ),
        Configuration(
            name=f"{size}-merged",
            model=size,
            edits=edits(depths=depths),
            note=f"{told} in place of B2; Conv2DFuse merged into the DecodeLinears, lossless",
        ),
    ]


def _family(
    name: str, configurations: Sequence[Configuration], models: Sequence[ScaledModel]
) -> Family:
    return Family(
        format=1,
        name=name,
        task="segmentation",
        base=BaseModel(
            graph="base.onnx", weights="base.weights", source=_SOURCE.format(size="b2")
        ),
        input=_INPUT,
        labels=[],
        configurations=list(configurations),
        models=list(models),
        license=_TERMS,
    )
