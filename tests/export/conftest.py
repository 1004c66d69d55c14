"""A family to fill, and checkpoints to fill it from."""

from pathlib import Path

import pytest


@pytest.fixture
def family(tmp_path) -> Path:
    """A family without weights: a base model and two scaled ones."""
    from tests.export.unfilled_segformer import unfilled_family

    return unfilled_family(tmp_path / "engines" / "scaled")


@pytest.fixture(scope="session")
def stored(tmp_path_factory) -> dict[str, Path]:
    """A checkpoint's folder for each of its models."""
    from tests.export.segformer_checkpoints import write_small_checkpoint
    from tests.export.unfilled_segformer import SIZE_OF

    root = tmp_path_factory.mktemp("checkpoints")
    return {name: write_small_checkpoint(root / size, size) for name, size in SIZE_OF.items()}
