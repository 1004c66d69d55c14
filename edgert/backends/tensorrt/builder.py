"""A parsed network compiled into a plan: what the builder is asked for, and what it says then.

The builder measures kernels on the device, and keeps what it measured in a timing cache. One cache
serves a whole family, whose graphs repeat most of their layers.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgert.backends.base import Progress
from edgert.backends.tensorrt.network import ParsedNetwork
from edgert.backends.tensorrt.progress import PARTS, open_monitor
from edgert.backends.tensorrt.vendor import Said, is_rtx
from edgert.errors import BackendError
from edgert.units import text_from_bytes

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildOptions:
    """What a plan is built with, besides the graph.

    workspace_bytes: Scratch memory that one layer may take; None leaves it to TensorRT, which
        then takes what it finds.
    optimisation_level: 0 to 5; higher looks at more kernels and takes longer.
    dla_core: Layers go to this core of the DLA where they can; None: all run on the GPU.
    threads: Of the builder; None leaves it to TensorRT.
    """

    workspace_bytes: int | None = None
    optimisation_level: int = 3
    dla_core: int | None = None
    threads: int | None = None

    def text(self) -> dict[str, str]:
        """What of it an engine depends on, in words."""
        workspace = self.workspace_bytes
        return {
            "workspace": "as TensorRT finds" if workspace is None else text_from_bytes(workspace),
            "optimisation": str(self.optimisation_level),
            "tf32": "off",
            "types": "as the graph states",
            "dla": "none" if self.dla_core is None else f"core {self.dla_core}, else the GPU",
            "plugins": "none",
        }


class BuiltPlan(NamedTuple):
    """A plan, and what came with it."""

    plan: bytes
    timing_cache: bytes  # b"" where the vendor has none
    dla_layers: tuple[str, ...]  # as TensorRT placed them, by its own names for them
    fallback_layers: tuple[str, ...]  # of the network: asked onto the DLA, and not fit for it


def build_plan(
    vendor: Any,
    logger: Any,
    parsed: ParsedNetwork,
    options: BuildOptions,
    *,
    subject: str,
    timing_cache: bytes = b"",
    progress: Progress | None = None,
    prepare_thread: Callable[[], None] = lambda: None,
    adjust: Callable[[Any], None] = lambda config: None,
) -> BuiltPlan:
    """Compile a network; minutes on a small board.

    Args:
        vendor: The module tensorrt, or tensorrt_rtx.
        logger: From `vendor.open_logger`, as the network was parsed with.
        parsed: The network.
        options: What to build it with.
        subject: What errors say was being done.
        timing_cache: Of an earlier build; one of another device is left unused.
        progress: Told how far the build is, in a hundred parts, from threads of TensorRT's.
        prepare_thread: Called in the thread that builds, before it does.
        adjust: Called with the builder's configuration, to set more.

    Raises:
        BackendError: TensorRT can't, or there is no such DLA core; the message says why.
        KeyboardInterrupt: Asked for while it built; the build was stopped.
    """
    monitor = open_monitor(vendor, progress)
    with logger.listening() as said:
        config = _configured(vendor, parsed.builder, options, subject)
        cache = None if is_rtx(vendor) else _attached_cache(config, timing_cache, said)
        config.progress_monitor = monitor
        adjust(config)
        fallback = _unfit_for_dla(config, parsed, options)

        def work() -> Any:
            prepare_thread()
            return parsed.builder.build_serialized_network(parsed.network, config)

        # In a thread of its own, so that this one can still be interrupted and pass it on.
        with ThreadPoolExecutor(1, "tensorrt-build") as executor:
            try:
                plan = executor.submit(work).result()
            finally:
                monitor.stop()  # after the end it is of no effect
        monitor.raise_failure()
        if plan is None:
            raise BackendError(
                subject,
                expected="a plan",
                got=said.out_of_memory or said.last,
                advice=_advice(options, said),
            )
        if progress is not None:
            progress(PARTS, PARTS, "built")
        kept = b"" if cache is None else bytes(cache.serialize())
        return BuiltPlan(bytes(plan), kept, tuple(said.dla_layers), fallback)


def _configured(vendor: Any, builder: Any, options: BuildOptions, subject: str) -> Any:
    config = builder.create_builder_config()
    config.builder_optimization_level = options.optimisation_level
    config.profiling_verbosity = vendor.ProfilingVerbosity.DETAILED  # else layers have no types
    # 10 bits of mantissa would pass for fp32: the graph says what precision an engine has.
    config.clear_flag(vendor.BuilderFlag.TF32)
    if options.workspace_bytes is not None:
        config.set_memory_pool_limit(vendor.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    if options.threads is not None:
        builder.max_threads = options.threads
    if options.dla_core is not None:
        _place_on_dla(vendor, builder, config, options.dla_core, subject)
    return config


def _attached_cache(config: Any, content: bytes, said: Said) -> Any:
    cache = config.create_timing_cache(content)
    if cache is not None and config.set_timing_cache(cache, False):
        return cache
    _log.warning("timing cache left unused, a new one is begun: %s", said.last)
    cache = config.create_timing_cache(b"")
    config.set_timing_cache(cache, False)
    return cache


def _place_on_dla(vendor: Any, builder: Any, config: Any, core: int, subject: str) -> None:
    cores = builder.num_DLA_cores
    if core >= cores:
        raise BackendError(
            f"{subject} for DLA core {core}",
            expected=f"a core below {cores}" if cores else "a board and a TensorRT with a DLA",
            got=f"core {core}" if cores else "0 cores",
            advice="Leave the DLA core out to build for the GPU",
        )
    config.default_device_type = vendor.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(vendor.BuilderFlag.GPU_FALLBACK)  # else one unfit layer ends the build


def _unfit_for_dla(config: Any, parsed: ParsedNetwork, options: BuildOptions) -> tuple[str, ...]:
    if options.dla_core is None:
        return ()
    network = parsed.network
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return tuple(layer.name for layer in layers if not config.can_run_on_DLA(layer))


def _advice(options: BuildOptions, said: Said) -> str:
    if said.out_of_memory:
        return "Free some memory, or set a lower limit for the workspace"
    if options.workspace_bytes is not None:
        return "Allow more workspace, or check the graph"
    return "Check the graph"
