"""The tutorial's acceptance cases: a text to summarise, and photographs to describe; generated scenes for the reference.

The literal text prompt of the tutorial is asked for information only: the model has never seen the tutorial. The graded case
carries our own deployment guide in the message.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from ernie_conformance.gather.ask import Ask, Scenario, chat, cost_of, user
from ernie_conformance.gather.stage import Stage
from ernie_conformance.graders.caption import grade_caption
from ernie_conformance.graders.grade import Finding, Grade
from ernie_conformance.graders.material import IMAGES, guide, image_specs, table
from ernie_conformance.graders.rules import OPEN, TEXT, decide, follow_up
from ernie_conformance.graders.text import grade_text
from ernie_conformance.judge.outcome import Blocked
from ernie_conformance.judge.views import Reply, view
from ernie_conformance.wire.exchange import Exchange

LITERAL = "总结本教程的核心步骤"
IMAGE_PROMPTS = ("生成这张图片的描述", "生成图片描述")  # the tutorial's two clients word it differently
SERVED: dict[str, Any] = {"temperature": 0.2, "top_p": 0.8}  # what FastDeploy serves this model with when nothing is asked
SUMMARY_TOKENS, CAPTION_TOKENS, ANSWER_TOKENS = 2048, 1024, 256
RUNS_OF_A_PHOTO = 4  # ten photographs make the forty runs that the pooled rule counts


def with_guide(question: str) -> list[dict[str, Any]]:
    """The messages that hand over the guide and ask about it."""
    return user(f"下面是一份部署教程。\n\n{guide()}\n\n{question}")


COLOURS = {
    "red": (220, 30, 30), "yellow": (240, 220, 40), "white": (250, 250, 250), "black": (15, 15, 15),
    "orange": (250, 140, 20), "blue": (40, 70, 220), "green": (30, 160, 60),
}  # fmt: skip
IN_CHINESE = {"red": "红", "yellow": "黄", "white": "白", "black": "黑", "orange": "橙", "blue": "蓝", "green": "绿"}


def grid_picture(rows: Sequence[Sequence[str]], cell: int) -> Image.Image:
    """Rows of named colours as squares of `cell` pixels."""
    picture = Image.new("RGB", (len(rows[0]) * cell, len(rows) * cell))
    for y, row in enumerate(rows):
        for x, colour in enumerate(row):
            picture.paste(COLOURS[colour], (x * cell, y * cell, (x + 1) * cell, (y + 1) * cell))
    return picture


def as_uri(picture: Image.Image, form: str) -> str:
    """A picture as a data URI."""
    content = io.BytesIO()
    picture.save(content, form)
    return f"data:image/{form.lower()};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


def data_uri(image: str) -> str:
    """A photograph as the tutorial's clients send it."""
    content = (IMAGES / image_specs()[image]["file"]).read_bytes()
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def about_picture(image: str, text: str) -> list[dict[str, Any]]:
    """The messages of the tutorial's image call: the picture first, the text after it."""
    return user([{"type": "image_url", "image_url": {"url": data_uri(image)}}, {"type": "text", "text": text}])


def reply_of(exchange: Exchange) -> Reply | None:
    """The exchange as a reply, None when it is unusable: whoever owns that says so."""
    try:
        return view(exchange)
    except Blocked:
        return None


async def summarise(stage: Stage) -> dict[str, Any]:
    """Ask for the summary until the rule is decided, at most as often as it allows."""
    rule = TEXT[stage.profile]
    grades: list[Grade] = []
    while (standing := decide(rule, grades)).state == OPEN:
        # Side by side as many as must still pass: fewer can't decide it, more might be asked in vain.
        wanted = min(rule.need - standing.good, rule.of - len(grades))
        exchanges = await stage.send_all([summary(len(grades) + n + 1) for n in range(wanted)])
        grades += [grade_summary(reply_of(exchange)) for exchange in exchanges]
    return {"runs": [f"text-summary-{n + 1}" for n in range(len(grades))], "profile": stage.profile}


def grade_summary(reply: Reply | None) -> Grade:
    """The grade of one run; an unusable one counts as not passed here, its cause is another row's."""
    if reply is None:
        return Grade((Finding("unusable", "no answer came"),))
    return grade_text(reply.content, reply.finish_reason, prompt=LITERAL, source=guide(), reasoning=reply.reasoning)


def summary(number: int) -> Ask:
    return chat(
        f"text-summary-{number}", with_guide(LITERAL), thinking=True, stream=True, max_tokens=SUMMARY_TOKENS, **SERVED
    )


async def describe(stage: Stage) -> dict[str, Any]:
    """Describe every photograph, the tutorial's prompts and clients in turn; then confirm what looks invented."""
    runs = 1 if stage.profile == "smoke" else RUNS_OF_A_PHOTO
    asks = [description(image, number) for number in range(runs) for image in image_specs()]
    exchanges = await stage.send_all(asks)
    doubts = [(exchange, suspect) for exchange in exchanges for suspect in grade_description(exchange).suspects]
    confirmations = [confirmation(exchange.name, number, suspect) for number, (exchange, suspect) in enumerate(doubts)]
    answers = await stage.send_all(confirmations)
    return {
        "runs": [exchange.name for exchange in exchanges],
        "doubts": [
            {"run": exchange.name, "term": suspect, "asked": answer.name}
            for (exchange, suspect), answer in zip(doubts, answers, strict=True)
        ],
    }


def grade_description(exchange: Exchange) -> Grade:
    """The grade of one description, invented things not yet confirmed."""
    reply = reply_of(exchange)
    if reply is None:
        return Grade((Finding("unusable", "no answer came"),))
    spec, prompt = image_specs()[image_of(exchange.name)], IMAGE_PROMPTS[0]
    return grade_caption(reply.content, spec, reply.finish_reason, prompt=prompt, reasoning=reply.reasoning)


def description(image: str, number: int) -> Ask:
    """One run: prompts alternate; the second client's form streams with usage, the first without."""
    options = {"stream_options": {"include_usage": True}} if number % 2 else {}
    return chat(
        f"photo-{image}-{number + 1}",
        about_picture(image, IMAGE_PROMPTS[(number // 2) % 2]),
        thinking=True,
        stream=True,
        max_tokens=CAPTION_TOKENS,
        **options,
        **SERVED,
    )


def confirmation(run: str, number: int, term: str) -> Ask:
    messages = about_picture(image_of(run), follow_up(term))
    return chat(f"photo-doubt-{number + 1}", messages, max_tokens=ANSWER_TOKENS, temperature=0)


def image_of(run: str) -> str:
    """The picture's id out of a run's name, `photo-ID-NUMBER`."""
    return run.removeprefix("photo-").rpartition("-")[0]


def _questions() -> tuple[Ask, ...]:
    return tuple(
        chat(
            f"photo-question-{image}-{number}",
            about_picture(image, question["q_zh"]),
            max_tokens=ANSWER_TOKENS,
            temperature=0,
        )
        for image, spec in image_specs().items()
        for number, question in enumerate(spec["vqa"], 1)
    )


# Scenes whose colours are known to the pixel: three rows of three, told in reading order by any model that reports them.
SCENES = {
    "scene-warm": (("red", "yellow", "white"), ("black", "red", "orange"), ("yellow", "black", "red")),
    "scene-cold": (("blue", "white", "green"), ("green", "blue", "black"), ("white", "green", "blue")),
}


def scene(name: str) -> str:
    """A generated scene as a PNG data URI, a cell 84 pixels wide (three patches of the vision tower)."""
    return as_uri(grid_picture(SCENES[name], 84), "PNG")


async def ask_questions(stage: Stage) -> dict[str, Any]:
    """Put every short question on every photograph."""
    exchanges = await stage.send_all(_questions())
    return {"runs": [exchange.name for exchange in exchanges]}


CANARY = table("text")["canary"]

ASKS = (
    chat("text-literal", LITERAL, thinking=True, max_tokens=SUMMARY_TOKENS, needs=("behaviour",), **SERVED),
    chat("text-canary", with_guide(CANARY["question"]), max_tokens=ANSWER_TOKENS + 512, temperature=0),
    *(
        chat(
            name,
            user([{"type": "image_url", "image_url": {"url": scene(name)}}, {"type": "text", "text": IMAGE_PROMPTS[0]}]),
            max_tokens=ANSWER_TOKENS,
            temperature=0,
            needs=("vision", "extractive"),
        )
        for name in SCENES
    ),
)
SCENARIOS = (
    Scenario(
        "text-summaries", summarise, needs=("behaviour",), thinks=True, alone=False, requests=5, tokens=5 * SUMMARY_TOKENS
    ),
    Scenario(
        "photo-descriptions",
        describe,
        needs=("vision", "behaviour"),
        thinks=True,
        alone=False,
        requests=RUNS_OF_A_PHOTO * len(image_specs()),
        tokens=RUNS_OF_A_PHOTO * len(image_specs()) * (CAPTION_TOKENS + ANSWER_TOKENS),
    ),
    Scenario(
        "photo-questions",
        ask_questions,
        needs=("vision", "behaviour"),
        alone=False,
        **cost_of(_questions()),
    ),
)
