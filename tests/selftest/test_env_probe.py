"""Probes read what real hosts say: captured texts, made-up file trees, a stand-in for NVML."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ernie_conformance.paths import FIXTURES
from ernie_conformance.probe import cuda, gpu, packages, ports, read_facts, smi, system
from ernie_conformance.probe.__main__ import blanked
from ernie_conformance.probe.command import options_of
from ernie_conformance.probe.memory import group_limit, read_memory, read_space
from ernie_conformance.probe.read import _together
from ernie_conformance.probe.shell import ask
from ernie_conformance.targets import load_target

pytestmark = pytest.mark.selftest

H100 = (FIXTURES / "gpu-host" / "h100.nvidia-smi-q-x.xml").read_text()
GIB = 1 << 30


def test_the_report_of_a_real_h100_is_read() -> None:
    found = smi.parse(H100, "00000000:00:06.0, 9.0\n")
    device = found["devices"][0]
    assert (found["driver"], found["cuda"], found["problem"]) == ("580.159.04", "13.0", "")
    assert (device["name"], device["capability"]) == ("NVIDIA H100 80GB HBM3", [9, 0])
    assert device["memory"] == {"total": 81559 << 20, "used": 0, "free": 81079 << 20}
    assert device["utilization"] == 0
    assert device["mig"] == {"enabled": False, "slices": []}
    assert device["ecc"] == {"enabled": True, "errors": 0}
    assert (device["compute_mode"], device["processes"]) == (0, [])


def test_slices_processes_and_errors_are_read_from_the_report() -> None:
    report = H100.replace("<current_mig>Disabled", "<current_mig>Enabled")
    part = "<mig_device><fb_memory_usage><total>9984 MiB</total><free>9971 MiB</free></fb_memory_usage></mig_device>"
    report = report.replace("<mig_devices>\n\t\t\tNone", f"<mig_devices>{part}")
    report = report.replace("<dram_uncorrectable>0", "<dram_uncorrectable>2", 1).replace("<gpu_util>0 %", "<gpu_util>N/A")
    holder = "<process_info><pid>7</pid><process_name>python</process_name><used_memory>100 MiB</used_memory></process_info>"
    report = report.replace("<processes>", f"<processes>{holder}")
    device = smi.parse(report, "")["devices"][0]
    assert device["mig"] == {"enabled": True, "slices": [{"id": "", "total": 9984 << 20, "free": 9971 << 20}]}
    assert device["ecc"]["errors"] == 2
    assert device["utilization"] is None
    assert device["processes"] == [{"pid": 7, "name": "python", "used": 100 << 20}]


def test_a_broken_report_is_a_problem_and_no_gpu() -> None:
    assert smi.parse("NVIDIA-SMI has failed", "")["problem"].startswith("nvidia-smi's report isn't XML")


NVCC = "Cuda compilation tools, release 12.6, V12.6.85\nBuild cuda_12.6.r12.6/compiler.35059454_0\n"


def test_nvccs_answer_is_read() -> None:
    assert cuda.toolkit_of(NVCC) == {"version": "12.6", "full": "12.6.85"}
    assert cuda.toolkit_of("nvcc: command not found") is None


def test_a_library_is_found_with_the_version_of_its_real_file(tmp_path: Path) -> None:
    (tmp_path / "libcudnn.so.9.13.0").touch()
    (tmp_path / "libcudnn.so.9").symlink_to("libcudnn.so.9.13.0")
    listing = f"\tlibcudnn_ops.so.9 (libc6,x86-64) => /x\n\tlibcudnn.so.9 (libc6,x86-64) => {tmp_path}/libcudnn.so.9\n"
    assert cuda.library_in(listing, "cudnn") == {"version": "9.13.0", "where": f"{tmp_path}/libcudnn.so.9.13.0"}
    assert cuda.library_in(listing, "nccl") is None


def host_tree(root: Path, groups: str, limits: dict[str, str]) -> Path:
    files = {
        "proc/meminfo": "MemTotal:       131072000 kB\nMemFree: 1 kB\nMemAvailable:   1000 kB\n",
        "proc/self/cgroup": groups,
    }
    for name, text in {**files, **limits}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "limits", "limit"),
    [
        pytest.param("0::/a/b\n", {"sys/fs/cgroup/a/b/memory.max": "max"}, None, id="v2, none"),
        pytest.param("0::/a/b\n", {"sys/fs/cgroup/a/memory.max": f"{32 * GIB}"}, 32 * GIB, id="v2, of an ancestor"),
        pytest.param("0::/host/path\n", {"sys/fs/cgroup/memory.max": f"{8 * GIB}"}, 8 * GIB, id="v2, inside a container"),
        pytest.param(
            "5:cpu,memory:/a\n", {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{GIB}"}, GIB, id="v1, beside cpu"
        ),
        pytest.param(
            "5:memory:/\n", {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None, id="v1, none"
        ),
        pytest.param(
            "5:memory:/\n0::/a\n",
            {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GIB}", "sys/fs/cgroup/unified/a/memory.max": f"{2 * GIB}"},
            2 * GIB,
            id="both",
        ),
        pytest.param("", {}, None, id="no groups"),
    ],
)
def test_the_tightest_memory_limit_counts(tmp_path: Path, groups: str, limits: dict[str, str], limit: int | None) -> None:
    root = host_tree(tmp_path, groups, limits)
    assert group_limit(root)[0] == limit
    assert read_memory(root)["effective"] == (131072000 * 1024 if limit is None else limit)


def test_cpu_flags_are_read() -> None:
    text = "processor\t: 0\nmodel name\t: Common KVM processor\nflags\t\t: fpu sse2 avx2 avx_vnni\n"
    assert system.cpu_of(text) == {"model": "Common KVM processor", "flags": ["avx2"]}
    assert system.cpu_of("CPU implementer\t: 0x41\n")["flags"] is None


DEVICES = [
    {"id": "GPU-aa11", "mig": {"slices": []}},
    {"id": "GPU-aa22", "mig": {"slices": []}},
    {"id": "GPU-bb33", "mig": {"slices": [{"id": "MIG-c1"}, {"id": "MIG-c2"}]}},
]


@pytest.mark.parametrize(
    ("variable", "seen"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("1", [1]),
        ("2, 0", [2, 0]),
        ("0,7,1", [0]),
        ("0,0", []),
        ("GPU-bb", [2]),
        ("GPU-aa", []),
        ("MIG-c1", [2]),
        ("NoDevFiles", []),
    ],
)
def test_visible_devices_follow_cudas_rules(variable: str | None, seen: list[int]) -> None:
    assert gpu.visible(DEVICES, variable) == seen


class NvmlError(Exception):
    """What the stand-in raises for what it doesn't support."""


def fake_nvml(**answers: Any) -> SimpleNamespace:
    """A stand-in for the binding, of one A800; a question without an answer isn't supported."""

    def unsupported(*_: Any) -> Any:
        raise NvmlError("not supported")

    names = [
        *("nvmlDeviceGetEccMode", "nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetMigMode", "nvmlDeviceGetComputeMode"),
        *("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetCudaComputeCapability"),
        *("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetProcessName"),
    ]
    told = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: b"570.148.08",
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: f"handle {index}",
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=80 * GIB, used=GIB, free=79 * GIB),
        "nvmlDeviceGetUUID": lambda _: b"GPU-1",
        "nvmlDeviceGetName": lambda _: "NVIDIA A800-SXM4-80GB",
        "nvmlDeviceGetPciInfo": lambda _: SimpleNamespace(busId="0000:D0"),
    }
    constants = {"NVMLError": NvmlError, "NVML_MEMORY_ERROR_TYPE_UNCORRECTED": 1, "NVML_VOLATILE_ECC": 0}
    return SimpleNamespace(**{**dict.fromkeys(names, unsupported), **told, **constants, **answers})


def test_nvml_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = iter([0, 90, 3, 2, 1])
    binding = fake_nvml(
        nvmlSystemGetCudaDriverVersion_v2=lambda: 12080,
        nvmlDeviceGetUtilizationRates=lambda _: SimpleNamespace(gpu=next(samples)),
        nvmlDeviceGetCudaComputeCapability=lambda _: (8, 0),
        nvmlDeviceGetEccMode=lambda _: [1, 1],
        nvmlDeviceGetTotalEccErrors=lambda *_: 0,
        nvmlDeviceGetComputeRunningProcesses=lambda _: [SimpleNamespace(pid=7, usedGpuMemory=GIB)],
        nvmlSystemGetProcessName=lambda _: b"python",
    )
    monkeypatch.setitem(sys.modules, "pynvml", binding)
    monkeypatch.setattr(gpu, "SAMPLE_SECONDS", 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = gpu.read()
    device = found["devices"][0]
    assert (found["source"], found["driver"], found["cuda"], found["visible"]) == ("nvml", "570.148.08", "12.8", [0])
    assert (device["capability"], device["utilization"]) == ([8, 0], 2)  # the median of five
    assert device["ecc"] == {"enabled": True, "errors": 0}
    assert device["processes"] == [{"pid": 7, "name": "python", "used": GIB}]
    json.dumps(found)


def test_what_a_gpu_doesnt_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    device = gpu.read()["devices"][0]
    assert (device["utilization"], device["ecc"]["enabled"], device["processes"]) == (None, None, [])
    assert device["mig"] == {"enabled": False, "slices": []}


def test_without_a_driver_the_reasons_of_both_ways_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise NvmlError("NVML Shared Library Not Found")

    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(nvmlInit=broken))
    monkeypatch.setenv("PATH", "/nowhere")
    found = gpu.read()
    assert found["devices"] == []
    assert "NVML Shared Library Not Found; no nvidia-smi on PATH" in found["problem"]


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listener_takes_its_port(family: int, address: str) -> None:
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip("this host has no IPv6")
        listener.listen()
        number = listener.getsockname()[1]
        found = ports.read_ports({"port": number}, attached=False)["port"]
        assert not found["free"]
        assert "in use" in found["problem"]
        assert f"pid {os.getpid()}" in found["holder"]
    assert ports.read_ports({"port": 0}, attached=False)["port"]["free"]


WORKER = "import sys; print('up', flush=True); sys.stdin.read()"
PARENT = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)"


@pytest.mark.parametrize(("parent", "is_orphan"), [("a_shell.py", True), ("fastdeploy.entrypoints.py", False)])
def test_a_worker_without_its_server_is_an_orphan(parent: str, is_orphan: bool, tmp_path: Path) -> None:
    (tmp_path / parent).write_text(PARENT)
    (tmp_path / "worker_process.py").write_text(WORKER)
    words = [sys.executable, str(tmp_path / parent), str(tmp_path / "worker_process.py")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        pids = {found["pid"] for found in ports.read_remains(load_target("reference"), {})["processes"]}
        family = {child.pid for child in psutil.Process(process.pid).children()}
        process.stdin.close()  # both end
    assert bool(pids & family) == is_orphan


def test_a_command_is_read_as_argparse_would() -> None:
    words = ["python", "-m", "server", "--port", "8180", "--enable-mm", "--model=a=b", "--controller-port", "-1", "-tp", "2"]
    wanted = [("--port", "8180"), ("--enable-mm", None), ("--model", "a=b"), ("--controller-port", "-1"), ("-tp", "2")]
    assert options_of(words) == wanted


def distribution(place: Path, name: str, version: str, files: dict[str, str]) -> None:
    """An installed package as pip leaves it."""
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: openai>=1.93\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file, text in files.items():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(text)


PADDLE = """
from types import SimpleNamespace as N
__version__ = "3.1.0"
is_compiled_with_cuda = lambda: True
version = N(cuda=lambda: "12.6", cudnn=lambda: "9.5.1")
device = N(cuda=N(device_count=lambda: 2))
print("a banner that libraries like to print")
"""


def test_the_engines_packages_are_asked_of_its_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "paddlepaddle-gpu", "3.1.0", {"paddle/__init__.py": PADDLE})
    distribution(tmp_path, "openai", "1.91.0", {})
    server = {packages.SERVER_FILE: "", "fastdeploy/__init__.py": "raise ImportError('undefined symbol: x')"}
    distribution(tmp_path, "fastdeploy-gpu", "2.0.0", server)
    distribution(tmp_path, "fastdeploy-python", "1.0.7", {})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = packages.read_engine(sys.executable, 20)
    assert found["distributions"]["paddlepaddle-gpu"] == "3.1.0"
    assert found["paddle"] == {
        "version": "3.1.0",
        "compiled_with_cuda": True,
        "cuda": "12.6",
        "cudnn": "9.5.1",
        "devices": 2,
    }
    assert (found["fastdeploy"]["name"], found["fastdeploy"]["has_server"]) == ("fastdeploy-gpu", True)
    assert "undefined symbol: x" in found["fastdeploy"]["import"]["error"]
    assert found["requirements"] == [{"name": "openai", "wanted": ">=1.93", "found": "1.91.0", "met": False}]


def test_an_impostor_isnt_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "fastdeploy", "3.1.1", {"fastdeploy/__init__.py": ""})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = packages.read_engine(sys.executable, 20)
    assert (found["fastdeploy"]["name"], found["fastdeploy"]["has_server"]) == ("fastdeploy", False)
    (tmp_path / "config.json").write_text("{}")
    assert not packages.engine_present(sys.executable, str(tmp_path))


def test_an_interpreter_that_isnt_one_is_told() -> None:
    assert "didn't answer" in packages.read_engine("/bin/false", 20)["missing"]


def test_a_program_is_given_a_limit() -> None:
    said = ask([sys.executable, "-c", "import sys; sys.stdin.read(); input()"], seconds=20)
    assert said.status == 1  # nothing to read: no probe waits for a keyboard
    assert ask(["/nowhere/program"]).status is None
    assert ask([sys.executable, "-c", "while True: pass"], seconds=0.2).error.endswith("didn't end within 0.2 s")


def test_space_is_told_of_the_nearest_place_that_exists(tmp_path: Path) -> None:
    assert read_space(str(tmp_path / "a" / "b"))["path"] == str(tmp_path.resolve())


def test_a_probe_that_hangs_or_breaks_costs_only_itself() -> None:
    never = threading.Event()

    def hangs() -> dict[str, Any]:
        never.wait()
        return {}

    def breaks() -> dict[str, Any]:
        raise PermissionError("denied")

    found = _together({"hangs": hangs, "breaks": breaks, "works": lambda: {"x": 1}}, limit=0.2)
    never.set()
    assert found["works"] == {"x": 1}
    assert found["hangs"]["error"] == "the probe didn't end within 0.2 s"
    assert found["breaks"]["error"] == "PermissionError: denied"


def test_a_record_to_share_names_no_gpu() -> None:
    facts = {"gpu": {"id": "GPU-1a2b3c4d-0000-1111-2222-abcdefabcdef", "bus": "00000000:D0:00.0"}, "path": f"{Path.cwd()}/x"}
    assert blanked(facts) == {
        "gpu": {"id": "GPU-00000000-0000-0000-0000-000000000000", "bus": "00000000:00:00.0"},
        "path": "/suite/x",
    }


@pytest.mark.parametrize("name", ["fastdeploy", "fastdeploy@2.6", "reference", "llama-cpp", "transformers"])
def test_any_target_can_be_probed_anywhere(name: str, tmp_path: Path) -> None:
    facts = read_facts(load_target(name), server_python=None, model_dir=str(tmp_path / "none"), attached=False)
    json.dumps(facts)
    assert [key for key, value in facts.items() if isinstance(value, dict) and "error" in value] == []
