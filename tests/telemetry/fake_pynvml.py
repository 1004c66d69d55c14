"""NVML in memory, as nvidia-ml-py offers it: the functions that edgert calls, and their errors."""

from types import SimpleNamespace


class NVMLError(Exception):
    def __init__(self, value, text="Unknown Error"):
        super().__init__(text)
        self.value = value


NOT_SUPPORTED, GPU_IS_LOST, DRIVER_NOT_LOADED = 3, 15, 9


class FakeNvml:
    """One GPU; a value that is an NVMLError is raised."""

    NVMLError = NVMLError

    def __init__(self, **values):
        self.opened = self.closed = 0
        self.init_error = None
        self.values = {
            "PowerUsage": 71_500,
            "Temperature": 41,
            "ClockInfo": {0: 1_200, 2: 2_600},
            "MaxClockInfo": {0: 1_980, 2: 2_600},
            "TemperatureThreshold": {0: 92, 1: 87},
            "UtilizationRates": SimpleNamespace(gpu=37, memory=5),
            "MemoryInfo": SimpleNamespace(total=1000, used=250, free=750),
            "FanSpeed": 30,
            "CurrentClocksThrottleReasons": 0,
            "PerformanceState": 0,
        } | values

    def nvmlInit(self):  # noqa: N802
        if self.init_error is not None:
            raise self.init_error
        self.opened += 1

    def nvmlShutdown(self):  # noqa: N802
        self.closed += 1

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index:
            raise NVMLError(2, "Invalid Argument")
        return "gpu"

    def __getattr__(self, name):
        key = name.removeprefix("nvmlDeviceGet")
        if key == name or key not in self.values:
            raise AttributeError(name)

        def ask(handle, kind=None):
            assert handle == "gpu"
            value = self.values[key]
            if isinstance(value, dict):
                value = value[kind]
            if isinstance(value, NVMLError):
                raise value
            return value

        return ask
