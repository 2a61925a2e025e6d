"""GPUs: which of them the server would use, and whether they can hold and run the model."""

from __future__ import annotations

from typing import Any

from ernie_conformance.judge.outcome import Blocked, Broken, NotTestable, Warned, expect
from ernie_conformance.judge.rules.env_command import tensor_parallel
from ernie_conformance.judge.rules.env_facts import (
    Facts,
    before_launch,
    checks,
    gigabytes,
    part,
    reaches,
    server_here,
    version_key,
)
from ernie_conformance.judge.rules.env_weights import free_on, room_on, weights_on_each

NO_GPU, OLD_DRIVER, OLD_CUDA, HIDDEN = "GPU-001", "GPU-002", "GPU-003", "GPU-005"
TOO_SMALL, NO_SLICE = "GPU-006", "GPU-010"
WHEELS = {(8, 0): "80_90", (9, 0): "80_90", (8, 6): "86_89", (8, 9): "86_89"}
TUTORIALS_WHEEL = "80_90"
COMPUTE_MODES = {1: "exclusive to a thread", 2: "prohibited", 3: "exclusive to a process"}

Device = dict[str, Any]


def driver_answers(facts: Facts) -> None:
    server_here(facts)
    gpu = part(facts, "gpu")
    toolkit = part(facts, "cuda")["toolkit"]
    aside = f" (nvcc {toolkit['version']} is here, but a toolkit is no driver)" if toolkit and not gpu["devices"] else ""
    expect(bool(gpu["devices"]), f"no GPU answers: {gpu['problem']}{aside}")


def gpus(facts: Facts) -> Facts:
    """What the driver told. Raises Blocked when none answers."""
    server_here(facts)
    found = part(facts, "gpu")
    if not found["devices"]:
        raise Blocked(NO_GPU, "no GPU answers")
    return found


def used(facts: Facts) -> list[Device]:
    """The GPUs that the server would use: the first that CUDA shows, as many as the model is spread over."""
    found = gpus(facts)
    count = tensor_parallel(facts)
    if len(found["visible"]) < count:
        raise Blocked(HIDDEN, "fewer GPUs are visible than are needed")
    return [found["devices"][i] for i in found["visible"][:count]]


def name(device: Device) -> str:
    return f"GPU {device['index']} ({device['name']})"


def cuda_of_driver(facts: Facts) -> None:
    found = gpus(facts)
    if version_key(found["driver"]) < version_key(checks()["driver"]["vendor"]):
        raise Blocked(OLD_DRIVER, "the driver is too old, and its CUDA with it")
    reaches("driver_cuda", found["cuda"], f"CUDA of driver {found['driver']}")


def chips_have_a_wheel(facts: Facts) -> None:
    chips = [(name(d), tuple(d["capability"])) for d in used(facts)]
    unsupported = [f"{who} is SM{''.join(map(str, chip))}" for who, chip in chips if chip not in WHEELS]
    wanted = "required: SM80, 86, 89 or 90 (vendor's wheels); the tutorial's V100 is SM70 and can't run"
    expect(not unsupported, f"{'; '.join(unsupported)}; {wanted}")
    others = [f"{who} needs the wheel {WHEELS[chip]}" for who, chip in chips if WHEELS[chip] != TUTORIALS_WHEEL]
    if others:
        raise Warned(f"{'; '.join(others)}; the tutorial's command installs {TUTORIALS_WHEEL}")


def enough_are_visible(facts: Facts) -> None:
    found, count = gpus(facts), tensor_parallel(facts)
    setting = found["environment"].get("CUDA_VISIBLE_DEVICES")
    by = f" by CUDA_VISIBLE_DEVICES={setting!r}" if setting is not None else ""
    seen = len(found["visible"])
    expect(seen >= count, f"{seen} of {len(found['devices'])} GPUs are visible{by}; --tensor-parallel-size needs {count}")


def weights_fit(facts: Facts) -> None:
    """The share of the memory that the command grants, against the share of the weights that each GPU holds."""
    need = weights_on_each(facts)
    figures = checks()["gpu_memory"]
    for device in used(facts):
        total, room = room_on(facts, device)
        detail = (
            f"{name(device)}: {gigabytes(total)}, of which {gigabytes(room)} for the server; its share of the weights takes"
            f" {gigabytes(need)}; the tutorial's minimum is {figures['tutorial']} GB"
        )
        expect(room >= need, detail)
        if total < figures["tutorial"] * 10**9:
            raise Warned(detail)


def memory_is_free(facts: Facts) -> None:
    """Before the launch: what is free must hold what the server will claim."""
    before_launch(facts)
    for device in used(facts):
        if device["mig"]["enabled"] and not device["mig"]["slices"]:
            raise Blocked(NO_SLICE, "MIG is on and has no slice")
        total, room = room_on(facts, device)
        taken = device["memory"]["used"]
        free = free_on(facts, device)
        holders = ", ".join(_holder(p) for p in device["processes"]) or "processes of other containers, or one that died"
        expect(
            free >= room,
            f"{name(device)}: {gigabytes(free)} of {gigabytes(total)} free, the server claims {gigabytes(room)};"
            f" {gigabytes(taken)} are held by {holders}",
        )


def _holder(process: dict[str, Any]) -> str:
    return f"{process['name'] or 'a process'} (pid {process['pid']}, {gigabytes(process['used'] or 0)})"


def is_idle(facts: Facts) -> None:
    before_launch(facts)
    devices = used(facts)
    told = [d for d in devices if d["utilization"] is not None]
    if not told:
        raise NotTestable("the GPU doesn't tell its utilisation (MIG)")
    busy = [f"{name(d)}: {d['utilization']:g} %" for d in told if d["utilization"] > checks()["gpu_use"]["tutorial"]]
    expect(not busy, f"{'; '.join(busy)}; required before the start: 0 % (tutorial)")


def nobody_computes(facts: Facts) -> None:
    before_launch(facts)
    found = [f"{name(d)}: {', '.join(_holder(p) for p in d['processes'])}" for d in used(facts) if d["processes"]]
    short = [d for d in used(facts) if free_on(facts, d) < room_on(facts, d)[1]]
    if found and short:
        raise Blocked("GPU-007", "they hold memory that the server needs")
    expect(not found, "; ".join(found))


def no_memory_errors(facts: Facts) -> None:
    bad = [f"{name(d)}: {d['ecc']['errors']} uncorrectable errors" for d in used(facts) if d["ecc"]["errors"]]
    expect(not bad, f"{'; '.join(bad)} since the last reset; the tutorial's host shows 0")


def ecc_is_on(facts: Facts) -> None:
    told = [d for d in used(facts) if d["ecc"]["enabled"] is not None]
    if not told:
        raise NotTestable("these GPUs have no ECC")
    off = [name(d) for d in told if not d["ecc"]["enabled"]]
    expect(not off, f"ECC is off on {', '.join(off)}")


def mig_gives_a_slice(facts: Facts) -> None:
    found = gpus(facts)
    cut = [d for d in used(facts) if d["mig"]["enabled"]]
    if not cut:
        return
    empty = [name(d) for d in cut if not d["mig"]["slices"]]
    expect(not empty, f"MIG is on and has no slice on {', '.join(empty)}")
    count = tensor_parallel(facts)
    expect(count == 1, f"a process sees one MIG slice only; --tensor-parallel-size is {count}")
    several = [d for d in cut if len(d["mig"]["slices"]) > 1]
    named = str(found["environment"].get("CUDA_VISIBLE_DEVICES", "")).startswith("MIG-")
    if several and not named:
        raise Warned(
            f"{name(several[0])} has {len(several[0]['mig']['slices'])} slices; CUDA takes the first unless one is named"
        )


def are_alike(facts: Facts) -> None:
    names = sorted({d["name"] for d in used(facts)})
    if tensor_parallel(facts) == 1:
        raise NotTestable("one GPU is used")
    expect(len(names) == 1, f"the model is spread over different GPUs: {', '.join(names)}")


def order_is_certain(facts: Facts) -> None:
    """CUDA counts by speed, nvidia-smi by bus, unless told otherwise: a number may mean another GPU."""
    found = gpus(facts)
    setting = found["environment"].get("CUDA_VISIBLE_DEVICES", "")
    kinds = {d["name"] for d in found["devices"]}
    if len(kinds) == 1:
        return
    by_bus = found["environment"].get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    by_id = setting.startswith(("GPU-", "MIG-"))
    what = f"CUDA_VISIBLE_DEVICES={setting}" if setting else "the first GPU"
    expect(by_bus or by_id, f"{what} may be any of {', '.join(sorted(kinds))}: CUDA_DEVICE_ORDER isn't PCI_BUS_ID")


def modes_allow_sharing(facts: Facts) -> None:
    """The worker and the cache manager of one server open the same GPU."""
    wrong = [f"{name(d)} is {COMPUTE_MODES[d['compute_mode']]}" for d in used(facts) if d["compute_mode"] in COMPUTE_MODES]
    expect(not wrong, f"{'; '.join(wrong)}; required: compute mode Default")


def recommended(facts: Facts, check: str) -> None:
    """The tutorial's recommendation; nothing to say where the minimum isn't reached already."""
    found, figures = gpus(facts), checks()[check]
    if check == "gpu_memory":
        if any(room_on(facts, d)[1] < weights_on_each(facts) for d in used(facts)):
            raise Blocked(TOO_SMALL, "the weights don't fit")
        least = min(room_on(facts, d)[0] for d in used(facts))
        held, shown = least >= figures["recommended"] * 10**9, gigabytes(least)
        wanted = f"{figures['recommended']} GB"
    else:
        if version_key(found["driver"]) < version_key(checks()["driver"]["vendor"]):
            raise Blocked(OLD_DRIVER, "the driver is too old")
        if check == "driver_cuda" and version_key(found["cuda"]) < version_key(figures["vendor"]):
            raise Blocked(OLD_CUDA, "the driver's CUDA is too old")
        shown, wanted = found["driver" if check == "driver" else "cuda"], figures["recommended"]
        held = version_key(shown) >= version_key(wanted)
    if not held:
        raise Broken(f"{figures['item']['en']}: found {shown}, the tutorial recommends {wanted}")
