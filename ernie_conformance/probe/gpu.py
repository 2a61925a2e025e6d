"""GPUs and driver, through NVML; where its binding or library is missing, through nvidia-smi."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from ernie_conformance.probe import smi

SAMPLES, SAMPLE_SECONDS = 5, 0.1  # NVML refreshes the utilisation every 100 ms or less often
VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")


def read() -> dict[str, Any]:
    """`source`, `driver`, `cuda` (highest that the driver runs), `devices`, `problem` where none answers, `environment`.

    A device: `index, id, name, capability [major, minor], memory {total, used, free} bytes, utilization (percent, None
    where it isn't told), mig {enabled, slices [{id, total, free}]}, ecc {enabled, errors}, compute_mode, bus,
    processes [{pid, name, used}]`. `visible` are positions in `devices`, as CUDA would see them.
    """
    try:
        found = _through_nvml()
    except _NoNvml as problem:
        found = smi.read()
        if found.get("problem"):
            found["problem"] = f"{problem}; {found['problem']}"
    found["environment"] = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    found["visible"] = visible(found["devices"], os.environ.get("CUDA_VISIBLE_DEVICES"))
    return found


class _NoNvml(Exception):
    """NVML can't be asked; the message says why."""


def _through_nvml() -> dict[str, Any]:
    try:
        import pynvml
    except ImportError as error:
        raise _NoNvml(f"nvidia-ml-py is missing ({error})") from error
    with _initialised(pynvml):
        cuda = _or_none(pynvml, pynvml.nvmlSystemGetCudaDriverVersion_v2)
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        use = _utilization(pynvml, handles)
        return {
            "source": "nvml",
            "driver": _text(pynvml.nvmlSystemGetDriverVersion()),
            "cuda": f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "",
            "devices": [_device(pynvml, index, handle, use[index]) for index, handle in enumerate(handles)],
            "problem": "" if handles else "the driver answers, but there is no GPU",
        }


@contextlib.contextmanager
def _initialised(nvml: Any) -> Iterator[None]:
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise _NoNvml(f"NVML: {error}") from error
    try:
        yield
    finally:
        nvml.nvmlShutdown()


def _or_none(nvml: Any, question: Callable[..., Any], *arguments: Any) -> Any:
    """The answer, or None for what this GPU or driver doesn't support."""
    try:
        return question(*arguments)
    except nvml.NVMLError:
        return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)  # older bindings answer in bytes


def _utilization(nvml: Any, handles: list[Any]) -> list[float | None]:
    """Percent for each GPU, the median over half a second: one sample may catch a neighbour's blink, or miss it."""
    samples: list[list[int]] = [[] for _ in handles]
    for turn in range(SAMPLES):
        if turn and any(samples):
            time.sleep(SAMPLE_SECONDS)
        for kept, handle in zip(samples, handles, strict=True):
            rates = _or_none(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
            kept.extend([rates.gpu] if rates else [])
    return [statistics.median(kept) if kept else None for kept in samples]


def _device(nvml: Any, index: int, handle: Any, use: float | None) -> dict[str, Any]:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    ecc = _or_none(nvml, nvml.nvmlDeviceGetEccMode, handle)
    uncorrected = nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    errors = _or_none(nvml, nvml.nvmlDeviceGetTotalEccErrors, handle, uncorrected, nvml.NVML_VOLATILE_ECC)
    return {
        "index": index,
        "id": _text(nvml.nvmlDeviceGetUUID(handle)),
        "name": _text(nvml.nvmlDeviceGetName(handle)),
        "capability": list(_or_none(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle) or []),
        "memory": {"total": memory.total, "used": memory.used, "free": memory.free},
        "utilization": use,
        "mig": _mig(nvml, handle),
        "ecc": {"enabled": bool(ecc[0]) if ecc else None, "errors": errors},
        "compute_mode": _or_none(nvml, nvml.nvmlDeviceGetComputeMode, handle),
        "bus": _text(nvml.nvmlDeviceGetPciInfo(handle).busId),
        "processes": _processes(nvml, handle),
    }


def _mig(nvml: Any, handle: Any) -> dict[str, Any]:
    mode = _or_none(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if not mode or not mode[0]:
        return {"enabled": False, "slices": []}
    slices = []
    for number in range(_or_none(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        part = _or_none(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        if part is not None:
            memory = nvml.nvmlDeviceGetMemoryInfo(part)
            slices.append({"id": _text(nvml.nvmlDeviceGetUUID(part)), "total": memory.total, "free": memory.free})
    return {"enabled": True, "slices": slices}


def _processes(nvml: Any, handle: Any) -> list[dict[str, Any]]:
    """Who computes on it; processes of other PID namespaces aren't shown, so an empty list proves nothing."""
    running = _or_none(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
    names = ((p, _or_none(nvml, nvml.nvmlSystemGetProcessName, p.pid)) for p in running)
    return [{"pid": p.pid, "name": _text(name) if name else "", "used": p.usedGpuMemory} for p, name in names]


def visible(devices: list[dict[str, Any]], variable: str | None) -> list[int]:
    """Positions that CUDA shows, by CUDA_VISIBLE_DEVICES: unset is all, the list ends at its first invalid entry.

    Entries are numbers or unique beginnings of a GPU's or MIG slice's id. An entry that comes twice empties the list.
    """
    if variable is None:
        return list(range(len(devices)))
    found: list[int] = []
    for entry in (word.strip() for word in variable.split(",")):
        matches = [i for i, device in enumerate(devices) if _is_meant(entry, i, device)]
        if len(matches) != 1:
            break
        if matches[0] in found and not entry.startswith("MIG-"):
            return []
        found.append(matches[0])
    return list(dict.fromkeys(found))


def _is_meant(entry: str, position: int, device: dict[str, Any]) -> bool:
    if entry.isdigit():
        return int(entry) == position
    ids = [device["id"], *(part["id"] for part in device["mig"]["slices"])]
    return entry.startswith(("GPU-", "MIG-")) and any(name.startswith(entry) for name in ids)
