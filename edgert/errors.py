"""Every error an operator can act on, as one tree.

    EdgertError                      one line, exit status 1
    ├── UsageError                   the command line itself is off, exit status 2
    ├── SettingsError
    ├── MissingDependencyError       names the extra that brings the package
    ├── ArtifactError                family.yaml, manifest, profile, weights, hashes
    │   └── UntrustedError           others may have changed it, or nobody trusted signed it
    ├── SurgeryError
    │   ├── PreconditionError        the graph does not have what the edit needs
    │   └── PostconditionError       the edit ran and left something wrong
    ├── CalibrationError             calibration frames, or what was fitted on them
    ├── BuildError
    │   └── VerificationError        an engine computes something else than its graph
    ├── BackendError
    │   ├── EngineLoadError
    │   └── InferenceError
    ├── TelemetryError
    │   ├── SourceUnavailableError
    │   └── SensorReadError
    ├── NoFeasibleConfigurationError
    ├── VideoError
    └── ServiceBusyError             a daemon has enough to do; try again later

Programmer misuse is a ValueError or TypeError, never one of these.
"""


class EdgertError(Exception):
    """A failure that the operator can act on, told in one line.

    Args:
        subject: What was being done, to what: "derive segformer stage 3".
        expected: What was expected there.
        got: What came instead.
        advice: What to do about it, a sentence without its full stop.
    """

    def __init__(self, subject: str, *, expected: str, got: str, advice: str) -> None:
        self.subject = subject
        self.expected = expected
        self.got = got
        self.advice = advice
        super().__init__(f"{subject}: expected {expected}, got {got}. {advice}.")


class UsageError(EdgertError):
    """The command line asks for something that does not exist."""


class SettingsError(EdgertError):
    """A setting has a wrong name, type or range."""


class MissingDependencyError(EdgertError):
    """An optional package is not installed; the message names the extra."""


class ArtifactError(EdgertError):
    """A file under engines/ or profiles/ is missing, damaged or out of date."""


class UntrustedError(ArtifactError):
    """Engines that others may have changed, or that nobody who is trusted signed."""


class SurgeryError(EdgertError):
    """A graph edit could not be made."""


class PreconditionError(SurgeryError):
    """The graph does not have what the edit needs; the graph is untouched."""


class PostconditionError(SurgeryError):
    """The edited graph failed its own check; it is not handed out."""


class CalibrationError(EdgertError):
    """Calibration frames do not fit the model, or are too few."""


class BuildError(EdgertError):
    """An engine could not be built."""


class VerificationError(BuildError):
    """An engine computes something else than its graph does without optimisation."""


class BackendError(EdgertError):
    """The inference runtime refused."""


class EngineLoadError(BackendError):
    """An engine could not be made ready to run."""


class InferenceError(BackendError):
    """An engine failed while it ran."""


class TelemetryError(EdgertError):
    """Power or temperature could not be had."""


class SourceUnavailableError(TelemetryError):
    """A telemetry source does not exist on this machine."""


class SensorReadError(TelemetryError):
    """One sensor did not answer."""


class NoFeasibleConfigurationError(EdgertError):
    """No configuration of the family can be run at all under the limits."""


class VideoError(EdgertError):
    """A video source or sink failed."""


class ServiceBusyError(EdgertError):
    """A daemon that runs has enough to do; the same request may be taken a moment later."""
