"""The machine: memory, disk, processor, libraries."""

from __future__ import annotations

from ernie_conformance.judge.outcome import Blocked, Warned, expect
from ernie_conformance.judge.rules.env_facts import GB, Facts, gigabytes, host, part, reaches, server_here, version_key

SUITE_PYTHONS = ((3, 10), (3, 13))
ENGINE_PYTHONS = ((3, 10), (3, 12))
UNLIMITED = -1


def suite_python(facts: Facts) -> None:
    found = part(facts, "system")["python"]
    lowest, highest = SUITE_PYTHONS
    expect(version_key(found)[:2] >= lowest, f"the suite runs on Python {found}; it needs 3.10 or newer")
    if version_key(found)[:2] > highest:
        raise Warned(f"the suite runs on Python {found}; it is tested on 3.10 to 3.13")


def engine_python(facts: Facts) -> None:
    found = part(facts, "engine")
    reaches("engine_python", found["python"], f"Python of the engine ({found['path']})")
    if version_key(found["python"])[:2] > ENGINE_PYTHONS[1]:
        raise Warned(f"{found['path']} is Python {found['python']}; FastDeploy documents 3.10 to 3.12")


def memory_is_enough(facts: Facts) -> None:
    """Counted with what control groups leave of it, own and ancestors."""
    server_here(facts)
    memory = part(facts, "memory")
    by = f"RAM (limited by {memory['limit_file']})" if memory["effective"] < memory["total"] else "RAM"
    reaches("memory", memory["effective"], by)


def disk_is_enough(facts: Facts) -> None:
    """What is free at the model's place, and what the model takes there already."""
    disk, model = part(facts, "disk"), host(facts)["model"]
    held = model.get("allocated", 0)
    reaches("disk", disk["free"] + held, f"disk at {disk['path']} ({gigabytes(disk['free'])} free, {gigabytes(held)} model)")
    inodes = disk["inodes_free"]
    expect(inodes is None or inodes >= 1000, f"disk at {disk['path']} has {inodes} free inodes left; free some files")


def scratch_is_enough(facts: Facts, least: int = GB) -> None:
    """Reports and evidence of a run take megabytes; a full disk would lose them."""
    disk = part(facts, "scratch")
    expect(disk["writable"], f"{disk['path']} isn't writable, so no report can be kept there")
    expect(disk["free"] >= least, f"{gigabytes(disk['free'])} free at {disk['path']}, reports need {gigabytes(least)}")


def suite_memory_is_enough(facts: Facts, least: int = GB) -> None:
    memory = part(facts, "memory")
    left = min(memory["available"], memory["effective"])
    expect(left >= least, f"{gigabytes(left)} of memory left, the suite and a small server need {gigabytes(least)}")


def limits_are_enough(facts: Facts) -> None:
    soft, hard = part(facts, "system")["limits"]["open_files"]
    if soft != UNLIMITED:
        reaches("open_files", soft, f"open files (hard limit {hard})")
    processes = part(facts, "system")["limits"].get("processes", [UNLIMITED, UNLIMITED])[0]
    # A worker starts about 100 threads on a host of 64 cores (OpenBLAS, NCCL, gRPC); each counts as a process here.
    expect(processes == UNLIMITED or processes >= 4096, f"processes (ulimit -u): found {processes}, needed 4096")


def cpu_has_avx(facts: Facts) -> None:
    system = part(facts, "system")
    if system["machine"] != "x86_64":
        raise Blocked("HOST-003", f"{system['machine']} has no AVX")
    cpu = system["cpu"]
    expect("avx" in (cpu["flags"] or []), f"{cpu['model'] or 'this CPU'} has no AVX; Paddle's wheels end with SIGILL there")


def libc_is_new_enough(facts: Facts) -> None:
    """NVIDIA's wheels of cuDNN and cuBLAS for CUDA 12 carry the platform tag manylinux_2_27."""
    found = part(facts, "system")["libc"]
    name, _, version = found.partition(" ")
    expect(name == "glibc", f"the C library is {found or 'unknown'}, not glibc; Paddle's wheels need glibc")
    expect(version_key(version) >= (2, 27), f"glibc: found {version}, needed 2.27 by the platform tags of NVIDIA's wheels")
