import onnx
import pytest

from edgert.backends.tensorrt.network import parse_network
from edgert.backends.tensorrt.vendor import open_logger
from edgert.errors import BackendError
from tests.tiny_graphs import conv_net


@pytest.fixture
def parse(trt, tmp_path):
    def parse_model(model):
        path = tmp_path / "model.onnx"
        onnx.save(model, str(path))
        return parse_network(trt, open_logger(trt), path)

    return parse_model


def refused(parse, model) -> BackendError:
    with pytest.raises(BackendError) as error:
        parse(model)
    assert "\n" not in str(error.value)
    return error.value


def test_network_is_strongly_typed(parse, trt):
    parse(conv_net())
    assert trt.called("create_network") == [(1 << 1,)]


def test_parsed_network_comes_with_what_keeps_it(parse):
    builder, network, parser = parse(conv_net())
    assert network.num_layers == 7
    assert parser.num_errors == 0
    assert builder is not None


def test_unsupported_operator_is_named_with_its_node_and_code(parse, trt):
    trt.unsupported = {"Relu"}
    model = conv_net()
    model.graph.node[2].name = "/stage1/act/Relu"
    error = refused(parse, model)
    assert error.got == "node /stage1/act/Relu (Relu): UNSUPPORTED_NODE"


def test_further_unsupported_nodes_are_counted(parse, trt):
    trt.unsupported = {"Relu", "Transpose", "MatMul"}
    assert refused(parse, conv_net()).got.endswith("(Relu): UNSUPPORTED_NODE (3 more)")


class NoNames:
    """A parser whose node has no name, as NVIDIA's gives it."""

    num_errors = 1

    def get_error(self, index):
        return self

    def code(self):
        return "ErrorCode.INVALID_NODE"

    def desc(self):
        return "Assertion failed:\n no."

    def node(self):
        return 4

    def node_name(self):
        return ""

    def node_operator(self):
        return "Unique"

    def parse_from_file(self, model):
        return False


def test_node_without_a_name_is_told_by_its_number(parse, trt):
    trt.OnnxParser = lambda network, logger: NoNames()
    expected = "node number 4, without a name, (Unique): INVALID_NODE: Assertion failed: no"
    assert refused(parse, conv_net()).got == expected


def test_file_that_is_no_graph_gives_the_code_alone(trt, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph " * 50)
    with pytest.raises(BackendError, match="got MODEL_DESERIALIZE_FAILED: ") as error:
        parse_network(trt, open_logger(trt), path)
    assert "\n" not in str(error.value)
    assert "node" not in error.value.got.split(":")[0]


def test_empty_file_is_no_graph_although_the_parser_takes_it(trt, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")
    with pytest.raises(BackendError, match="expected a graph with outputs, got an empty one"):
        parse_network(trt, open_logger(trt), path)


def test_missing_file_is_told_before_the_vendor_is_asked(trt, tmp_path):
    with pytest.raises(BackendError, match="got none"):
        parse_network(trt, open_logger(trt), tmp_path / "model.onnx")
    assert trt.calls == []


def test_parser_without_a_word_is_told_all_the_same(parse, trt):
    class Silent(NoNames):
        num_errors = 0

    trt.OnnxParser = lambda network, logger: Silent()
    assert refused(parse, conv_net()).got == "no reason given"


@pytest.mark.parametrize("batch", [2, 4])
def test_more_than_one_frame_is_refused(parse, batch):
    model = conv_net()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    error = refused(parse, model)
    assert error.got == f"{batch} frames, ({batch}, 3, 8, 8)"
    assert "input frame" in error.subject


def test_unknown_size_is_refused(parse):
    model = conv_net()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    assert refused(parse, model).expected == "static sizes"


def test_builder_without_a_device_is_one_line(parse, trt):
    trt.has_device = False
    error = refused(parse, conv_net())
    assert error.got == "CUDA initialization failure with error: 35"
