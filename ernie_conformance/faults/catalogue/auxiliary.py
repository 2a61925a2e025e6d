"""Area 12: models, health, metrics, text completions, keys and methods."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.acts import reset
from ernie_conformance.faults.catalogue.sampling import one_choice
from ernie_conformance.faults.edits import (
    answers,
    asked,
    bodies,
    chain,
    chunks,
    documents,
    errors,
    header,
    instead,
    refused,
    replies,
    status,
)
from ernie_conformance.faults.fault import Edit, Fault, Headers, behaviour, question, rewrite
from ernie_conformance.faults.objects import Change, change, drop, put, text
from ernie_conformance.faults.questions import unset
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

models = where.both(where.method("GET"), where.path("/models"))
metrics = where.path("/metrics")


def _prompt(request: Request) -> str:
    prompt = request.json.get("prompt")
    return prompt if isinstance(prompt, str) else ""


def _echo_lost(request: Request) -> Edit:
    prompt = _prompt(request)
    return replies(change("choices.*.text", text(lambda said: said.removeprefix(prompt))))


def _prompt_logprobs_lost(request: Request) -> Edit:
    """Only the generated tokens have log probabilities."""
    length = len(_prompt(request))

    def cut(found: Any) -> Any:
        if isinstance(found, dict) and isinstance(found.get("text_offset"), list):
            start = sum(offset < length for offset in found["text_offset"])
            return {key: value[start:] if isinstance(value, list) else value for key, value in found.items()}
        return found

    return replies(change("choices.*.logprobs", cut))


def _key(request: Request) -> str:
    return next((value for name, value in request.headers if name.lower() == "authorization"), "")


def without_key(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() != "authorization")


async def _key_not_asked(visit: Visit) -> None:
    """Every route but chat borrows the key that somebody else has shown."""
    key = _key(visit.request)
    answer = await visit.fetch()
    if answer.status not in (401, 403):
        if key:
            visit.memory.kept["key"] = key
        await visit.send(answer)
        return
    borrowed = (("Authorization", visit.memory.kept.get("key", "")),)
    opened = replace(visit.request, headers=without_key(visit.request.headers) + borrowed)
    await visit.relay(request=visit.request if where.chat(visit.request) else opened)


async def _counts_all_streams(visit: Visit) -> None:
    """What is counted as running grows with each stream and never falls."""
    kept = visit.memory.kept
    if where.streamed(visit.request):
        kept["streams"] = kept.get("streams", 0) + 1
    running = b"%d.0" % kept.get("streams", 0)
    counted = bodies(lambda found: re.sub(rb"(?m)^(\S+num_requests_running\S*) \S+$", rb"\1 " + running, found))
    await visit.relay(edit=counted if metrics(visit.request) else None)


async def _any_key_fits(visit: Visit) -> None:
    """A key is demanded, but any will do."""
    key = _key(visit.request)
    answer = await visit.fetch()
    if key and answer.status not in (401, 403):
        visit.memory.kept["key"] = key
    if key and answer.status in (401, 403) and "key" in visit.memory.kept:
        borrowed = (("Authorization", visit.memory.kept["key"]),)
        await visit.relay(request=replace(visit.request, headers=without_key(visit.request.headers) + borrowed))
        return
    await visit.send(answer)


def _listed(*changes: Change) -> Edit:
    """Change the model list."""

    def edit(_: Request, value: Any) -> Any:
        for step in changes if isinstance(value, dict) else ():
            step(value)
        return value

    return documents(edit)


def _help_twice(body: bytes) -> bytes:
    found = re.search(rb"^# HELP .*\n", body, re.MULTILINE)
    return body + (found[0] if found else b"# HELP x y\n# HELP x z\n")


def _never_counting(body: bytes) -> bytes:
    return re.sub(rb"^([a-z_:]+(?:\{[^}]*\})?) [0-9.e+]+$", rb"\1 0.0", body, flags=re.MULTILINE)


def _scaled(name: bytes, factor: int) -> Callable[[bytes], bytes]:
    """Another value of one metric."""

    def scale(found: re.Match[bytes]) -> bytes:
        return found[1] + str(float(found[2]) * factor).encode()

    return lambda body: re.sub(rb"(?m)^(\S*" + name + rb"\S* )(\S+)$", scale, body)


def _as_delta(chunk: dict[str, Any]) -> None:
    for choice in chunk["choices"]:
        choice["delta"] = {"content": choice.pop("text", "")}


def _told(value: Any, request: Request) -> Any:
    """The message quotes the header with the key."""
    key = _key(request)
    change("error.message", lambda said: f"{said} (Authorization: {key})")(value if isinstance(value, dict) else {})
    return value


FAULTS: tuple[Fault, ...] = (
    behaviour("aux-auth-bypass", "AUX-023", _key_not_asked),
    rewrite(
        "aux-completions-finish-null", "COMP-001", answers(put("choices.*.finish_reason", None)), where=where.completions
    ),
    rewrite("aux-cors-preflight", "AUX-015", refused(405, "Method Not Allowed"), where=where.method("OPTIONS")),
    rewrite("aux-echo-ignored", "COMP-011", asked(_echo_lost), where=where.both(where.completions, where.asks("echo"))),
    rewrite(
        "aux-echo-logprobs-partial",
        "COMP-014",
        asked(_prompt_logprobs_lost),
        where=where.both(where.completions, where.asks("echo", "logprobs")),
    ),
    rewrite("aux-models-missing", "AUX-001", instead(404, b'{"detail":"Not Found"}'), where=models),
    rewrite(
        "aux-best-of-ignored",
        "COMP-009",
        chain(answers(one_choice), chunks(one_choice)),
        where=where.both(where.completions, where.either(where.asks("n"), where.asks("best_of"))),
    ),
    rewrite("aux-metrics-format", "AUX-009", bodies(_help_twice), where=metrics),
    behaviour("aux-metrics-port", "AUX-008", reset, where=metrics),
    rewrite(
        "own-models-object",
        "AUX-001",
        _listed(change("object", lambda _: "models")),
        where=models,
        title="the model list's object is wrong",
        severity="low",
    ),
    rewrite(
        "own-models-bare-list",
        "AUX-001",
        documents(lambda _, value: value.get("data") if isinstance(value, dict) else value),
        where=models,
        title="the model list is a bare list",
        severity="high",
    ),
    rewrite(
        "own-models-empty", "AUX-001", _listed(put("data", [])), where=models, title="no model is listed", severity="high"
    ),
    rewrite(
        "own-models-id-missing",
        "AUX-001",
        _listed(drop("data.*.id")),
        where=models,
        title="listed models have no id",
        severity="high",
    ),
    rewrite(
        "own-models-other-id",
        "AUX-003",
        _listed(put("data.*.id", "gpt-4")),
        where=models,
        title="the listed model can't be asked",
        severity="medium",
    ),
    rewrite(
        "own-models-created-missing",
        "AUX-002",
        _listed(drop("data.*.created"), drop("data.*.owned_by")),
        where=models,
        title="listed models lack created and owned_by",
        severity="low",
    ),
    rewrite("own-models-500", "AUX-001", status(500), where=models, title="the model list fails", severity="high"),
    rewrite(
        "own-metrics-json",
        "AUX-009",
        instead(200, b"{}", "application/json"),
        where=metrics,
        title="metrics are JSON",
        severity="medium",
    ),
    rewrite(
        "own-metrics-no-newline",
        "AUX-009",
        bodies(lambda body: body.rstrip(b"\n")),
        where=metrics,
        title="metrics end without a line end",
        severity="low",
    ),
    rewrite(
        "own-metrics-empty", "AUX-010", bodies(lambda _: b"\n"), where=metrics, title="metrics are empty", severity="medium"
    ),
    rewrite(
        "own-metrics-constant",
        "AUX-011",
        bodies(_never_counting),
        where=metrics,
        title="metrics never move",
        severity="medium",
    ),
    rewrite(
        "own-metrics-negative",
        "AUX-013",
        bodies(lambda body: re.sub(rb"(?m)^([\w:]+_total(?:\{[^}]*\})?) ", rb"\1 -", body)),
        where=metrics,
        title="counters are negative",
        severity="medium",
    ),
    rewrite(
        "own-metrics-404",
        "AUX-008",
        instead(404, b"", "text/plain"),
        where=metrics,
        title="there are no metrics",
        severity="medium",
    ),
    rewrite(
        "own-metrics-html",
        "AUX-009",
        header("content-type", "text/html"),
        where=metrics,
        title="metrics are declared as HTML",
        severity="low",
    ),
    rewrite(
        "own-completions-404",
        "WIRE-002",
        instead(404, b'{"detail":"Not Found"}'),
        where=where.completions,
        title="there are no text completions",
        severity="high",
    ),
    rewrite(
        "own-completions-as-chat",
        "COMP-001",
        answers(put("object", "chat.completion")),
        where=where.completions,
        title="text completions call themselves chat",
        severity="medium",
    ),
    rewrite(
        "own-completions-text-null",
        "COMP-001",
        answers(put("choices.*.text", None)),
        where=where.completions,
        title="text is null",
        severity="high",
    ),
    rewrite(
        "own-completions-list-first-only",
        "COMP-006",
        chain(answers(one_choice), chunks(one_choice)),
        where=where.both(where.completions, lambda r: isinstance(r.json.get("prompt"), list)),
        title="of several prompts the first is answered",
        severity="high",
    ),
    rewrite(
        "own-completions-list-refused",
        "WIRE-002",
        refused(422, "prompt: str type expected"),
        where=where.both(where.completions, lambda r: isinstance(r.json.get("prompt"), list)),
        title="a list of prompts is refused",
        severity="medium",
    ),
    rewrite(
        "own-completions-echoed",
        "COMP-012",
        asked(lambda r: answers(change("choices.*.text", text(lambda said: _prompt(r) + said)))),
        where=where.both(where.completions, lambda r: not r.json.get("echo")),
        title="the prompt is echoed unasked",
        severity="high",
    ),
    question(
        "own-completions-limit-ignored",
        "USAGE-004",
        unset("max_tokens"),
        where=where.completions,
        title="text completions ignore max_tokens",
        severity="high",
    ),
    question(
        "own-completions-stop-ignored",
        "COMP-017",
        unset("stop"),
        where=where.completions,
        title="text completions ignore stop",
        severity="high",
    ),
    rewrite(
        "own-completions-stream-delta",
        "COMP-002",
        chunks(_as_delta),
        where=where.completions,
        title="streams of text completions carry deltas",
        severity="high",
    ),
    behaviour(
        "own-streams-run-for-ever",
        "AUX-025",
        _counts_all_streams,
        title="every stream is counted as running for ever",
        severity="medium",
    ),
    behaviour("own-any-key-fits", "AUX-022", _any_key_fits, title="any key is accepted", severity="critical"),
    rewrite(
        "own-key-500",
        "AUX-021",
        errors(status(500)),
        where=lambda r: "authorization" not in {k.lower() for k, _ in r.headers},
        title="a missing key is a server error",
        severity="medium",
    ),
    rewrite(
        "own-key-in-error",
        "AUX-024",
        asked(lambda r: errors(documents(lambda _, value: _told(value, r)))),
        title="errors repeat the key",
        severity="critical",
    ),
    rewrite("own-head-405", "AUX-007", status(405), where=where.method("HEAD"), title="HEAD is refused", severity="low"),
    rewrite(
        "own-cors-no-headers",
        "AUX-015",
        header("access-control-allow-origin"),
        title="no Access-Control headers",
        severity="low",
        where=where.method("OPTIONS"),
    ),
    rewrite(
        "own-model-address-missing",
        "AUX-004",
        instead(404, b'{"detail":"Not Found"}'),
        where=lambda request: "/models/" in request.path,
        title="a listed model has no address",
        severity="low",
    ),
    rewrite(
        "own-any-model-found",
        "AUX-005",
        errors(instead(200, b'{"id":"no-such-model","object":"model","created":1,"owned_by":"x"}')),
        where=lambda request: "/models/" in request.path,
        title="a model that isn't there is found",
        severity="low",
    ),
    rewrite("own-health-503", "AUX-006", status(503), where=where.path("/health"), title="health fails", severity="high"),
    rewrite(
        "own-metrics-prompt-tripled",
        "AUX-012",
        bodies(_scaled(rb"prompt_tokens_total", 3)),
        where=metrics,
        title="metrics count prompt tokens three times",
        severity="medium",
    ),
    rewrite(
        "own-metrics-never-idle",
        "AUX-014",
        bodies(lambda found: re.sub(rb"(?m)^(\S+num_requests_running\S*) \S+$", rb"\1 1.0", found)),
        where=metrics,
        title="a request seems to run for ever",
        severity="medium",
    ),
    rewrite(
        "own-cors-answers-closed",
        "AUX-016",
        header("access-control-allow-origin"),
        where=where.method("POST"),
        title="browsers may not read the answers",
        severity="low",
    ),
    rewrite(
        "own-right-key-refused",
        "AUX-020",
        refused(401, "Invalid API key"),
        where=lambda request: bool(_key(request)),
        title="the right key is refused",
        severity="high",
    ),
)
