"""What clients ask in turn, from as many hosts as Locust has workers; every answer is put to the rows.

locust -f ernie_conformance/load/locustfile.py --host http://127.0.0.1:8180 --headless --users 32 --run-time 10m
"""

from __future__ import annotations

import os
import socket
from argparse import Namespace
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from ernie_conformance.gather.ask import Ask
from ernie_conformance.gather.asks.soak import MIX
from ernie_conformance.judge.judge import Terms
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.load.verdict import broken_rows
from ernie_conformance.suite.settings import UNKNOWN, terms_of
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import Evidence, write_evidence
from ernie_conformance.wire.exchange import ABANDONED, Exchange
from ernie_conformance.wire.sender import Sender

KEPT = 5  # broken exchanges kept of each row by each worker


class BrokenRow(Exception):
    """A row that an answer broke. The text is the row's own, so that Locust counts a thousand of them as one."""


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Our options; a master hands them to its workers."""
    parser.add_argument("--target", default=UNKNOWN, help="a file in targets/: what the server declares (%(default)s)")
    parser.add_argument("--model", default="", help="the model name to ask for (default: the target's)")
    parser.add_argument("--api-key", default="", is_secret=True, env_var="ERNIE_API_KEY", help="sent as a bearer token")
    parser.add_argument("--report-dir", default="report/load", help="where broken exchanges are kept (%(default)s)")


@events.init.add_listener
def keep_evidence(environment: Environment, **_: Any) -> None:
    keeper = Keeper(environment)
    environment.events.request.add_listener(keeper.take)
    environment.events.test_stop.add_listener(keeper.write)


class Keeper:
    """Keeps what broke a row, for `python -m ernie_conformance judge`: each worker has its own file."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.kept: dict[str, list[Exchange]] = {}

    def take(self, context: dict[str, Any], **_: Any) -> None:
        for row in context.get("broken", ()):
            some = self.kept.setdefault(row, [])
            some.extend([context["exchange"]] if len(some) < KEPT else [])

    def write(self, **_: Any) -> None:
        exchanges = {one.name: one for some in self.kept.values() for one in some}
        if exchanges and (options := self.environment.parsed_options):
            folder = Path(options.report_dir)
            folder.mkdir(parents=True, exist_ok=True)
            write_evidence(folder / f"{socket.gethostname()}-{os.getpid()}.jsonl", Evidence(exchanges, complete=False))


class Client(User):
    """Asks one thing after another without a pause, as the soak does at every slot."""

    numbers = count()

    def on_start(self) -> None:
        options: Namespace = self.environment.parsed_options
        target = load_target(options.target)
        self.model = options.model or target.model
        self.terms: Terms = terms_of(replace(target, model=self.model), "release", None, "")
        self.mix = [ask for ask in MIX if set(ask.needs) <= target.capabilities]
        self.sender = Sender(self.host or "", target.timeouts, options.api_key)
        self.turns = count(next(self.numbers))

    def on_stop(self) -> None:
        self.sender.close()

    @task
    def ask(self) -> None:
        number = next(self.turns)
        ask = self.mix[number % len(self.mix)]
        leaves = ask.name == "leaves"
        exchange = self.sender.send(
            f"load-{os.getpid()}-{next(self.numbers):06d}",
            ask.request(self.model),
            ABANDONED if leaves else ask.expects,
            (lambda so_far: so_far.count(b"data:") > 2) if leaves else None,
        )
        broken = broken_rows(exchange, self.terms)
        self._tell("ask", ask, exchange, exchange.seconds, list(broken))
        if exchange.wants_stream and exchange.pieces:
            self._tell("first piece", ask, exchange, exchange.pieces[0][0], [])

    def _tell(self, kind: str, ask: Ask, exchange: Exchange, seconds: float, broken: list[str]) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=ask.name,
            response_time=seconds * 1000,
            response_length=len(exchange.body),
            exception=BrokenRow(f"{broken[0]}: {load_rows()[broken[0]].text}") if broken else None,
            context={"exchange": exchange, "broken": broken},
        )
