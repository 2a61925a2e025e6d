"""The toolbox of the injector: edits change what they name and nothing else."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from ernie_conformance.faults import edits, frames, objects, pictures, questions
from ernie_conformance.faults.apply import BROKEN, rewritten
from ernie_conformance.faults.fault import Cut, Edit, Response, Rewrite
from ernie_conformance.wire.exchange import Exchange, Request
from ernie_conformance.wire.sse import decode

pytestmark = pytest.mark.selftest

REQUEST = Request("POST", "/v1/chat/completions", (), b'{"stream": true, "messages": []}')
HEAD = (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
TEXTS = ["", "你", "好", "。", ""]


def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"id": "a", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


PIECES = (
    *((0.1 * n, event(chunk(text, "stop" if n == 4 else None))) for n, text in enumerate(TEXTS)),
    (0.5, frames.DONE),
)
STREAM = Exchange("s", REQUEST, 200, HEAD, PIECES, seconds=0.5)
ANSWER = Exchange(
    "a",
    replace(REQUEST, body=b"{}"),
    200,
    (("content-type", "application/json"), ("content-length", "44")),
    ((0.3, b'{"id": "x", "usage": {"total_tokens": 7 }  }'),),
    seconds=0.3,
)


def edited(edit: Edit, exchange: Exchange = STREAM) -> Exchange:
    return rewritten(Rewrite("t", "", edit=edit), exchange)


def said(exchange: Exchange) -> str:
    events = [json.loads(e.data) for e in decode(exchange.body).events if e.data != "[DONE]"]
    return "".join(choice["delta"].get("content", "") for one in events for choice in one["choices"])


def test_an_edit_that_changes_nothing_leaves_bytes_and_times() -> None:
    assert edited(edits.chunks(lambda _: None)).pieces == PIECES
    assert edited(edits.answers(lambda _: None), ANSWER).pieces == ANSWER.pieces


def test_chunks_keep_their_arrival_times() -> None:
    changed = edited(edits.chunks(objects.put("id", "b")))
    assert [at for at, _ in changed.pieces] == [at for at, _ in PIECES]
    assert all(b'"id":"b"' in data for _, data in changed.pieces[:-1])


def test_frames_are_found_however_the_bytes_were_cut() -> None:
    body = b"".join(data for _, data in PIECES)
    for size in (1, 2, 7, 1000):
        cut = [(0.0, body[start : start + size]) for start in range(0, len(body), size)]
        assert [frame.raw for frame in frames.split(cut)] == [data for _, data in PIECES]


def test_a_frame_without_its_blank_line_is_kept() -> None:
    assert [frame.raw for frame in frames.split([(0.0, b"data: a\n\nda"), (0.1, b"ta: b")])] == [b"data: a\n\n", b"data: b"]


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (frames.without(frames.has_text), ""),
        (frames.until(frames.nth(2, frames.has_text)()), "你"),
        (frames.swap(frames.nth(2, frames.has_text), lambda f: [f, f]), "你好好。"),
        (frames.last(frames.has_text, lambda _: []), "你好"),
        (frames.swap(frames.first(frames.has_finish), lambda f: [frames.adding(f, "!"), f]), "你好。!"),
    ],
    ids=["without", "until", "twice", "last", "adding"],
)
def test_frames_are_left_out_doubled_and_added(edit: frames.Frames, text: str) -> None:
    assert said(edited(edits.streams(edit))) == text


def test_bytes_go_before_and_after_what_is_picked() -> None:
    around = edits.streams(
        frames.before(frames.every(frames.is_done), b"<"), frames.after(frames.every(frames.is_done), b">")
    )
    assert edited(around).body.endswith(b"<" + frames.DONE + b">")


def test_a_stream_edit_is_incremental() -> None:
    """Each frame comes out before the next one is asked for."""
    asked: list[int] = []

    def source() -> Iterator[tuple[float, bytes]]:
        for number, piece in enumerate(PIECES):
            asked.append(number)
            yield piece

    response = edits.chunks(objects.put("id", "b"))(REQUEST, Response(200, HEAD, source()))
    first, second, *_ = (len(asked) for _ in response.pieces)
    assert (first, second) == (1, 2)


def test_a_cut_is_a_broken_exchange() -> None:
    def break_off(found: Iterator[frames.Frame]) -> Iterator[frames.Frame]:
        yield next(found)
        raise Cut

    cut = edited(edits.streams(break_off))
    assert cut.error == BROKEN
    assert len(cut.pieces) == 1


def test_a_changed_body_has_its_own_length() -> None:
    changed = edited(edits.answers(objects.change("usage.total_tokens", objects.number(lambda n: n + 1))), ANSWER)
    assert changed.json["usage"]["total_tokens"] == 8
    assert changed.header("content-length") == str(len(changed.body))
    assert changed.pieces[0][0] == 0.3


def test_errors_and_successes_are_told_apart() -> None:
    refused = replace(ANSWER, status=400)
    assert edited(edits.errors(edits.status(500)), refused).status == 500
    assert edited(edits.errors(edits.status(500)), ANSWER).status == 200
    assert edited(edits.successes(edits.status(204)), refused).status == 400


def test_an_answer_made_up_is_complete() -> None:
    made = edited(edits.refused(400, "no"), ANSWER)
    assert (made.status, made.json["error"]["message"]) == (400, "no")
    assert made.header("content-length") == str(len(made.body))


def test_nothing_happens_where_the_fault_does_not_apply() -> None:
    fault = Rewrite("t", "", edit=edits.status(500), where=lambda _: False)
    assert rewritten(fault, STREAM) is STREAM


def test_what_never_came_is_left_alone() -> None:
    nothing = replace(STREAM, status=None, headers=(), pieces=(), error="connect: refused")
    assert edited(edits.status(200), nothing) is nothing


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (objects.put("a.b", 1), {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": 1}, {"e": 2}]}),
        (objects.drop("d.*.e"), {"a": {"b": 0, "c": [1, 2]}, "d": [{}, {}]}),
        (objects.drop("a.c.*"), {"a": {"b": 0, "c": []}, "d": [{"e": 1}, {"e": 2}]}),
        (objects.drop("d.1"), {"a": {"b": 0, "c": [1, 2]}, "d": [{"e": 1}]}),
        (objects.change("a.b|c", str), {"a": {"b": "0", "c": "[1, 2]"}, "d": [{"e": 1}, {"e": 2}]}),
        (objects.rename("a.b", "z"), {"a": {"z": 0, "c": [1, 2]}, "d": [{"e": 1}, {"e": 2}]}),
        (objects.put("d.*.f", None), {"a": {"b": 0, "c": [1, 2]}, "d": [{"e": 1, "f": None}, {"e": 2, "f": None}]}),
        (objects.drop("nowhere.*.x"), {"a": {"b": 0, "c": [1, 2]}, "d": [{"e": 1}, {"e": 2}]}),
    ],
)
def test_objects_change_by_path(change: objects.Change, expected: dict[str, Any]) -> None:
    data = {"a": {"b": 0, "c": [1, 2]}, "d": [{"e": 1}, {"e": 2}]}
    change(data)
    assert data == expected


def test_values_are_found_by_path_in_order() -> None:
    assert objects.find({"d": [{"e": 1}, {"e": 2}]}, "d.*.e") == [1, 2]


def asking(*parts: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": list(parts)}]}
    return Request("POST", "/v1/chat/completions", (), json.dumps(body).encode())


def picture(image: Image.Image, kind: str = "PNG", **how: Any) -> dict[str, Any]:
    out = io.BytesIO()
    image.save(out, kind, **how)
    uri = f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": uri}}


def seen(request: Request) -> list[Image.Image]:
    parts = request.json["messages"][0]["content"]
    return [image for part in parts if (image := pictures.opened(pictures.url_of(part))) is not None]


def half(left: str, right: str, size: tuple[int, int] = (40, 20)) -> Image.Image:
    image = Image.new("RGB", size, right)
    image.paste(Image.new("RGB", (size[0] // 2, size[1]), left), (0, 0))
    return image


TEXT = {"type": "text", "text": "what is it?"}


@pytest.mark.parametrize(
    ("paint", "left", "right"),
    [
        (pictures.channels_swapped, (0, 0, 255), (255, 255, 0)),
        (pictures.inverted, (0, 255, 255), (255, 0, 0)),
        (pictures.blank, (128, 128, 128), (128, 128, 128)),
        (pictures.mirrored, (0, 255, 255), (255, 0, 0)),
    ],
)
def test_pictures_are_painted(paint: pictures.Paint, left: Any, right: Any) -> None:
    (image,) = seen(pictures.painted(paint)(asking(TEXT, picture(half("red", "cyan")))))
    assert (image.getpixel((2, 10)), image.getpixel((37, 10))) == (left, right)


def test_a_turned_picture_is_seen_as_stored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    ask = pictures.painted(pictures.as_stored, pictures.is_turned)
    (image,) = seen(ask(asking(picture(half("red", "cyan"), "JPEG", exif=exif))))
    assert image.size == (40, 20)
    assert not pictures.is_turned(image)
    upright = asking(picture(half("red", "cyan"), "JPEG"))
    assert ask(upright).json == upright.json


def test_other_faults_see_a_turned_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (image,) = seen(pictures.painted(pictures.rgb)(asking(picture(half("red", "cyan"), "JPEG", exif=exif))))
    assert image.size == (20, 40)


def test_broken_pictures_reach_the_server_as_they_are() -> None:
    broken = asking({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})
    assert pictures.painted(pictures.blank)(broken).json == broken.json


def test_image_parts_are_dropped_and_reordered_between_texts() -> None:
    one, two = picture(half("red", "red")), picture(half("blue", "blue"))
    request = asking(TEXT, one, TEXT, two)
    swapped = questions.images(lambda found: found[::-1])(request).json["messages"][0]["content"]
    assert swapped == [TEXT, two, TEXT, one]
    assert questions.images(lambda _: [])(request).json["messages"][0]["content"] == [TEXT, TEXT]


def test_a_request_that_is_no_json_goes_on_as_it_is() -> None:
    request = Request("POST", "/v1/chat/completions", (), b"{")
    assert questions.unset("stop")(request) is request
