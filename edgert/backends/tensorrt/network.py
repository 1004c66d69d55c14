"""An ONNX graph read by NVIDIA's parser into a network, or the node that it refuses.

Every tensor keeps the type that the graph states: precision is a matter of the graph alone.
"""

from pathlib import Path
from typing import Any, NamedTuple

from edgert.backends.tensorrt.vendor import Said, one_line, strongly_typed
from edgert.errors import BackendError


class ParsedNetwork(NamedTuple):
    """A network and what has to live as long as it does."""

    builder: Any
    network: Any
    parser: Any


def parse_network(vendor: Any, logger: Any, graph: Path) -> ParsedNetwork:
    """Read a graph with static shapes and batch size 1.

    Args:
        vendor: The module tensorrt, or tensorrt_rtx.
        logger: From `vendor.open_logger`.
        graph: ONNX; weights outside it lie beside it.

    Raises:
        BackendError: There is no such file, it is no graph, or TensorRT can't run one of its
            nodes, which the message names with its operator; or a shape is not static, or its
            batch size is not 1.
    """
    subject = f"compile {graph.name}"
    if not graph.is_file():
        raise BackendError(
            subject,
            expected=f"a file {graph}",
            got="none",
            advice="Derive the graph again",
        )
    with logger.listening() as said:
        builder = _builder(vendor, logger, said)
        network = builder.create_network(strongly_typed(vendor))
        parser = vendor.OnnxParser(network, logger)
        if not parser.parse_from_file(str(graph)):
            raise _refusal(parser, subject, said)
        if network.num_outputs == 0:  # the parser takes an empty file for an empty graph
            raise BackendError(
                subject,
                expected="a graph with outputs",
                got="an empty one",
                advice="Export the model again",
            )
    _refuse_shapes(network, subject)
    return ParsedNetwork(builder, network, parser)


def _builder(vendor: Any, logger: Any, said: Said) -> Any:
    try:
        return vendor.Builder(logger)
    except TypeError as error:  # what the bindings raise where the library returns null
        raise BackendError(
            "open TensorRT's builder",
            expected="a CUDA device that it can use",
            got=said.first,
            advice="Build on the device itself; edgert doctor says what it has",
        ) from error


def _refusal(parser: Any, subject: str, said: Said) -> BackendError:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    if not errors:
        return BackendError(
            subject,
            expected="a graph that TensorRT's parser takes",
            got=said.first,
            advice="Export the model again",
        )
    text = _text(errors[0])
    more = len(errors) - 1
    return BackendError(
        subject,
        expected="operators, attributes and types that TensorRT supports",
        got=f"{text} ({more} more)" if more else text,
        advice="Check the graph, or keep that node out of the configuration",
    )


def _text(parser_error: Any) -> str:
    """Like: node /head/Unique (Unique): UNSUPPORTED_NODE."""
    code = str(parser_error.code()).rpartition(".")[2]
    reason = one_line(parser_error.desc())
    reason = code if reason == "false" else f"{code}: {reason}"  # a bare assertion of NVIDIA's
    if parser_error.node() < 0:  # about the file, not about a node
        return reason
    name = parser_error.node_name() or f"number {parser_error.node()}, without a name,"
    return f"node {name} ({parser_error.node_operator()}): {reason}"


def _refuse_shapes(network: Any, subject: str) -> None:
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        check_shape(tensor.name, tuple(tensor.shape), subject, BackendError)


def check_shape(
    name: str, shape: tuple[int, ...], subject: str, error_class: type[BackendError]
) -> None:
    """Refuse an input of unknown size, or of more than one frame.

    TensorRT 10.11 and 11.1 compute SegFormer wrongly at batch sizes above 1, without a word
    (NVIDIA/TensorRT#4853); at 1 they are exact.
    """
    if any(size < 0 for size in shape):
        raise error_class(
            f"{subject}, input {name}",
            expected="static sizes",
            got=str(shape),
            advice="Export the model with a fixed input size",
        )
    if len(shape) > 1 and shape[0] != 1:
        raise error_class(
            f"{subject}, input {name}",
            expected="one frame, (1, ...)",
            got=f"{shape[0]} frames, {shape}",
            advice="Export the model with batch size 1",
        )
