"""GPUs by nvidia-smi, for hosts where NVML can't be asked from Python."""

from __future__ import annotations

import csv
import re
import shutil
import xml.etree.ElementTree as ElementTree
from typing import Any

from ernie_conformance.probe.shell import ask

COMPUTE_MODES = {"Default": 0, "Exclusive_Thread": 1, "Prohibited": 2, "Exclusive_Process": 3}
MIB = 1 << 20


def read() -> dict[str, Any]:
    """The same record as NVML gives. The ids of MIG slices aren't in it; one reading of the utilisation stands for all."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return _none("no nvidia-smi on PATH: there is no NVIDIA driver here, or the container doesn't pass it on")
    report = ask([program, "-q", "-x"])
    if report.status != 0:
        return _none(f"nvidia-smi: {report.last_line}")
    capabilities = ask([program, "--query-gpu=pci.bus_id,compute_cap", "--format=csv,noheader"])  # the report lacks them
    return parse(report.out, capabilities.out)


def _none(problem: str) -> dict[str, Any]:
    return {"source": "none", "driver": "", "cuda": "", "devices": [], "problem": problem}


def parse(report: str, capabilities: str) -> dict[str, Any]:
    """The record from the report of `nvidia-smi -q -x` and the CSV lines `bus id, compute capability`."""
    try:
        log = ElementTree.fromstring(report)
    except ElementTree.ParseError as error:
        return _none(f"nvidia-smi's report isn't XML: {error}")
    by_bus = {bus.strip(): _numbers(value) for bus, value in csv.reader(capabilities.splitlines())}
    devices = [_device(index, gpu, by_bus) for index, gpu in enumerate(log.iter("gpu"))]
    return {
        "source": "nvidia-smi",
        "driver": log.findtext("driver_version", ""),
        "cuda": log.findtext("cuda_version", ""),
        "devices": devices,
        "problem": "" if devices else "nvidia-smi answers, but lists no GPU",
    }


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _number(text: str | None) -> int | None:
    """The whole number that `text` begins with; None for "N/A" and its kin."""
    found = re.match(r"\s*(\d+)", text or "")
    return int(found[1]) if found else None


def _memory(of: ElementTree.Element) -> dict[str, int]:
    return {name: (_number(of.findtext(f"fb_memory_usage/{name}")) or 0) * MIB for name in ("total", "used", "free")}


def _device(index: int, gpu: ElementTree.Element, capabilities: dict[str, list[int]]) -> dict[str, Any]:
    errors = [_number(e.text) for e in gpu.findall("ecc_errors/volatile/*") if "uncorrectable" in e.tag]
    counted = [e for e in errors if e is not None]
    bus = gpu.get("id", "")
    slices = [_memory(part) for part in gpu.findall("mig_devices/mig_device")]
    return {
        "index": index,
        "id": gpu.findtext("uuid", ""),
        "name": gpu.findtext("product_name", ""),
        "capability": capabilities.get(bus, []),
        "memory": _memory(gpu),
        "utilization": _number(gpu.findtext("utilization/gpu_util")),
        "mig": {
            "enabled": gpu.findtext("mig_mode/current_mig") == "Enabled",
            "slices": [{"id": "", "total": part["total"], "free": part["free"]} for part in slices],
        },
        "ecc": {
            "enabled": {"Enabled": True, "Disabled": False}.get(gpu.findtext("ecc_mode/current_ecc", "")),
            "errors": sum(counted) if counted else None,
        },
        "compute_mode": COMPUTE_MODES.get(gpu.findtext("compute_mode", "")),
        "bus": bus,
        "processes": [
            {
                "pid": _number(process.findtext("pid")),
                "name": process.findtext("process_name", ""),
                "used": (_number(process.findtext("used_memory")) or 0) * MIB,
            }
            for process in gpu.findall("processes/process_info")
        ],
    }
