"""Budgets, slots and the bound: what is told before a run, kept during it, and measured after it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from ernie_conformance.gather import Orders, gather
from ernie_conformance.gather.ask import chat
from ernie_conformance.gather.budget import Budget, budget_of, cost
from ernie_conformance.gather.catalogue import Selection, catalogue, select
from ernie_conformance.gather.purse import Purse
from ernie_conformance.gather.slots import Slots
from ernie_conformance.gather.stage import Stage
from ernie_conformance.judge.judge import Terms, judge
from ernie_conformance.judge.verdicts import row_verdicts
from ernie_conformance.report.bound import bound
from ernie_conformance.report.verdict import spent_by_area
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import CUT, Evidence
from ernie_conformance.wire.exchange import Exchange, Request
from ernie_conformance.wire.usage import completion_tokens

LIMIT = 60  # seconds for any wait here
POST = Request("POST", "/v1/chat/completions", (), b"{}")


def answered(name: str = "x", tokens: int = 5, **more: float | str) -> Exchange:
    body = b'{"usage": {"completion_tokens": %d}}' % tokens
    return Exchange(name, POST, 200, pieces=((0.1, body),), **more)  # type: ignore[arg-type]


# --- slots ---


async def test_of_those_that_wait_the_longest_goes_next() -> None:
    slots, went = Slots(1), []

    async def one(length: float) -> None:
        async with slots.one(length):
            went.append(length)
            await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(*map(one, (1, 5, 3, 9))), LIMIT)
    assert went == [1, 9, 5, 3]


async def test_no_more_go_at_once_than_there_are_slots() -> None:
    slots, inside, most = Slots(3), 0, 0

    async def one() -> None:
        nonlocal inside, most
        async with slots.one(1):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.wait_for(asyncio.gather(*(one() for _ in range(20))), LIMIT)
    assert most == 3


async def test_a_wait_that_is_given_up_costs_no_slot() -> None:
    slots, go = Slots(1), asyncio.Event()

    async def hold() -> None:
        async with slots.one(1):
            await go.wait()

    holder = asyncio.ensure_future(hold())
    waiting = [asyncio.ensure_future(hold()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    go.set()
    await asyncio.wait_for(asyncio.gather(holder, waiting[1]), LIMIT)
    async with slots.one(1):
        pass


# --- the purse ---


def test_what_is_under_way_counts_at_its_most() -> None:
    purse = Purse(Budget(3, 100, 1.0), most_tokens=100)
    assert purse.take(60)
    assert not purse.take(60)
    purse.settle(60, answered(tokens=10))
    assert purse.take(60)
    assert purse.tokens == 10


@pytest.mark.parametrize(
    ("exchange", "spent"),
    [
        (answered(tokens=7), 7),
        (Exchange("refused", POST, 400), 0),
        (Exchange("closed", POST, None, error="connect: refused"), 0),
        (Exchange("silent", POST, None, error="first-byte: nothing came"), 40),
        (Exchange("untold", POST, 200, pieces=((0.1, b"{}"),)), 40),
    ],
    ids=lambda value: value.name if isinstance(value, Exchange) else "",
)
def test_what_an_answer_costs(exchange: Exchange, spent: int) -> None:
    purse = Purse(Budget(1, 40, 1.0))
    assert purse.take(40)
    purse.settle(40, exchange)
    assert purse.tokens == spent


def test_progress_tells_done_rate_and_rest() -> None:
    told: list[str] = []
    purse = Purse(Budget(4, 100, 1.0), tell=told.append)
    purse.settle(0, answered())
    assert told[0].startswith("1/4 exchanges, ")
    assert "tokens/s" in told[0]
    assert told[0].endswith("s left")


# --- the plan ---


def test_a_request_costs_its_limit_for_each_choice() -> None:
    assert chat("a", "x", max_tokens=8, n=3).most_tokens == 24
    assert chat("b", "x", max_tokens=10**9).most_tokens == chat("c", "x").most_tokens > 0


def test_a_slower_target_is_expected_to_take_longer() -> None:
    quick, slow = load_target("reference", "gate"), load_target("reference", "a800")
    names = {*catalogue().asks, *catalogue().scenarios}
    budgets = [budget_of(select(names, target), target) for target in (quick, slow)]
    assert budgets[0].tokens == budgets[1].tokens
    assert budgets[0].seconds < budgets[1].seconds


def test_no_scenario_costs_more_than_it_tells(golden: Evidence) -> None:
    spent: dict[str, int] = {}
    for exchange in golden.exchanges.values():
        if name := exchange.notes.get("scenario"):
            spent[name] = spent.get(name, 0) + (completion_tokens(exchange) or 0)
    told = {name: cost(catalogue().scenarios[name], load_target("reference").slots)[1] for name in spent}
    assert {name: (spent[name], told[name]) for name in spent if spent[name] > told[name]} == {}


def test_a_run_costs_about_what_was_told_and_no_more_tokens(golden: Evidence) -> None:
    told = golden.facts["budget"]
    spent = spent_by_area(golden)
    assert sum(figures["completion_tokens"] for figures in spent.values()) <= told["tokens"]
    assert told["requests"] == pytest.approx(sum(figures["requests"] for figures in spent.values()), rel=0.1)


def test_every_area_is_named_in_what_was_spent(golden: Evidence) -> None:
    assert {"core", "vision", "concurrency", "liveness"} <= set(spent_by_area(golden))
    assert sum(figures["requests"] for figures in spent_by_area(golden).values()) == len(golden.exchanges)


# --- the bound ---


def test_the_bound_packs_what_goes_side_by_side_and_adds_up_the_rest() -> None:
    crowd = [answered(f"c{n}", seconds=2.0, phase="thinking off, side by side") for n in range(8)]
    alone = [
        answered("a1", seconds=1.0, sent_at=10.0, phase="alone"),
        answered("a2", seconds=1.0, sent_at=12.0, phase="alone"),
    ]
    scene = [answered("s1", seconds=3.0, sent_at=20.0, phase="s"), answered("s2", seconds=3.0, sent_at=21.0, phase="s")]
    assert bound(crowd, 4) == pytest.approx(4.0)
    assert bound(crowd[:2], 4) == pytest.approx(2.0)  # the longest exchange
    assert bound(alone, 4) == pytest.approx(2.0)  # a pause of ours is no time of the server's
    assert bound(scene, 4) == pytest.approx(4.0)  # from the first byte asked to the last one answered
    assert bound(crowd + alone + scene, 4) == pytest.approx(10.0)


# --- runs ---


def verdicts(evidence: Evidence) -> dict[str, str]:
    found = row_verdicts(judge(evidence, Terms(load_target("reference"))))
    return {verdict.row.id: verdict.verdict for verdict in found if verdict.row.part != "env"}


@pytest.mark.slow
def test_any_order_gives_the_same_verdicts(tmp_path: Path, golden: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(20261124)
    monkeypatch.setattr(Stage, "_length", lambda *_: dice.random())
    target = load_target("reference")
    shuffled = asyncio.run(gather(target, {*catalogue().asks, *catalogue().scenarios}, Orders(tmp_path)))
    order = [name for name in shuffled.exchanges if name in golden.exchanges]
    assert order != [name for name in golden.exchanges if name in shuffled.exchanges]
    assert verdicts(shuffled) == verdicts(golden)


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{"most_tokens": 700}, {"most_seconds": 0.0}], ids=["tokens", "seconds"])
def test_a_budget_that_ends_leaves_rows_undecided_and_none_red(tmp_path: Path, limits: dict[str, float]) -> None:
    names = {name for name in catalogue().asks if name.startswith(("limit", "plain"))} | {"stops"}
    evidence = asyncio.run(gather(load_target("reference"), names, Orders(tmp_path, speed="full", **limits)))  # type: ignore[arg-type]
    spent = sum(figures["completion_tokens"] for figures in spent_by_area(evidence).values())
    assert spent <= limits.get("most_tokens", 0)
    assert evidence.unasked["stops"] == CUT
    assert "stops" not in evidence.notes
    found = {row: verdict for row, verdict in verdicts(evidence).items() if row.startswith("LIMIT")}
    assert "INCONCLUSIVE" in found.values()
    assert not {"FAIL", "ERROR", "BLOCKED"} & set(found.values()), found


def test_an_area_alone_asks_for_no_more_than_it_needs() -> None:
    chosen = select({"limit-20"}, load_target("reference"))
    assert {ask.name for ask in chosen.asks} == {"limit-20", *(catalogue().core() - set(catalogue().scenarios))}
    assert isinstance(chosen, Selection)
