"""The values of an emulated board's files, as the kernel's drivers would give them.

Owns units and steps: mV and mA of the power chips, thousandths of a degree, Hz and kHz.
"""

from typing import NamedTuple

import msgspec

from edgert.emulator import ina3221, tree_static
from edgert.emulator.board import EmulatedBoard
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.layout import NOT_CONNECTED, Channel, Chip, Layout, Mode
from edgert.emulator.tree_files import TreeFiles

# INA238 (TI SBOSA20): one conversion, and the steps of shunt and bus.
_INA238_LOOK_S, _INA238_SHUNT_V, _INA238_BUS_V = 1.052e-3, 5e-6, 3.125e-3
_FAN_LOW_C, _FAN_HIGH_C, _FAN_LOW_PWM, _PWM_FULL = 40.0, 80.0, 66, 255
_FAN_FULL_RPM = 6000


class Electrics(NamedTuple):
    """What may be changed of all power chips while a tree is driven."""

    samples: int = 1
    phase_s: float = 0.0
    shunt_noise_v: float = 0.0
    supply_ratio: float = 1.0  # of the input voltage, which sags under a brown-out
    seed: int = 0


def write_chip(
    files: TreeFiles, chip: Chip, board: EmulatedBoard, electrics: Electrics, now_s: float
) -> None:
    """Put one power chip's readings as of `now_s`."""
    if chip.driver == "ina238":
        _write_ina238(files, chip, board, electrics, now_s)
        return
    folder = f"sys/{chip.folder}"
    shunts_uv = 0
    for number, channel in enumerate(chip.channels):
        if channel.label == NOT_CONNECTED:
            continue
        spec = _chip_spec(channel, electrics)
        volt_mv, curr_ma = board.history.registers_at(
            now_s,
            spec,
            channel=number,
            rail=channel.rail(board.spec.power),
            seed=electrics.seed,
        )
        shunt_uv = round(curr_ma * channel.shunt_ohm * 1e3)
        shunts_uv += shunt_uv
        files.put(f"{folder}/in{number + 1}_input", volt_mv)
        files.put(f"{folder}/curr{number + 1}_input", curr_ma)
        files.put(f"{folder}/in{number + 4}_input", shunt_uv)
        files.put(f"{folder}/curr{number + 1}_crit_alarm", int(curr_ma > chip.curr_crit_ma))
    files.put(f"{folder}/in7_input", shunts_uv)
    update_ms = round(_chip_spec(chip.channels[0], electrics).update_period_s * 1e3)
    files.put(f"{folder}/update_interval", update_ms)


def write_zones(files: TreeFiles, layout: Layout, board: EmulatedBoard) -> None:
    """Put every zone's temperature."""
    sink_c, rise_k = board.thermal.sink_c, board.thermal.die_c - board.thermal.sink_c
    for number, zone in enumerate(layout.zones):
        if not zone.gated:
            temp_c = sink_c + zone.place * rise_k
            files.put(f"{tree_static.zone_folder(number)}/temp", int(temp_c * 1e3))


def write_clocks(
    files: TreeFiles, layout: Layout, board: EmulatedBoard, mode: Mode, *, load: float, cores: int
) -> None:
    """Put the clocks of GPU, processor and memory, their caps, and the GPU's load.

    Idle clocks fall to their lowest, as the governors let them; under load they stand at the
    mode's cap, or below it where heat or an event holds them.
    """
    held = board.clock_ratio / board.mode_clock_ratio
    busy = load > 0
    clock = tree_static.devfreq_folder(layout)
    least_hz = layout.gpu.frequencies_hz[0]
    files.put(f"{clock}/min_freq", least_hz)
    files.put(f"{clock}/max_freq", mode.gpu_hz)
    files.put(f"{clock}/cur_freq", round(mode.gpu_hz * held / 1e6) * 10**6 if busy else least_hz)
    if layout.gpu.load_file:
        files.put(f"sys/{layout.gpu.parent}/load", round(load * 1000))
    mask = layout.gpu.tpc_pg_mask if mode.tpc_pg_mask is None else mode.tpc_pg_mask
    files.put(f"sys/{layout.gpu.parent}/tpc_pg_mask", mask)
    cap_khz = mode.cpu_hz // 1000
    current_khz = round(cap_khz * held) if busy else layout.cpu.least_hz // 1000
    for first in range(0, cores, layout.cpu.policy_cores):
        policy = f"{tree_static.CPUS}/cpufreq/policy{first}"
        for kind in ("scaling", "cpuinfo"):
            files.put(f"{policy}/{kind}_max_freq", cap_khz)
            files.put(f"{policy}/{kind}_cur_freq", current_khz)
    files.put(f"{tree_static.MEMORY_CLOCK}/min_rate", layout.memory_hz.least)
    files.put(f"{tree_static.MEMORY_CLOCK}/max_rate", mode.memory_hz)
    files.put(f"{tree_static.MEMORY_CLOCK}/rate", mode.memory_hz if busy else 665600000)
    files.put(f"{tree_static.MEMORY_CLOCK}/mrq_rate_locked", 0)
    files.put("sys/kernel/actmon_avg_activity/mc_all", round(load * mode.memory_hz / 4e3))


def write_cooling(files: TreeFiles, board: EmulatedBoard) -> None:
    """Put fan and cooling devices; the fan's speed is for show, the physics knows on and off."""
    warm = (board.thermal.die_c - _FAN_LOW_C) / (_FAN_HIGH_C - _FAN_LOW_C)
    share = min(max(warm, 0.0), 1.0)
    pwm = round(_FAN_LOW_PWM + share * (_PWM_FULL - _FAN_LOW_PWM)) if board.fan_running else 0
    files.put(f"{tree_static.FAN}/pwm1", pwm)
    files.put(f"{tree_static.TACHOMETER}/rpm", round(pwm / _PWM_FULL * _FAN_FULL_RPM))
    held = board.clock_ratio / board.mode_clock_ratio
    steps = round((1 - held) / board.spec.throttle.clock_step_ratio)
    hot = int(board.throttle.throttled)
    states = {
        "pwm-fan": round(pwm / _PWM_FULL * tree_static.COOLING_STATES["pwm-fan"]),
        "cpu-throttle-alert": hot,
        "gpu-throttle-alert": hot,
        "hot-surface-alert": int(board.thermal.sink_c >= 70.0),
        "devfreq": steps,
    }
    for number, kind in enumerate(tree_static.COOLING):
        files.put(f"{tree_static.cooling_folder(number)}/cur_state", states[kind])


def write_proc(
    files: TreeFiles, layout: Layout, *, now_s: float, busy_s: float, cores: int
) -> None:
    """Put what /proc says of a machine: uptime, processor time in ticks of 10 ms, memory.

    The uptime is the board's clock: the machine's monotonic one starts with the machine.
    """
    files.put("proc/uptime", f"{now_s:.2f} {max(0.0, now_s * cores - busy_s):.2f}")
    user, total = round(busy_s * 100), round(now_s * 100)
    lines = [f"cpu  {user} 0 0 {max(0, total * cores - user)} 0 0 0 0 0 0"]
    lines += [
        f"cpu{core} {user // cores} 0 0 {max(0, total - user // cores)} 0 0 0 0 0 0"
        for core in range(cores)
    ]
    files.put("proc/stat", "\n".join(lines))
    total_kib = layout.memory_bytes // 1024
    files.put(
        "proc/meminfo",
        f"MemTotal:       {total_kib} kB\nMemFree:        {total_kib // 2} kB\n"
        f"MemAvailable:   {total_kib * 3 // 4} kB",
    )


def _chip_spec(channel: Channel, electrics: Electrics) -> Ina3221Spec:
    known = msgspec.convert(
        {"samples": electrics.samples if electrics.samples in ina3221.SAMPLES else 1},
        Ina3221Spec,
    )
    return msgspec.structs.replace(
        known,
        shunt_ohm=channel.shunt_ohm,
        supply_v=channel.supply_v * electrics.supply_ratio,
        phase_s=electrics.phase_s,
        shunt_noise_v=electrics.shunt_noise_v,
    )


def _write_ina238(
    files: TreeFiles, chip: Chip, board: EmulatedBoard, electrics: Electrics, now_s: float
) -> None:
    channel, folder = chip.channels[0], f"sys/{chip.folder}"
    power_w = board.history.mean_w(now_s - _INA238_LOOK_S, now_s, channel.rail(board.spec.power))
    step_a = _INA238_SHUNT_V / channel.shunt_ohm
    supply_v = channel.supply_v * electrics.supply_ratio
    bus_v = round(supply_v / _INA238_BUS_V) * _INA238_BUS_V
    current_a = round(power_w / supply_v / step_a) * step_a
    files.put(f"{folder}/in1_input", round(bus_v * 1e3))
    files.put(f"{folder}/curr1_input", round(current_a * 1e3))
    files.put(f"{folder}/power1_input", round(bus_v * current_a * 1e6))
