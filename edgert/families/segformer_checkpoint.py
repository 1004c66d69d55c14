"""A pretrained SegFormer from a Hugging Face checkpoint folder, weights checked key by key.

Owns config.json, preprocessor_config.json and model.safetensors, or the older pytorch_model.bin,
in the key names of any generation of transformers. transformers' own loader fills what a file
lacks with random numbers and goes on; here that is an error.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgert.errors import ArtifactError, UsageError
from edgert.families.segformer_names import INPUT_NAME, key_in_current_style
from edgert.families.segformer_sizes import size_of
from edgert.optional import needs
from edgert.records import InputSpec
from edgert.schema import record_from_json, record_from_object

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_DEFAULT_SIDE = 512  # what SegFormer was trained with on ADE20K


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained SegFormer: the torch module in evaluation mode, labels, preprocessing."""

    name: str
    model: Any
    labels: list[str]
    depths: list[int]
    input: InputSpec
    size: str = ""  # "b2", where it is one of the published ones

    def logits(self, pixel_values: NDArray[Any]) -> NDArray[Any]:
        """The checkpoint's own answer, (1, C, H/4, W/4)."""
        torch = needs("torch", "export", "to run the checkpoint")
        with torch.no_grad():
            answer: NDArray[Any] = self.model(torch.from_numpy(pixel_values)).logits.numpy()
        return answer


def read_checkpoint(
    folder: Path, height: int | None = None, width: int | None = None
) -> Checkpoint:
    """Read a checkpoint folder; every weight comes from the file or it is an error.

    Args:
        folder: Holds config.json, model.safetensors or else pytorch_model.bin (read without
            running any code in it), and maybe preprocessor_config.json.
        height: Rows of the input; None takes preprocessor_config.json's, else 512.
        width: Columns of the input, likewise.

    Raises:
        ArtifactError: No SegFormer for segmentation, or weights missing, left over or of
            another shape.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ArtifactError(
            f"read checkpoint {folder}",
            expected="a folder with config.json and model.safetensors",
            got="no config.json" if folder.is_dir() else "no such folder",
            advice="Name the folder of a Hugging Face checkpoint",
        )
    model = _untrained_model(path)
    _load_weights(model, folder)
    described = model.config
    return Checkpoint(
        name=folder.resolve().name,
        model=model,
        labels=[str(described.id2label[index]) for index in range(described.num_labels)],
        depths=list(described.depths),
        input=_input_spec(folder, height, width),
        size=size_of(described.depths, described.hidden_sizes, described.decoder_hidden_size),
    )


def _untrained_model(path: Path) -> Any:
    """The module that config.json describes; its weights are random numbers still."""
    transformers = needs("transformers", "export", "to build the model")
    hub = needs("huggingface_hub.errors", "export", "to build the model")
    settings = record_from_json(path, dict[str, Any], ArtifactError)
    kind, classes = settings.get("model_type"), settings.get("architectures") or []
    if kind != "segformer" or "SegformerForSemanticSegmentation" not in classes:
        raise ArtifactError(
            f"read {path}",
            expected="model_type segformer and SegformerForSemanticSegmentation",
            got=f"{kind} and {', '.join(classes) or 'no architecture'}",
            advice="Name the folder of a SegFormer trained for segmentation",
        )
    if settings.get("reshape_last_stage", True) is not True:
        raise ArtifactError(
            f"read {path} at reshape_last_stage",
            expected="true",
            got="false, for which the decoder takes square inputs only",
            advice="Use a checkpoint with reshape_last_stage true",
        )
    try:
        described = transformers.SegformerConfig.from_dict(settings)
        return transformers.SegformerForSemanticSegmentation(described).eval()
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise _unbuildable(path, error) from error
    except hub.StrictDataclassError as error:
        raise _unbuildable(path, error) from error


def _unbuildable(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"read {path}",
        expected="values that make a SegFormer",
        got=" ".join(f"{type(error).__name__}: {error}".split())[:200],
        advice="Download the checkpoint's config.json again",
    )


def _load_weights(model: Any, folder: Path) -> None:
    path = folder / "model.safetensors"
    pickled = folder / "pytorch_model.bin"
    if pickled.exists() and not path.exists():
        path, read = pickled, _pickled_tensors
    else:
        read = _safe_tensors
    stored = {key_in_current_style(key): tensor for key, tensor in read(path).items()}
    own = {key_in_current_style(key): tensor for key, tensor in model.state_dict().items()}
    counted = {key for key in own.keys() ^ stored.keys() if key.endswith("num_batches_tracked")}
    missing, surplus = own.keys() - stored.keys() - counted, stored.keys() - own.keys() - counted
    other = {key for key in own.keys() & stored.keys() if own[key].shape != stored[key].shape}
    for keys, word in ((missing, "missing"), (surplus, "unexpected"), (other, "of another shape")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise ArtifactError(
                f"read {path}",
                expected=f"the {len(own)} tensors that config.json describes",
                got=f"{min(keys)}{more} {word}",
                advice="Use the config.json that belongs to these weights",
            )
    for key, tensor in own.items():
        if key in stored:
            tensor.copy_(stored[key])


def _safe_tensors(path: Path) -> Mapping[str, Any]:
    safetensors = needs("safetensors", "export", "to read weights")
    read = needs("safetensors.torch", "export", "to read weights").load_file
    try:
        tensors: dict[str, Any] = read(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _unreadable(path, error) from error
    return tensors


def _pickled_tensors(path: Path) -> Mapping[str, Any]:
    """Tensors of a pickle that holds nothing else; what would run code is refused by torch."""
    torch = needs("torch", "export", "to read weights")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise _unreadable(path, error) from error
    tensors = content if isinstance(content, Mapping) else {}
    if not tensors or not all(torch.is_tensor(tensor) for tensor in tensors.values()):
        raise _unreadable(path, ValueError("something else than tensors by name"))
    return tensors


def _unreadable(path: Path, error: Exception) -> ArtifactError:
    missing = isinstance(error, FileNotFoundError)
    said = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    return ArtifactError(
        f"read {path}",
        expected="weights",
        got="no such file" if missing else said.rstrip(" ."),
        advice="Copy the checkpoint again, whole",
    )


def _input_spec(folder: Path, height: int | None, width: int | None) -> InputSpec:
    """Preprocessing as preprocessor_config.json says it, ImageNet's where there is none."""
    path = folder / "preprocessor_config.json"
    stated: dict[str, Any] = {}
    if path.exists():
        stated = record_from_json(path, dict[str, Any], ArtifactError)
    size = stated.get("size", _DEFAULT_SIDE)
    if not isinstance(size, Mapping):
        size = {"height": size, "width": size}
    rows, columns = height or size.get("height"), width or size.get("width")
    if not (isinstance(rows, int) and isinstance(columns, int) and min(rows, columns) >= 32):
        raise UsageError(
            "choose the input's size",
            expected="height and width of 32 pixels or more",
            got=f"{rows} x {columns}",
            advice="Give --height and --width",
        )
    content: dict[str, Any] = {"name": INPUT_NAME, "shape": (1, 3, rows, columns)}
    if stated.get("do_rescale", True):
        content["scale"] = stated.get("rescale_factor", 1 / 255)
    else:
        content["scale"] = 1.0
    if stated.get("do_normalize", True):
        content["mean"] = stated.get("image_mean", _IMAGENET_MEAN)
        content["std"] = stated.get("image_std", _IMAGENET_STD)
    return record_from_object(content, InputSpec, ArtifactError, subject=f"read {path}")
