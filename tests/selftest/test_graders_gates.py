"""Each gate closes on what it's named for and stays open on prose that only looks like it."""

from __future__ import annotations

import pytest

from ernie_conformance.graders.caption import grade_caption
from ernie_conformance.graders.copying import copied, known_sources
from ernie_conformance.graders.fold import fold
from ernie_conformance.graders.grade import HARD, INVENTED
from ernie_conformance.graders.material import guide, image_specs, table
from ernie_conformance.graders.terms import claimed
from ernie_conformance.graders.text import grade_canary, grade_text
from ernie_conformance.graders.vqa import grade_vqa, question_of, says_yes

SUMMARY = (
    "教程先讲环境配置：检查显卡、驱动与 CUDA，安装 fastdeploy-gpu；再讲服务启动：下载模型，运行 api_server，监听 8180 端口；"
    "最后讲接口调用：用 OpenAI 库或 requests 发送文字和图片请求，并查看返回的结果。"
)
DOGS = "两只棕色的可卡犬从木板后面探出头来，上面那只吐着舌头，下面那只安静地望向远方。"


def gates_of(output: str | None, finish: str | None = "stop", **about: str) -> set[str]:
    return {finding.gate for finding in grade_text(output, finish, **about).findings}


def test_the_positive_control_passes_every_gate() -> None:
    assert grade_text(SUMMARY, "stop").reasons == ()
    assert grade_caption(DOGS, image_specs()["two_dogs"], "stop").reasons == ()


#: What was done -> the gate that must close, and the output.
BREACHES: dict[str, tuple[str, str | None]] = {
    "nothing": ("empty", ""),
    "blank lines": ("empty", "  \n\n"),
    "null": ("empty", None),
    "repr of nothing": ("empty", "None"),
    "punctuation alone": ("empty", "。。。"),
    "error body": ("error", '{"detail": "Not Found"}'),
    "traceback": ("error", "Traceback (most recent call last):\n  File"),
    "end token": ("control", SUMMARY + "<|im_end|>"),
    "closing think tag": ("control", "</think>" + SUMMARY),
    "next turn": ("control", SUMMARY + "\nUser: 谢谢\nAssistant: 不客气。"),
    "byte tokens": ("control", SUMMARY.replace("端口", "<0xE7><0xAB><0xAF>口")),
    "torn character": ("garbled", SUMMARY.replace("端口", "端\ufffd")),
    "UTF-8 as Latin-1": ("garbled", SUMMARY.encode().decode("latin-1")),
    "UTF-8 as GBK": ("garbled", SUMMARY.encode().decode("gb18030", "ignore")),
    "escapes": ("garbled", SUMMARY.encode("unicode_escape").decode()),
    "stuck character": ("loop", SUMMARY + "好" * 40),
    "stuck clause": ("loop", SUMMARY + "再次检查端口，" * 8),
    "said twice": ("repetition", (SUMMARY + "\n") * 2),
    "refused": ("refusal", "抱歉，我无法回答这个问题。"),
    "material asked for": ("context", "您还没有提供教程的内容，请把它发给我。"),
    "thinking aloud": ("reasoning", "用户让我总结教程，我先想想。" + SUMMARY),
    "no end": ("truncated", SUMMARY[:-12]),
    "open code block": ("truncated", SUMMARY + "\n```bash\npython -m"),
    "English": ("language", "The tutorial sets up the environment, starts the service and then calls the API."),
    "a phrase": ("length", "先配环境，再启动服务，最后调用接口。"),
    "a book": ("length", SUMMARY * 60),
    "no calls": ("missing", SUMMARY[: SUMMARY.index("最后")] + "以上就是全部内容。"),
    "word salad": (
        "coherence",
        "环境配置服务启动接口调用苹果飞机月亮河流窗帘早餐石头沙发云朵香蕉键盘桌子椅子杯子" * 2 + "。",
    ),
    "another engine": ("grounding", SUMMARY.replace("fastdeploy-gpu", "vLLM").replace("api_server", "vllm serve")),
    "another port": ("grounding", SUMMARY.replace("8180", "11435")),
    "upside down": (
        "order",
        "首先做接口调用，用 OpenAI 库发请求；然后启动服务，监听 8180 端口；最后做环境配置，检查 CUDA。",
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_gate_closes_on_what_it_is_named_for(breach: str) -> None:
    gate, output = BREACHES[breach]
    assert gate in gates_of(output)


@pytest.mark.parametrize("finish", ["length", "abort", "content_filter", "tool_calls"])
def test_a_finish_reason_other_than_stop_is_truncation(finish: str) -> None:
    assert gates_of(SUMMARY, finish) == {"truncated"}
    assert gates_of(SUMMARY, None) == set()


#: Added to a good summary, each looks like a breach and is none.
HARMLESS = {
    "token quoted as code": '启动命令里可以写 `stop=["<|endoftext|>"]`。',
    "refusal quoted": "如果提示“抱歉，无法连接”，请检查端口。",
    "denial of haste": "没有看到地址之前不要调用接口。",
    "emoji at the end": "祝一切顺利 😊",
    "code at the end": "\n```bash\npython -m fastdeploy.entrypoints.openai.api_server --port 8180\n```",
}


@pytest.mark.parametrize("addition", HARMLESS)
def test_gates_stay_open_on_prose_that_only_looks_like_a_breach(addition: str) -> None:
    assert gates_of("\n\n好的，" + SUMMARY + HARMLESS[addition]) == set()


def test_copying_the_source_is_no_summary() -> None:
    chapter = guide()[guide().index("### 2.1") : guide().index("### 2.2")]
    assert "copying" in gates_of(chapter)
    assert "copying" in gates_of(SUMMARY, source="前言。" + SUMMARY)
    assert "copying" not in gates_of(SUMMARY)


def test_an_answer_used_up_by_reasoning_is_empty_and_says_so() -> None:
    grade = grade_text("", "length", reasoning="用户要我总结……")
    assert grade.hard
    assert "reasoning" in grade.reasons[0]


def test_only_hard_gates_are_hard() -> None:
    closed = {breach: grade_text(output, "stop") for breach, (_, output) in BREACHES.items()}
    hard = {breach for breach, grade in closed.items() if grade.hard}
    assert hard >= {breach for breach, (gate, _) in BREACHES.items() if gate in HARD}
    assert not hard & {"no end", "refused", "a phrase", "no calls", "upside down", "English", "another port"}


def test_notes_tell_in_which_tier_each_topic_was_found() -> None:
    notes = grade_text(SUMMARY, "stop").notes
    assert notes == {"env": "literal: 环境配置", "serve": "literal: 服务启动", "call": "literal: 接口调用"}
    colloquial = "先把显卡驱动和 CUDA 弄好，装上 FastDeploy，再把服务跑起来，最后用 requests 去连 8180，问它几句话试试。"
    assert {note.split(":")[0] for note in grade_text(colloquial, "stop").notes.values()} <= {"synonym", "paraphrase"}


def test_the_canary_is_the_last_section_s_and_nobody_else_s() -> None:
    code = table("text")["canary"]["code"]
    assert len(guide()) >= 15_000
    assert guide().count(code) == 1
    assert code in guide()[guide().rindex("\n## ") :]
    assert grade_canary(f"编号是 {code}。", "stop").passed
    assert not grade_canary("指南里没有给出编号。", "stop").passed
    assert not grade_canary("", "stop").passed


def test_the_guide_is_not_the_tutorial_copied() -> None:
    tutorial = known_sources()[1]
    assert len(tutorial) > 1000
    # Commands, file names and figures are facts that both need.
    assert copied(guide(), [tutorial]) < 0.10


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("湖面上有一艘小船。", True),
        ("湖面上没有船。", False),
        ("没有人、房屋和船。", False),
        ("人与船都没有出现。", False),
        ("云朵像一艘小船。", False),
        ("如镜的湖面上停着一艘小船。", True),
        ("不远处有一艘小船。", True),
        ("一望无际的湖面，小船点点。", True),
        ("让人想起江南的小船。", False),
        ("没有风，但有一艘小船。", True),
        ("There are no people, boats or buildings.", False),
        ("No wind, but a boat drifts by.", True),
        ("The cloud looks like a boat.", False),
    ],
)
def test_denied_compared_and_imagined_things_are_not_claimed(text: str, claims: bool) -> None:
    assert (claimed(["船", "boat*"], fold(text)) is not None) is claims


@pytest.mark.parametrize(
    ("caption", "gate"),
    [
        (DOGS.replace("两只", "一只").replace("上面那只", "它").replace("，下面那只安静地望向远方", ""), "missing"),
        (DOGS + "旁边有一只白猫。", INVENTED),
        ("两只狗。", "length"),
        ("狗、两只、棕色、木板、窗户、舌头、可爱、耳朵、白布、绳子", "coherence"),
        ("画面里有两只狗在那里，看上去很可爱很可爱。", "details"),
        ("Two brown dogs peek out from behind wooden boards, one with its tongue out.", "language"),
        (DOGS + "<|end_of_sentence|>", "control"),
    ],
)
def test_captions_are_held_to_the_picture(caption: str, gate: str) -> None:
    grade = grade_caption(caption, image_specs()["two_dogs"], "stop", prompt="生成图片描述")
    assert gate in {finding.gate for finding in grade.findings}


def test_an_english_prompt_wants_an_english_caption() -> None:
    english = "Two brown dogs peek out from behind wooden boards, one with its tongue out."
    assert grade_caption(english, image_specs()["two_dogs"], "stop", prompt="Describe this image.").passed
    assert not grade_caption(DOGS, image_specs()["two_dogs"], "stop", prompt="Describe this image.").passed


def test_every_specification_has_its_manifest_s_groups_and_more() -> None:
    for spec in image_specs().values():
        assert spec["must_mention"]
        assert spec["should_mention"]
        assert len(spec["must_not_mention"]) > 10
        assert len(spec["vqa"]) == 3


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ("有", True),
        ("有的，很多。", True),
        ("没有", False),
        ("看不到。", False),
        ("Yes.", True),
        ("no", False),
        ("无法确定", None),
        ("蓝色", None),
    ],
)
def test_yes_and_no_are_read_by_polarity(answer: str, yes: bool | None) -> None:
    assert says_yes(answer) is yes


def test_every_question_takes_its_own_accepted_answers_and_no_rejected_one() -> None:
    for spec in image_specs().values():
        for question in spec["vqa"]:
            assert question_of(question["q_zh"], spec) is question
            assert question_of(question["q_en"], spec) is question
            for said, right in [
                *((term, True) for term in question["accept"]),
                *((term, False) for term in question["reject"]),
            ]:
                if not said.startswith("re:"):
                    assert grade_vqa(said, question, "stop").passed is right, (question["q_zh"], said)
