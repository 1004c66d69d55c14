"""`edgert verify MODEL.onnx`: is it whole, does the runtime compute it right, is it dearer.

`edgert verify FAMILY`: is every configuration's graph whole, and does a target take it. With
--nvidia, for either: does NVIDIA's own parser and compiler take it.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.cli.inspect import add_input_shape_argument, input_shapes
from edgert.cli.output import ProgressBar, print_json
from edgert.cli.verify_family import open_compiler, print_checks, proof, verify_family
from edgert.errors import UsageError
from edgert.units import text_from_duration

if TYPE_CHECKING:
    from edgert.build.graph_report import GraphReport

_TARGETS = ("onnxruntime", "tensorrt")  # edgert.build.targets.TARGETS, which --help does not load
_FRAMES = 4
# Of ImageNet, which most vision models were trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "model",
        metavar="MODEL.onnx|FAMILY",
        help="any ONNX file; or a family's folder, or its name under engines/",
    )
    parser.add_argument(
        "--nvidia",
        action="store_true",
        help="compile with TensorRT-RTX on the CPU as well (extra rtx, x86-64 only); "
        "--target is tensorrt then",
    )
    parser.add_argument(
        "--target",
        choices=_TARGETS,
        help="whose operators, opset and types it may hold: the installed onnxruntime (default), "
        "or TensorRT 10.3 of JetPack 6",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="PARENT.onnx",
        help="what it was derived from: same inputs and outputs, and no dearer",
    )
    parser.add_argument(
        "--lossless",
        action="store_true",
        help="with --against: it has to compute what its parent does",
    )
    parser.add_argument(
        "--frames",
        type=Path,
        metavar="DIR",
        help="pictures to run it on as well, normalised as for ImageNet",
    )
    parser.add_argument(
        "--frame-count",
        type=int,
        default=_FRAMES,
        metavar="N",
        help="how many of them, spread evenly (default: %(default)s)",
    )
    add_input_shape_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, print every finding, and return 1 if one is an error."""
    target = arguments.target or ("tensorrt" if arguments.nvidia else "onnxruntime")
    if _is_family(arguments.model):
        return verify_family(arguments, target)
    if arguments.lossless and arguments.against is None:
        raise UsageError(
            "--lossless",
            expected="--against PARENT.onnx with it",
            got="no parent",
            advice="Name what the model was derived from",
        )
    return _verify_model(arguments, target)


def _is_family(name: str) -> bool:
    path = Path(name)
    return path.is_dir() or (not path.exists() and (Path("engines") / name).is_dir())


def _verify_model(arguments: argparse.Namespace, target_name: str) -> int:
    from edgert.build.check import check_graph, static_model
    from edgert.build.check_family import ConfigurationCheck
    from edgert.build.finding import STAGES
    from edgert.build.graph_report import Parent
    from edgert.build.targets import TARGETS

    shapes = input_shapes(arguments.input_shape)
    asked = Path(arguments.model)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        compiler = open_compiler(stack) if arguments.nvidia else None
        progress = stack.enter_context(ProgressBar("verify"))
        parent = None
        if arguments.against is not None:
            (folder / "parent").mkdir()
            against = static_model(arguments.against, folder / "parent", input_shapes=shapes)
            parent = Parent(against, lossless=arguments.lossless)
        model = static_model(asked, folder, input_shapes=shapes) if shapes else asked
        frames = []
        if arguments.frames is not None:
            frames = _frames(model, arguments.frames, arguments.frame_count)
        report = check_graph(
            model,
            target=TARGETS[target_name](),
            parent=parent,
            frames=frames,
            progress=lambda stage: progress(STAGES.index(stage), len(STAGES), stage),
        )
        readable = all(finding.stage != "format" for finding in report.errors)
        check = None
        if compiler is not None and readable:  # whatever the stages say of it
            progress(len(STAGES) - 1, len(STAGES), "TensorRT-RTX")
            check = ConfigurationCheck(asked.name, compiled=compiler.compile(model, asked.name))
    if arguments.json:
        nvidia = {"tensorrt_rtx": compiler.version, "proves": proof(compiler)} if compiler else {}
        compiled = {"compiled": check.compiled if check else None} if compiler else {}
        print_json({**_plain(report), **nvidia, **compiled})
    else:
        _print(report, asked)
        if compiler is not None and check is not None:
            print("\n".join(proof(compiler)))
            print_checks([check], target="", nvidia=True)
    return 1 if report.errors or (check is not None and check.errors) else 0


def _frames(model: Path, folder: Path, count: int) -> list[Any]:
    """Pictures as arrays for the model's only input, which has to take pictures."""
    from edgert.build.program import read_program
    from edgert.preprocess import Preprocessor
    from edgert.profiling.dataset import evenly, image_files, read_image
    from edgert.records import InputSpec

    if not folder.is_dir() or not (paths := image_files(folder)) or count < 1:
        raise UsageError(
            f"--frames {folder}",
            expected="a folder with pictures, and a count of 1 or more",
            got=f"no such folder, no pictures in it, or a count of {count}",
            advice="Name another folder",
        )
    value = read_program(model).model.graph.input[0]
    shape = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    if len(shape) != 4 or shape[:2] != (1, 3) or min(shape) < 1:
        raise UsageError(
            f"--frames {folder}",
            expected=f"a model whose input {value.name} is (1, 3, H, W)",
            got=str(shape),
            advice="Leave --frames out: noise, waves and extremes are always run",
        )
    spec = InputSpec(name=value.name, shape=(1, 3, *shape[2:]), mean=_MEAN, std=_STD)
    preprocess = Preprocessor(spec)
    return [preprocess(read_image(path)).copy() for path in evenly(paths, count)]


def _plain(report: "GraphReport") -> dict[str, Any]:
    """The report as `--json` prints it; stable."""
    return {
        "stages": report.stages,
        "inputs": report.inputs,
        "findings": report.findings,
        "optimised_difference": report.optimised.relative if report.optimised else None,
        "parent_difference": report.parent.relative if report.parent else None,
        "latency": report.latency,
    }


def _print(report: "GraphReport", model: Path) -> None:
    """What was found, then what was measured."""
    for finding in report.findings:
        print(f"{'warning' if finding.warning else 'ERROR'}: {finding.error(model.name)}")
    verdict = f"{len(report.errors)} errors" if report.errors else "no error"
    print(f"{model}: {verdict} in {', '.join(report.stages)}")
    if report.optimised is not None:
        print(f"  optimised       {report.optimised.relative:.1e} of the largest output apart, "
              f"on {report.inputs} inputs")  # fmt: skip
    if report.parent is not None:
        print(f"  from its parent {report.parent.relative:.1e} apart")
    if report.latency is not None:
        latency = report.latency
        print(
            f"  latency         {text_from_duration(latency.derived_s)}, "
            f"{latency.ratio:.2f} times its parent's {text_from_duration(latency.parent_s)} "
            f"(rounds {latency.least:.2f} to {latency.most:.2f})"
        )
