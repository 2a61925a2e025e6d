"""The reference server's parts: tokenizer, outlet of pieces, wordings, command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_conformance.reference import extract, options, sentences, tokenizer
from ernie_conformance.reference.sampling import Fork, Sampler, Settings, rank
from ernie_conformance.reference.writing import CONTENT, Limits, Outlet, Script, Writing

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("ab 12\n龙😊𠮷é\u200d"), max_size=60)


@given(TEXTS)
def test_tokens_join_to_the_text_and_have_ids(text: str) -> None:
    tokens = tokenizer.encode(text)
    assert b"".join(tokens).decode() == text
    assert tokenizer.count(text) == len(tokens)
    assert tokenizer.at_least(text) <= len(tokens)
    assert [tokenizer.from_id(tokenizer.to_id(token)) for token in tokens] == tokens


@given(st.integers(0, tokenizer.VOCABULARY - 1))
def test_ids_are_one_to_one(number: int) -> None:
    try:
        token = tokenizer.from_id(number)
    except ValueError:
        assert 0xD800 <= number + 0x20 <= 0xDFFF
    else:
        assert tokenizer.to_id(token) == number or (number in range(65536, 65536 + 128))


@pytest.mark.parametrize(
    ("text", "count"), [("你好", 2), ("abcd", 1), ("abcde", 2), ("1234", 2), ("😊", 4), ("𠮷", 4), ("    x", 2)]
)
def test_what_a_token_is(text: str, count: int) -> None:
    assert tokenizer.count(text) == count


@given(TEXTS, st.lists(TEXTS.filter(bool), max_size=3))
def test_an_outlet_sends_all_up_to_the_first_stop_string(text: str, stops: list[str]) -> None:
    outlet = Outlet(CONTENT, stops)
    sent = []
    for token in tokenizer.encode(text):
        sent += list(outlet.put(rank(token)))
        if outlet.stopped:
            break
    sent += list(outlet.close())
    said = "".join(piece.text for piece in sent)
    assert said == "".join(part for piece in sent for part, _ in piece.ranked)
    assert text.startswith(said)
    assert not any(stop in said for stop in stops)
    if any(stop in text for stop in stops):
        assert outlet.stopped
        assert any(text[len(said) :].startswith(stop) for stop in stops)
    else:
        assert said == text


@given(TEXTS, TEXTS, st.integers(1, 30), st.none() | st.integers(0, 30))
def test_a_writing_keeps_its_limits(thought: str, answer: str, total: int, budget: int | None) -> None:
    writing = Writing(Script([thought], [answer], ["more"]), Limits(total, budget), Sampler(Settings(), 0))
    steps = list(writing.steps())
    size = tokenizer.count(thought) if budget is None else min(budget, tokenizer.count(thought))
    whole = size + tokenizer.count(answer)
    assert writing.tokens == min(total, whole)
    assert writing.thought_tokens == min(total, size)
    assert writing.finish in ("stop", "length")
    if whole != total:
        assert (writing.finish == "length") == (whole > total)
    assert "\ufffd" not in "".join(piece.text for pieces in steps for piece in pieces)


def test_wordings_differ_in_their_first_token() -> None:
    forks = [
        node
        for language in (sentences.ZH, sentences.EN)
        for part in vars(language).values()
        for node in (part if isinstance(part, tuple) else (part,))
        if isinstance(node, Fork)
    ]
    assert len(forks) > 30
    for fork in forks:
        first = [tokenizer.encode(wording)[0] for wording in fork.wordings]
        assert len(set(first)) == len(first) <= 5, fork


@given(st.binary(min_size=1, max_size=4), st.integers(0, 20))
def test_ranks_are_told_likeliest_first(token: bytes, most: int) -> None:
    ranked = rank(token, most=most)
    shares = [share for _, share in ranked.top]
    assert shares == sorted(shares, reverse=True)
    assert len(ranked.top) == most
    assert not most or ranked.top[0] == (token, ranked.logprob)


HOSTILE = ("```\n", "<", "“", "a-", "A1", "#", "'", "`x", "[A")


@pytest.mark.parametrize("unit", HOSTILE)
def test_reading_a_hostile_text_comes_to_an_end(unit: str) -> None:
    found = extract.findings(unit * 50_000)
    assert sum(one.cost for one in extract.bounded(found, unit * 50_000, 400)) <= 400


TUTORIAL = "--model work/models --port 8180 --metrics-port 8181 --engine-worker-queue-port 8182 --max-model-len 32768"
MORE = "--enable-mm --reasoning-parser ernie-45-vl --max-num-seqs 32"
REST = "--host 0.0.0.0 --tensor-parallel-size 1 --gpu-memory-utilization 0.9 --max-num-batched-tokens 4096 --swap-space 4"


def test_the_tutorials_command_line_is_taken() -> None:
    parsed = options.parse(f"{TUTORIAL} {MORE} {REST}".split())
    assert (parsed.port, parsed.metrics_port, parsed.queue_port) == (8180, 8181, 8182)
    assert (parsed.max_model_len, parsed.max_num_seqs, parsed.enable_mm) == (32768, 32, True)
    assert parsed.host == "0.0.0.0"


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ("--trust-remote-code", "--trust-remote-code"), ("--enable-lora", "--enable-lora"),
        ("--max-log-len 5", "--max-log-len"),
        ("--max-log-len=5", "--max-log-len"), ("--no-such-flag", "--no-such-flag"), ("--port 99999", "99999"),
        ("--max-num-seqs 0", "--max-num-seqs"), ("--reasoning-parser x", "--reasoning-parser"),
        ("--gpu-memory-utilization 2", "--gpu-memory-utilization"), ("--port 8181", "must differ"), ("--speed x", "--speed"),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_named(extra: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse([*TUTORIAL.split(), *extra.split()])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_without_a_model_it_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse([])
    assert "--model" in capsys.readouterr().err
