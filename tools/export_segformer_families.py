"""Write the SegFormer families that are committed without weights, and count their MACs.

    python tools/export_segformer_families.py engines            family.yaml of each, new or again
    python tools/export_segformer_families.py engines --macs     and the table of their cards

MACs are counted on the graphs that transformers and torch make of random weights (the extra
`export`): they depend on shapes only. Weights come by tools/export_segformer.py --fill.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgert.artifacts import load_family, save_family
from edgert.build.derive import derive
from edgert.errors import EdgertError, UsageError
from edgert.families.segformer_ade20k import FAMILIES
from edgert.families.segformer_checkpoint import Checkpoint
from edgert.families.segformer_export import write_graph
from edgert.families.segformer_sizes import SIZES
from edgert.optional import needs
from edgert.records import Configuration, Family, InputSpec
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph

_LABELS = 150  # of ADE20K


def untrained(size: str, spec: InputSpec, labels: int = _LABELS) -> Checkpoint:
    """A SegFormer of a published size with random numbers for weights."""
    transformers = needs("transformers", "export", "to build the model")
    wanted = SIZES[size]
    described = transformers.SegformerConfig(
        depths=list(wanted.depths),
        hidden_sizes=list(wanted.embed_dims),
        decoder_hidden_size=wanted.decoder_dim,
        num_labels=labels,
    )
    model = transformers.SegformerForSemanticSegmentation(described).eval()
    names = [str(index) for index in range(labels)]
    return Checkpoint(f"random {size}", model, names, list(wanted.depths), spec, size)


def exported(size: str, spec: InputSpec, folder: Path) -> Graph:
    """The graph of such a model; its weights stay in a file in the folder."""
    path = folder / f"{size}.onnx"
    write_graph(untrained(size, spec), path, opset=18)
    return load_graph(path)


def macs_of(configuration: Configuration, graphs: Mapping[str, Graph]) -> int:
    """MACs of a configuration; `graphs` are its models by their names, "" for the base."""
    graph = graphs[configuration.model]
    steps = configuration.edits
    return cost_of(derive(graph, steps, subject=f"derive {configuration.name}")).macs


def table(family: Family, graphs: Mapping[str, Graph]) -> str:
    """The card's table of configurations, in Markdown."""
    full = cost_of(graphs[""]).macs
    rows = ["| configuration | GMACs | saved | in the paper's words |", "|---|---|---|---|"]
    for configuration in family.configurations:
        macs = macs_of(configuration, graphs)
        saved = f"{1 - macs / full:.1%}".replace("%", " %")
        rows.append(
            f"| `{configuration.name}` | {macs / 1e9:.3f} | {saved} | {configuration.note} |"
        )
    return "\n".join(rows)


def write(engines: Path, *, count: bool) -> None:
    """Write every family under a folder; one that is filled already is left alone."""
    families = [make() for make in FAMILIES.values()]
    for family in families:
        file = engines / family.name / "family.yaml"
        if file.exists() and load_family(file, verify=False).family.base.sha256 is not None:
            raise UsageError(
                f"write {file}",
                expected="none yet, or one without weights",
                got="one that is filled",
                advice="Name another folder",
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        save_family(file, family)
        print(f"wrote {file}")
    if count:
        spec = families[0].input
        with tempfile.TemporaryDirectory() as folder:
            graphs = {n: exported(n or "b2", spec, Path(folder)) for n in ("", "b1", "b0")}
            for family in families:
                print(f"\n{family.name}\n\n{table(family, graphs)}")


def main() -> int:
    """Run the tool; 0 done, 1 refused, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Write the SegFormer families without weights.")
    parser.add_argument("engines", type=Path, help="folder that holds the families' folders")
    parser.add_argument("--macs", action="store_true", help="count and print the cards' tables")
    options = parser.parse_args()
    try:
        write(options.engines, count=options.macs)
    except EdgertError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
