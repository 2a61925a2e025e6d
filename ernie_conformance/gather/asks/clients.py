"""The tutorial's calls made by real client programs, against the same server, with what they print kept.

The tutorial sets no max_tokens; here a limit is sent along, so that a long-winded model costs seconds and not minutes.
Thinking stays on, as the tutorial leaves it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, chat
from ernie_conformance.gather.asks.acceptance import IMAGE_PROMPTS, SCENES, grid_picture
from ernie_conformance.gather.stage import Stage
from ernie_conformance.targets import Target
from ernie_conformance.tether import end_with_us

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
CURL_PROMPT = "你好，请介绍一下你自己"
PROMPT = "你是Aistudio和文心大模型开发的智能助手，请介绍一下你自己."
LIMIT = 600  # tokens: the default thinking budget of .8 leaves room for an answer
SHORT_LIMIT = 120  # where nothing is thought
START_UP = 20  # seconds for an interpreter and the openai library to load on a busy machine


async def run(command: Sequence[str], seconds: float) -> dict[str, Any]:
    """Run a program in a group of its own: {"exit", "out", "err"}; `exit` is None when it had to be ended."""
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | {"PYTHONUTF8": "1"}
    environment.pop("PYTHONIOENCODING", None)
    process = await asyncio.create_subprocess_exec(
        *(word.encode("utf-8", "surrogateescape") for word in command),  # whatever the locale makes of Chinese prompts
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=end_with_us,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    except asyncio.TimeoutError:
        _kill(process.pid)
        out, err = await process.communicate()
        return {"exit": None, "out": _text(out), "err": f"ended after {seconds:g} s"}
    except asyncio.CancelledError:
        _kill(process.pid)
        raise
    return {"exit": process.returncode, "out": _text(out), "err": _text(err)[-400:]}


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


async def _programs(stage: Stage, programs: dict[str, tuple[str, str, str]]) -> dict[str, Any]:
    """Run programs side by side. Each is (script, prompt, picture); a picture is "" for text."""
    limit = str(limit_of(stage.target))
    key = stage.client.headers.get("Authorization", "Bearer null").removeprefix("Bearer ")
    seconds = stage.target.timeouts.total + START_UP

    def command(script: str, prompt: str, picture: str) -> list[str]:
        words = [sys.executable, str(PROGRAMS / script), stage.client.base_url, stage.target.model, key, limit, prompt]
        return [*words, picture] if picture else words

    ran = await asyncio.gather(*(run(command(*what), seconds) for what in programs.values()))
    return dict(zip(programs, ran, strict=True))


async def text_clients(stage: Stage) -> dict[str, Any]:
    """The openai and the requests loop for text, and the curl call (by curl where there is one)."""
    programs = {"openai": ("openai_text.py", PROMPT, ""), "requests": ("requests_loop.py", PROMPT, "")}
    call = _curl_call("client-curl", stage.target)
    loops, _, curl = await asyncio.gather(_programs(stage, programs), stage.send(call), _curl(stage))
    return {**loops, "curl": curl}


def limit_of(target: Target) -> int:
    """The tokens that each client may have."""
    return LIMIT if "reasoning" in target.capabilities else SHORT_LIMIT


def _curl_call(name: str, target: Target) -> Ask:
    return chat(name, CURL_PROMPT, thinking=True, temperature=0.7, max_tokens=limit_of(target))


async def _curl(stage: Stage) -> dict[str, Any] | None:
    """The tutorial's curl command, None where there is no curl."""
    curl = shutil.which("curl")
    if curl is None:
        return None
    body = _curl_call("curl", stage.target).request(stage.target.model).body or b""
    headers = ["-H", "Content-Type: application/json", *_bearer(stage)]
    url = f"{stage.client.base_url}/v1/chat/completions"
    command = [curl, "-sS", "--noproxy", "*", "-X", "POST", url, *headers, "-d", body.decode("utf-8")]
    return await run(command, stage.target.timeouts.total)


def _bearer(stage: Stage) -> list[str]:
    bearer = stage.client.headers.get("Authorization")
    return ["-H", f"Authorization: {bearer}"] if bearer else []


async def image_clients(stage: Stage) -> dict[str, Any]:
    """The openai and the requests loop for an image."""
    with tempfile.TemporaryDirectory() as folder:
        picture = str(Path(folder) / "1.jpg")
        grid_picture(SCENES["scene-warm"], 84).save(picture, "JPEG")
        programs = {
            "openai": ("openai_image.py", IMAGE_PROMPTS[0], picture),
            "requests": ("requests_loop.py", IMAGE_PROMPTS[1], picture),
        }
        return await _programs(stage, programs)


SCENARIOS = (
    Scenario("text-clients", text_clients, thinks=True, alone=False, makes=("client-curl",), tokens=3 * LIMIT),
    Scenario("image-clients", image_clients, needs=("vision",), thinks=True, alone=False, tokens=2 * LIMIT),
)
