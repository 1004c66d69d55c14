"""Types that fields of records have, and what all records derive from."""

from typing import Annotated, Any, Literal

import msgspec

Provenance = Literal["measured", "modelled", "emulated"]
Precision = Literal["fp32", "fp16", "int8"]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
NotNegativeInt = Annotated[int, msgspec.Meta(ge=0)]
PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
# \Z and not $, which lets a line break pass behind the name
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=80)]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*\Z", max_length=120)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]

# One edit as it is written: {"skip_residuals": {"branches": [...]}}, exactly one key.
Edit = dict[str, dict[str, Any]]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all records: frozen, keyword-only, and an unknown field is an error."""
