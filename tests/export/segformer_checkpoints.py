"""Small SegFormer checkpoints of several sizes, as transformers would store them."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
save_file = pytest.importorskip("safetensors.torch").save_file

LABELS = ["road", "sky", "car"]
SIZES = {
    "large": ([1, 2, 2, 1], [16, 32, 48, 64], 24),
    "middle": ([1, 1, 1, 1], [16, 32, 48, 64], 20),
    "small": ([1, 1, 1, 1], [8, 16, 24, 32], 16),
}


def small_model(size: str = "small", labels: list[str] | None = None) -> Any:
    """A SegFormer with random weights that make every branch count."""
    torch.manual_seed(sum(map(ord, size)))
    depths, widths, decoder = SIZES[size]
    names = LABELS if labels is None else labels
    described = transformers.SegformerConfig(
        depths=depths,
        hidden_sizes=widths,
        num_attention_heads=[1, 2, 3, 4],
        decoder_hidden_size=decoder,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
        architectures=["SegformerForSemanticSegmentation"],
    )
    network = transformers.SegformerForSemanticSegmentation(described).eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * 0.2)
    return network


def write_small_checkpoint(
    folder: Path,
    size: str = "small",
    *,
    labels: list[str] | None = None,
    pickled: bool = False,
    preprocessing: dict[str, Any] | None = None,
) -> Path:
    """Write config.json and model.safetensors, or pytorch_model.bin; returns the folder."""
    folder.mkdir(parents=True)
    model = small_model(size, labels)
    settings = json.dumps(model.config.to_dict())
    (folder / "config.json").write_text(settings, encoding="utf-8")
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    if pickled:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if preprocessing is not None:
        text = json.dumps(preprocessing)
        (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")
    return folder
