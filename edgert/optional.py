"""Optional packages: imported where they are used, and explained where they are missing."""

import importlib
from types import ModuleType
from typing import Any

from edgert.errors import MissingDependencyError


def needs(package: str, extra: str, purpose: str) -> Any:
    """Import an optional package, or say which extra brings it.

    Args:
        package: Dotted name to import.
        extra: The extra of edgert that installs it.
        purpose: What it is needed for, as in "to read video".

    Returns:
        The imported module (typed Any: vendor packages carry no stubs).

    Raises:
        MissingDependencyError: The package itself is absent. A failure inside an installed
            package is let through unchanged, because its cause is a different one.
    """
    try:
        module: ModuleType = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or package.split(".", maxsplit=1)[0] != error.name.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"import {package} {purpose}",
            expected=f"the package {package.split('.', maxsplit=1)[0]}",
            got="none installed",
            advice=f"Run: pip install 'edgert[{extra}]'",
        ) from error
    return module
