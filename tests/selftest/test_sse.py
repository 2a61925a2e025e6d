"""The event-stream decoder: the WHATWG rules, any split of the bytes, and agreement with another decoder."""

from __future__ import annotations

import httpx_sse
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_conformance.wire.sse import Decoder, decode

LINES = st.sampled_from(
    [
        "data: a",
        "data:b",
        "data",
        "data:  two",
        ": note",
        "event: x",
        "id: 7",
        "retry: 5",
        "nonsense",
        "数据: x",
        "data: 你好😊",
        "",
        "",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
BODIES = st.lists(st.tuples(LINES, ENDS), max_size=30).map(lambda pairs: "".join(a + b for a, b in pairs).encode())


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: a\n\n", ["a"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a\n\n", [" a"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data\n\n", [""]),
        (b"data: a\r\n\r\ndata: b\r\r", ["a", "b"]),
        (b": note\n\ndata: a\n\n", ["a"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"event: x\n\n", []),
        (b"data: a", []),
        (b"", []),
    ],
)
def test_events_are_those_of_the_whatwg_rules(body: bytes, events: list[str]) -> None:
    assert [event.data for event in decode(body).events] == events


@pytest.mark.parametrize(
    ("body", "kind", "at"),
    [
        (b"data: \xff\xfe\n\n", "bad-utf8", 6),
        (b"data: a\n\ndata: b\n", "incomplete-event", 9),
        (b"data: a\n\ndata: b", "incomplete-event", 9),
        (b"hello\n\n", "unknown-field", 0),
        (b"Data: a\n\n", "unknown-field", 0),
        (b'dta: {"id": 1}\n\n', "unknown-field", 0),
        (b'{"id": 1}\n\n', "unknown-field", 0),
        (b"data: [DONE]\n\ndata: a\n\n", "after-done", 14),
    ],
)
def test_violations_are_reported_with_their_place(body: bytes, kind: str, at: int) -> None:
    assert [(v.kind, v.at) for v in decode(body).violations] == [(kind, at)]


def test_a_field_of_somebodys_own_is_passed_over() -> None:
    found = decode(b"x-note: none\ndata: a\n\n")
    assert ([event.data for event in found.events], found.violations) == (["a"], ())


def test_a_span_covers_the_bytes_of_its_event() -> None:
    body = ": ping\n\ndata: 你\n\ndata: b\n\n".encode()
    assert [body[slice(*event.span)].decode() for event in decode(body).events] == ["data: 你\n\n", "data: b\n\n"]


@given(BODIES, st.data())
def test_any_split_of_the_bytes_gives_the_same(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    decoder = Decoder()
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        decoder.feed(body[start:end])
    assert decoder.close() == decode(body)


@given(BODIES)
def test_another_decoder_sees_the_same_events(body: bytes) -> None:
    other = httpx_sse._decoders.SSEDecoder()
    theirs = []
    for line in [*body.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]]:
        event = other.decode(line)
        # Theirs dispatches an event that has only an id or a name; the WHATWG rules drop one without data.
        if event is not None and event.data:
            theirs.append((event.event, event.data))
    assert [(e.event, e.data) for e in decode(body).events if e.data] == theirs
