"""The two functions that are compared with; how much they are asked for says what they do."""

import os

import numpy as np
import onnx

_BEFORE = dict.fromkeys(("block2.sum1/Add.out", "block2.sum2/Add.out"), "block1.sum2/Add.out")


def apply_transformer_block_pruning(model, *, calibration_data, num_blocks_to_drop):
    """2 drops the second block, 4 makes a model that nothing can run, 8 does nothing."""
    _check(model, calibration_data)
    if num_blocks_to_drop == 2:
        return _without_second_block(model)
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    if num_blocks_to_drop == 4:
        del copy.graph.initializer[0]
    return copy


def apply_structured_wanda_pruning(model, *, calibration_data, sparsity):
    """0.1 raises, 0.25 crashes the process, 0.5 gives a model of numbers that are not finite."""
    _check(model, calibration_data)
    if sparsity == 0.1:
        raise RuntimeError("no chain of this shape")
    if sparsity == 0.25:
        os.abort()
    pruned = _without_second_block(model)
    for weight in pruned.graph.initializer:
        if weight.name == "block1.ffn.fc2.weight":
            array = np.full(tuple(weight.dims), np.nan, np.float32)
            weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    return pruned


def _without_second_block(model):
    pruned = onnx.ModelProto.FromString(model.SerializeToString())
    for node in pruned.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = _BEFORE.get(name, name)
    return pruned


def _check(model, calibration_data):
    """The calls that onnxsim takes: a loaded model, and a dict of its inputs for each frame."""
    [shape] = [tuple(d.dim_value for d in i.type.tensor_type.shape.dim) for i in model.graph.input]
    for batch in calibration_data:
        [(name, array)] = batch.items()
        assert name == model.graph.input[0].name
        assert array.shape == shape
        assert array.dtype == np.float32
