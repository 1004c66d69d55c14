"""Frozen records that cross rooms. Quantities are SI and carry their unit in the name.

What is measured, what a model computed and what an emulator made up never share a name: every
energy or power figure travels with its `Provenance`.

base       types of fields, and what all records derive from
control    what a controller has learned
families   what family.yaml says
engines    what is built of a family for one device
profiles   what was measured of engines, or computed
runs       telemetry, limits, decisions, and a run's log
service    a daemon at work
thermal    how a board takes up heat
traces     what happens around a board while it works
"""

from edgert.records.base import (
    Edit,
    FileName,
    Name,
    NotNegative,
    NotNegativeInt,
    Positive,
    PositiveInt,
    Precision,
    Provenance,
    Ratio,
    Record,
    Sha256,
)
from edgert.records.control import ControllerState
from edgert.records.engines import (
    CompileReport,
    Cost,
    Engine,
    EngineManifest,
    EngineMemory,
    Parity,
    TaskParity,
)
from edgert.records.families import (
    Accuracy,
    BaseModel,
    Configuration,
    Family,
    InputSpec,
    ScaledModel,
    TensorSpec,
)
from edgert.records.profiles import (
    EnergyFigure,
    EnergyRatio,
    LatencyStatistics,
    Profile,
    ProfileEntry,
)
from edgert.records.runs import (
    PICTURE,
    Decision,
    FrameLog,
    FrameOutcome,
    Limits,
    RunHeader,
    ShadowOutcome,
    TelemetrySample,
)
from edgert.records.service import (
    Agreement,
    ConfigurationStatus,
    Event,
    EventKind,
    PictureResult,
    ServiceState,
    ServiceStatus,
    ShadowStatus,
    SourceFigures,
    StreamState,
    StreamStatus,
    Wanted,
    WantedChange,
)
from edgert.records.thermal import ThermalConstants
from edgert.records.traces import TracePoint

__all__ = [
    "PICTURE",
    "Accuracy",
    "Agreement",
    "BaseModel",
    "CompileReport",
    "Configuration",
    "ConfigurationStatus",
    "ControllerState",
    "Cost",
    "Decision",
    "Edit",
    "EnergyFigure",
    "EnergyRatio",
    "Engine",
    "EngineManifest",
    "EngineMemory",
    "Event",
    "EventKind",
    "Family",
    "FileName",
    "FrameLog",
    "FrameOutcome",
    "InputSpec",
    "LatencyStatistics",
    "Limits",
    "Name",
    "NotNegative",
    "NotNegativeInt",
    "Parity",
    "PictureResult",
    "Positive",
    "PositiveInt",
    "Precision",
    "Profile",
    "ProfileEntry",
    "Provenance",
    "Ratio",
    "Record",
    "RunHeader",
    "ScaledModel",
    "ServiceState",
    "ServiceStatus",
    "Sha256",
    "ShadowOutcome",
    "ShadowStatus",
    "SourceFigures",
    "StreamState",
    "StreamStatus",
    "TaskParity",
    "TelemetrySample",
    "TensorSpec",
    "ThermalConstants",
    "TracePoint",
    "Wanted",
    "WantedChange",
]
