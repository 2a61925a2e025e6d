"""The command line: the tutorial's two tables of options, and a few of our own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

# The tutorial lists them, the engine has never had them (argparse there ends with code 2, and so do we).
NEVER_EXISTED = ("--trust-remote-code", "--enable-lora", "--max-log-len")
PARSERS = ("ernie-45-vl", "ernie-45-vl-thinking", "ernie-x1", "qwen3")
SPEEDS = ("gate", "a800", "full")


@dataclass(frozen=True)
class Options:
    """What the server was started with. Ports of 0 mean: any free one."""

    model: str = "work/models"
    host: str = "0.0.0.0"
    port: int = 8000
    metrics_port: int = 8001
    queue_port: int = 8002
    max_model_len: int = 2048
    enable_mm: bool = False
    reasoning_parser: str | None = None
    max_num_seqs: int = 8
    speed: str = "gate"
    served_model_name: str | None = None
    api_keys: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The model names that requests may use; the first is the model's own."""
        own = self.served_model_name or self.model
        return tuple(dict.fromkeys((own, self.model, "null", "default")))


class _Refuse(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        flag = self.option_strings[0]
        parser.error(f"unrecognized arguments: {flag} (no version of the engine has this flag; leave it out)")


def parse(argv: Sequence[str] | None = None) -> Options:
    """The options of a command line. Ends the program with code 2 for a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m ernie_conformance.reference",
        description="An OpenAI-compatible stand-in for the deployment under test.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="directory of the model; need not exist, there are no weights")
    add("--host", default="0.0.0.0", help="address to serve at (default: all)")
    add("--port", type=_port, default=8000, help="port of the API")
    add("--metrics-port", type=_port, default=8001, help="port of /metrics")
    add("--engine-worker-queue-port", type=_port, default=8002, help="bound as the engine does; nothing is served there")
    add("--max-model-len", type=_positive, default=2048, help="context length in tokens, prompt and answer together")
    add("--enable-mm", action="store_true", help="take images")
    add("--reasoning-parser", choices=PARSERS, help="let the model think, and split its thought from its answer")
    add("--max-num-seqs", type=_positive, default=8, help="requests that generate at once; the others wait")
    add("--tensor-parallel-size", "-tp", type=_positive, default=1, help="accepted, has no meaning here")
    add("--gpu-memory-utilization", type=_share, default=0.9, help="accepted, has no meaning here")
    add("--max-num-batched-tokens", type=_positive, help="accepted, has no meaning here")
    add("--swap-space", type=float, help="accepted, has no meaning here")
    add("--speed", choices=SPEEDS, default="gate", help="gate: 300 tokens/s; a800: like the tutorial's card; full: unpaced")
    add("--served-model-name", help="name of the model in /v1/models (default: the directory)")
    add("--api-key", action="append", default=[], metavar="KEY", help="ask for a Bearer key on /v1; may be repeated")
    for flag in NEVER_EXISTED:
        add(flag, action=_Refuse, nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    ports = [p for p in (given.port, given.metrics_port, given.engine_worker_queue_port) if p]
    if len(set(ports)) < len(ports):
        parser.error("--port, --metrics-port and --engine-worker-queue-port must differ")
    return Options(
        model=given.model,
        host=given.host,
        port=given.port,
        metrics_port=given.metrics_port,
        queue_port=given.engine_worker_queue_port,
        max_model_len=given.max_model_len,
        enable_mm=given.enable_mm,
        reasoning_parser=given.reasoning_parser,
        max_num_seqs=given.max_num_seqs,
        speed=given.speed,
        served_model_name=given.served_model_name,
        api_keys=tuple(given.api_key),
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1")
    return share
