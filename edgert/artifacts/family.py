"""family.yaml: the models of a family, how frames become their input, and its configurations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edgert.artifacts.files import sha256_from_file, write_atomically
from edgert.errors import ArtifactError
from edgert.records import BaseModel, Configuration, Family, InputSpec, ScaledModel
from edgert.schema import record_from_yaml

_BASE = "base"  # what family.yaml calls the model that is no scaled version


@dataclass(frozen=True)
class FamilyFolder:
    """A family and the folder that it lies in."""

    path: Path
    family: Family

    @property
    def graph_path(self) -> Path:
        """The base graph."""
        return self.path / self.family.base.graph

    @property
    def weights_path(self) -> Path | None:
        """The base graph's weights file, where it has one."""
        weights = self.family.base.weights
        return self.path / weights if weights else None

    @property
    def models(self) -> list[BaseModel]:
        """The base model, then its scaled versions."""
        return [self.family.base, *self.family.models]

    def model_of(self, configuration: Configuration) -> BaseModel:
        """The model that a configuration is derived from."""
        named = {model.name: model for model in self.family.models}
        return named[configuration.model] if configuration.model else self.family.base

    def graph_path_of(self, model: BaseModel) -> Path:
        """The graph of one of the family's models."""
        return self.path / model.graph

    def weights_path_of(self, model: BaseModel) -> Path | None:
        """Its weights file, where it has one."""
        return self.path / model.weights if model.weights else None

    @property
    def unfilled(self) -> list[BaseModel]:
        """The models that are written down, and whose files still have to be filled in."""
        return [
            model
            for model in self.models
            if model.sha256 is None or (model.weights and model.weights_sha256 is None)
        ]

    def built_path(self, device: str) -> Path:
        """Where the engines built for a device lie."""
        return self.path / "built" / device


def load_family(path: Path, *, verify: bool = True) -> FamilyFolder:
    """Read a family.

    Args:
        path: The family's folder, or its family.yaml.
        verify: Compare the models' files with the hashes that family.yaml states.

    Raises:
        ArtifactError: One line that names the file, the place in it, what was expected and
            what stands there; or, where files are verified, that the family isn't filled yet.
    """
    file = path if path.suffix in (".yaml", ".yml") else path / "family.yaml"
    family = record_from_yaml(file, Family, ArtifactError)
    _check_models(file, family)
    _check_crops(file, family)
    _check_configurations(file, family)
    folder = FamilyFolder(file.parent, family)
    if verify:
        _refuse_unfilled(file, folder)
        for index, model in enumerate(folder.models):
            place = f"models[{index - 1}]" if index else "base"
            _check_hash(file, f"{place}.sha256", folder.graph_path_of(model), model.sha256)
            weights = folder.weights_path_of(model)
            if weights is not None:
                _check_hash(file, f"{place}.weights_sha256", weights, model.weights_sha256)
    return folder


def save_family(path: Path, family: Family) -> None:
    """Write family.yaml, leaving out what has its default."""
    content = _without_defaults(msgspec.to_builtins(family), family)
    text = yaml.safe_dump(
        content, sort_keys=False, default_flow_style=None, width=96, allow_unicode=True
    )
    write_atomically(path, text)


def _check_models(file: Path, family: Family) -> None:
    seen = {_BASE}
    for index, model in enumerate(family.models):
        if model.name in seen:
            again = (
                "the name of the family's own model" if model.name == _BASE else "a second time"
            )
            raise ArtifactError(
                f"read {file} at models[{index}].name",
                expected="a name of its own",
                got=f"'{model.name}', {again}",
                advice="Rename it",
            )
        seen.add(model.name)


def _check_crops(file: Path, family: Family) -> None:
    crop = family.input.crop
    if crop is not msgspec.UNSET and family.task == "segmentation":
        raise ArtifactError(
            f"read {file} at input.crop",
            expected="none for segmentation, whose labels cover the whole frame",
            got=f"{crop:g}",
            advice="Leave it out: the frame is stretched",
        )
    for index, model in enumerate(family.models):
        if model.input.crop != crop:  # it sees what the family's input was cut to
            raise ArtifactError(
                f"read {file} at models[{index}].input.crop",
                expected=f"{_crop_in_words(crop)}, as the family's own input has it",
                got=_crop_in_words(model.input.crop),
                advice="State the same for all: they are given one picture",
            )


def _crop_in_words(crop: float | msgspec.UnsetType) -> str:
    return "none" if crop is msgspec.UNSET else f"{crop:g}"


def _refuse_unfilled(file: Path, folder: FamilyFolder) -> None:
    missing = folder.unfilled
    if not missing:
        return
    first = missing[0]
    which = (
        f"the graph of model {first.name}" if isinstance(first, ScaledModel) else "the base graph"
    )
    sources = ", ".join(f"{model.source} as {model.graph}" for model in missing if model.source)
    raise ArtifactError(
        f"read {file}",
        expected=f"{which}, {first.graph}, with its hash",
        got="a family that is not filled yet",
        advice=f"Fill it: python tools/export_segformer.py --fill {file.parent}"
        + (f" (with {sources})" if sources else ""),
    )


def _check_configurations(file: Path, family: Family) -> None:
    seen: set[str] = set()
    models = [model.name for model in family.models]
    for index, configuration in enumerate(family.configurations):
        place = f"read {file} at configurations[{index}]"
        if configuration.name in seen:
            raise ArtifactError(
                f"{place}.name",
                expected="a name of its own",
                got=f"'{configuration.name}' a second time",
                advice="Rename one of the two",
            )
        seen.add(configuration.name)
        if configuration.model and configuration.model not in models:
            raise ArtifactError(
                f"{place}.model",
                expected=f"a model among {', '.join(models)}"
                if models
                else "no model but the base",
                got=f"'{configuration.model}'",
                advice="Correct the name, or leave it out for the base model",
            )
        for step, edit in enumerate(configuration.edits):
            if len(edit) != 1:
                raise ArtifactError(
                    f"{place}.edits[{step}]",
                    expected="one edit, written 'name: {parameters}'",
                    got=f"{len(edit)} names: {', '.join(edit) or 'none'}",
                    advice="Write one list item for each edit",
                )


def _check_hash(file: Path, field: str, path: Path, stated: str | None) -> None:
    try:
        actual = sha256_from_file(path)
    except OSError as error:
        raise ArtifactError(
            f"read {path}",
            expected=f"the file that {file} names",
            got=(error.strerror or "an unreadable file").lower(),
            advice="Copy the family's folder again, whole",
        ) from error
    if actual != stated:
        raise ArtifactError(
            f"read {path}",
            expected=f"sha256 {stated} as {file.name} states at {field}",
            got=actual,
            advice="Copy the folder again, or state the new hash if you changed the model",
        )


def _without_defaults(content: Any, record: Any) -> Any:
    """Drop fields that hold their default; family.yaml is read and written by people."""
    if isinstance(record, InputSpec):
        return content  # preprocessing is spelt out: a wrong guess there is hard to see
    if isinstance(record, msgspec.Struct):
        kept = {}
        for field in msgspec.structs.fields(record):
            value = getattr(record, field.name)
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            if field.required or value != default:
                kept[field.encode_name] = _without_defaults(content[field.encode_name], value)
        return kept
    if isinstance(record, list):
        return [_without_defaults(c, r) for c, r in zip(content, record, strict=True)]
    return content
