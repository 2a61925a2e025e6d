"""Why a server didn't start, or broke: what it wrote, put against a table. The first cause that matches wins.

The patterns are lines that FastDeploy, Paddle, uvicorn, argparse, CUDA, llama.cpp and the kernel really write. Remedies
follow the tutorial's list of common problems (its section 5), corrected where the engine's documentation says otherwise.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One way to fail. `pattern` finds it in the log, "" for causes that only the course of events shows."""

    name: str
    pattern: str
    en: str
    zh: str

    @property
    def remedy(self) -> dict[str, str]:
        return {"en": self.en, "zh": self.zh}


CAUSES = (
    Cause(
        "out-of-memory",
        r"out of memory|OutOfMemory|ResourceExhaustedError|cudaErrorMemoryAllocation|CUDA error\(2\)|MemoryError"
        r"|Cannot allocate memory|std::bad_alloc|unable to allocate|failed to allocate|oom[-_ ]kill",
        "Memory ran out. Free the GPU (nvidia-smi shows who holds it), or lower --gpu-memory-utilization, --max-model-len or"
        " --max-num-seqs, or load quantized weights (--quantization wint4).",
        "内存或显存不足：用 nvidia-smi 查看并释放显存，或调低 --gpu-memory-utilization、--max-model-len、--max-num-seqs，"
        "或改用量化权重（--quantization wint4）。",
    ),
    Cause(
        "port-taken",
        r"[Aa]ddress already in use|already in use|EADDRINUSE|couldn't bind|failed to bind|port .{0,40}occupied",
        "Another process holds the port. `lsof -i:PORT` names it; end it with SIGINT (a plain kill -9 leaves GPU workers"
        " behind), or choose other ports.",
        "端口被占用：用 lsof -i:端口 找出进程，先发 SIGINT 结束它（直接 kill -9 会留下 GPU 工作进程），或更换端口。",
    ),
    Cause(
        "wrong-flag",
        r"unrecognized arguments|unknown argument|invalid argument:|error: argument |invalid choice:|No such option"
        r"|the following arguments are required|expected one argument",
        "The engine doesn't know an option of the command. --trust-remote-code, --enable-lora and --max-log-len exist in no"
        " version of FastDeploy; the log's last line names the option to remove.",
        "启动命令含有引擎不认识的参数：FastDeploy 各版本都没有 --trust-remote-code、--enable-lora、--max-log-len；"
        "日志末行给出了应删除的参数。",
    ),
    Cause(
        "not-installed",
        r"No module named|ModuleNotFoundError|cannot open shared object file|undefined symbol",
        "The engine or a library it needs is missing from the interpreter that was used; name the right one with"
        " --server-python, or install the engine there.",
        "所用的 Python 环境里缺少引擎或其依赖库：用 --server-python 指定正确的解释器，或在其中安装引擎。",
    ),
    Cause(
        "driver",
        r"CUDA driver version is insufficient|no CUDA-capable device|no kernel image is available"
        r"|CUDA error\((?:35|100|209)\)|NVML.*(?:not found|mismatch)",
        "The NVIDIA driver or the GPU doesn't fit the engine's build: FastDeploy asks for driver 535 or newer, and its 80_90"
        " wheel for compute capability 8.0 or 9.0.",
        "NVIDIA 驱动或 GPU 与引擎的安装包不匹配：FastDeploy 要求驱动 ≥ 535，80_90 安装包要求计算能力 8.0 或 9.0。",
    ),
    Cause(
        "load-error",
        r"SafetensorError|MetadataIncompleteBuffer|HeaderTooLarge|[Ee]rror loading model|failed to load model"
        r"|[Ff]ailed to launch worker|Can't load (?:config|tokenizer)"
        r"|(?:config\.json|tokenizer\.model|\.safetensors|\.gguf).{0,80}(?:not found|No such file|does not exist|missing)"
        r"|No such file or directory: .*(?:config|tokenizer|safetensors|model)",
        "The model didn't load. Check that the model directory holds every file of the -Paddle repository at full size, that"
        " the command has --reasoning-parser ernie-45-vl, and that the driver is 535 or newer; log/workerlog.* says more.",
        "模型加载失败：检查模型目录是否完整（-Paddle 仓库的全部文件且大小正确）、"
        "启动命令是否含 --reasoning-parser ernie-45-vl、驱动是否 ≥ 535；详情见 log/workerlog.*。",
    ),
    Cause(
        "worker-died",
        r"[Ww]orker.{0,60}(?:died|is dead|exited unexpectedly|terminated unexpectedly|crashed)|Engine.{0,20} is dead"
        r"|Segmentation fault|Fatal Python error|core dumped",
        "A worker process died. The lines before it in log/workerlog.* say why; on a GPU, memory is the usual reason.",
        "工作进程异常退出：原因见 log/workerlog.* 中该处之前的内容，GPU 上多为显存不足。",
    ),
)
KILLED = Cause(
    "killed",
    "",
    "The process was ended by SIGKILL. Where nobody sent it, the kernel ran out of memory: see dmesg.",
    "进程被 SIGKILL 终止：若非人为，多为系统内存不足触发 OOM，请查看 dmesg。",
)
DIED = Cause(
    "died",
    "",
    "The process ended before it was ready; its last lines stand in the report, more in log/workerlog.* where the engine"
    " writes such files.",
    "进程在就绪前退出：末尾日志见报告，引擎的更多日志见 log/workerlog.*。",
)
HANG = Cause(
    "hang",
    "",
    "The process lives but didn't get further within its time-out. Look into log/workerlog.* (a worker that died while it"
    " was profiled leaves FastDeploy waiting for ever), or raise the [launch.waits] of the target.",
    "进程仍在运行但在时限内没有进展：查看 log/workerlog.*（FastDeploy 的工作进程若在探测显存时退出会一直等待），"
    "或调大目标文件中的 [launch.waits]。",
)
NO_PROGRAM = Cause(
    "no-program",
    "",
    "The program of the launch command isn't there; install the engine, or name its interpreter with --server-python.",
    "启动命令中的程序不存在：请安装引擎，或用 --server-python 指定解释器。",
)


def named(name: str) -> Cause:
    """The cause of that name."""
    return next(cause for cause in (*CAUSES, KILLED, DIED, HANG, NO_PROGRAM) if cause.name == name)


def in_log(lines: Sequence[str]) -> tuple[Cause, str] | None:
    """The first cause of the table that the log shows, with the last line that shows it."""
    for cause in CAUSES:
        pattern = re.compile(cause.pattern)
        for line in reversed(lines):
            if pattern.search(line):
                return cause, line
    return None


def of_failure(lines: Sequence[str], exit_status: int | None) -> tuple[Cause, str]:
    """The cause of a failed start with one sentence on it; `exit_status` is None while the process still runs."""
    ending = "still runs" if exit_status is None else ended_how(exit_status)
    if found := in_log(lines):
        return found[0], f"the process {ending}; the log says: {found[1]}"
    if exit_status is None:
        return HANG, "the process still runs"
    last = f"; its last line: {lines[-1]}" if lines else "; it wrote nothing"
    cause = KILLED if exit_status == -signal.SIGKILL else DIED
    return cause, f"the process {ending}{last}"


def ended_how(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exited with {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
