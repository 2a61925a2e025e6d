"""What the model can say, in two languages: sentences with forks in their wording, and blanks for what was noticed."""

from __future__ import annotations

from dataclasses import dataclass

from ernie_conformance.reference.sampling import Fork, Node


@dataclass(frozen=True)
class Language:
    """The sentences of one language. A tuple is a fork, its likeliest wording first."""

    opening: tuple[Node, ...]
    roles: tuple[Node, ...]
    verbs: Fork
    comma: str
    end: str
    role: str
    total: str
    turn: str
    colon: str
    count: str
    picture: str
    pause: str
    plain: str
    closing: tuple[Node, ...]
    more: tuple[Node, ...]
    thought: tuple[Node, ...]
    noticed: str
    seen: str
    conclusion: tuple[Node, ...]
    colours: dict[str, str]
    sides: tuple[str, str, str, str]  # left, right, top, bottom


def _f(*wordings: str) -> Fork:
    return Fork(wordings)


_IF_ZH, _IF_EN = _f("如果", "要是", "倘若", "假如", "若是"), _f("If", "Should", "When", "Wherever", "Once")
ZH = Language(
    opening=(
        _f("好的", "收到", "明白", "没问题"), "😊，", _f("下面", "这里", "以下", "现在"), _f("逐条", "按顺序", "依次"),
        _f("报告", "说明", "列出", "复述"), "我", _f("看到", "读到", "注意到"), "的内容（龘、𠮷、…）。\n\n",
    ),
    roles=(_f("角色", "身份", "发言者"), "依次是"),
    verbs=_f("提到", "写着", "包含", "出现", "给出"),
    comma="、", end="。\n", role="{role}（{tokens}）",
    total="（共{turns}条）：",
    turn="- 第{number}条（{role}）",
    colon="：", count="数一数：",
    picture="图{number}（{width}×{height}{grid}）",
    pause="，", plain="没有特别标出的内容",
    closing=(
        "\n", _IF_ZH, "需要细节，请", _f("告诉", "通知", "提醒"), "我；",
        _IF_ZH, "还有问题，也", _f("可以", "能够", "欢迎"), "继续问；",
        _IF_ZH, "哪里不清楚，我再", _f("解释", "讲", "说"), "一遍 🚀。",
    ),
    more=("\n", _IF_ZH, "还要补充，", _f("那么", "我就", "这里"), _f("再说", "多写", "补上"), "一句。"),
    thought=(
        _f("用户", "对方", "来信人"), "的", _f("请求", "问题", "消息"), "我先", _f("看", "读", "想"), "一遍。",
    ),
    noticed="一共{turns}条消息，{tokens}个词元，值得一提的有{found}处。",
    seen="图{number}的大小是{width}×{height}。",
    conclusion=(
        _f("接下来", "然后", "最后"), "用中文", _f("按顺序", "依次", "逐条"), _f("回答", "答复", "说明"), "，不遗漏。",
    ),
    colours={
        "red": "红", "green": "绿", "blue": "蓝", "yellow": "黄", "cyan": "青", "magenta": "品红", "orange": "橙",
        "purple": "紫", "pink": "粉", "brown": "棕", "black": "黑", "grey": "灰", "white": "白",
    },
    sides=("左侧", "右侧", "上方", "下方"),
)  # fmt: skip
EN = Language(
    opening=(
        _f("Sure", "Right", "Okay", "Certainly"), " 😊, ", _f("here", "below", "now"), " is what I ",
        _f("found", "noticed", "read", "saw"), ", ", _f("in order", "one by one", "step by step"), " (龘, 𠮷, …).\n\n",
    ),
    roles=(_f("Roles", "Speakers", "Voices"), " in order"),
    verbs=_f("mentions", "has", "contains", "gives", "shows"),
    comma=", ", end=".\n", role="{role} ({tokens})",
    total=" ({turns}): ",
    turn="- Message {number} ({role}) ",
    colon=": ", count="Counting: ",
    picture="picture {number} ({width}×{height}{grid})",
    pause=", ", plain="nothing that stands out",
    closing=(
        "\n", _IF_EN, " you need details, please ", _f("tell", "ask", "remind"), " me. ",
        _IF_EN, " you have questions, ", _f("go", "write", "carry"), " on. ",
        _IF_EN, " it is unclear, I will ", _f("explain", "repeat", "say"), " it 🚀.",
    ),
    more=(
        "\n", _IF_EN, " more is wanted, ", _f("here", "this", "that"), " is ",
        _f("another", "one more", "a further"), " line.",
    ),
    thought=(
        _f("The user", "They", "My reader"), " sent a ", _f("request", "question", "message"), ", so I ",
        _f("look", "read", "think"), " first. ",
    ),
    noticed="Messages: {turns}; tokens: {tokens}; things worth telling: {found}. ",
    seen="Picture {number} measures {width}×{height}. ",
    conclusion=(
        _f("Then", "Next", "Now"), " I ", _f("answer", "reply", "respond"), " in English, ",
        _f("in order", "one by one"), ".",
    ),
    colours={},
    sides=("left ", "right ", "top ", "bottom "),
)  # fmt: skip
