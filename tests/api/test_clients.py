"""The tutorial's own calls, made by real client programs."""

from __future__ import annotations

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.clients import curl_gets_content, prints_an_answer
from ernie_conformance.judge.subjects import Scene


@row("CLIENT-001")
def test_the_curl_call_gets_an_answer(text_clients: Scene) -> None:
    curl_gets_content(text_clients)


@row("CLIENT-002")
def test_the_openai_loop_prints_the_answer(text_clients: Scene) -> None:
    prints_an_answer(text_clients, "openai")


@row("CLIENT-003")
def test_the_openai_loop_describes_an_image(image_clients: Scene) -> None:
    prints_an_answer(image_clients, "openai")


@row("CLIENT-004")
def test_the_requests_loop_prints_the_answer(text_clients: Scene) -> None:
    prints_an_answer(text_clients, "requests")


@row("CLIENT-005")
def test_the_requests_loop_describes_an_image(image_clients: Scene) -> None:
    prints_an_answer(image_clients, "requests")
