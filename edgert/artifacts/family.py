"""family.yaml: one base model, how frames become its input, and its configurations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edgert.artifacts.files import sha256_from_file, write_atomically
from edgert.errors import ArtifactError
from edgert.records import Family, InputSpec
from edgert.schema import record_from_yaml


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

    def built_path(self, device: str) -> Path:
        """Where the engines built for a device lie."""
        return self.path / "built" / device


def load_family(path: Path, *, verify: bool = True) -> FamilyFolder:
    """Read a family.

    Args:
        path: The family's folder, or its family.yaml.
        verify: Compare the base model's files with the hashes that family.yaml states.

    Raises:
        ArtifactError: One line that names the file, the place in it, what was expected and
            what stands there.
    """
    file = path if path.suffix in (".yaml", ".yml") else path / "family.yaml"
    family = record_from_yaml(file, Family, ArtifactError)
    _check_configurations(file, family)
    folder = FamilyFolder(file.parent, family)
    if verify:
        _check_hash(file, "base.sha256", folder.graph_path, family.base.sha256)
        if folder.weights_path is not None:
            stated = family.base.weights_sha256
            _check_hash(file, "base.weights_sha256", folder.weights_path, stated)
    return folder


def save_family(path: Path, family: Family) -> None:
    """Write family.yaml, leaving out what has its default."""
    content = _without_defaults(msgspec.to_builtins(family), family)
    text = yaml.safe_dump(
        content, sort_keys=False, default_flow_style=None, width=96, allow_unicode=True
    )
    write_atomically(path, text)


def _check_configurations(file: Path, family: Family) -> None:
    seen: set[str] = set()
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
