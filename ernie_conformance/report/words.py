"""Messages to operators, in English and Chinese."""

from __future__ import annotations

WORDS = {
    "area": {"en": "area", "zh": "领域"},
    "gate": {"en": "GATE", "zh": "放行结论"},
    "closed": {"en": "closed: do not release", "zh": "closed：不可放行"},
    "open": {"en": "open: this deployment keeps the contract", "zh": "open：该部署遵守约定，可以放行"},
    "partial": {
        "en": "partial: what was asked holds, but not everything was asked",
        "zh": "partial：已检查的都通过，但并未检查全部",
    },
    "self-check": {
        "en": "self-check: the suite agrees with its own reference server; this says nothing about a deployment",
        "zh": "self-check：套件与自带参考服务器相符；这不说明任何部署的质量",
    },
    "seen": {"en": "seen", "zh": "实际"},
    "why": {"en": "why it matters", "zh": "影响"},
    "source": {"en": "source", "zh": "依据"},
    "repeat": {"en": "repeat", "zh": "复现"},
    "log": {"en": "server log", "zh": "服务日志"},
    "blocked": {"en": "blocked by", "zh": "受阻于"},
    "spent": {"en": "requests", "zh": "个请求"},
    "tokens": {"en": "completion tokens", "zh": "个生成 token"},
    "seconds": {"en": "s", "zh": "秒"},
    "report": {"en": "report", "zh": "报告"},
    "untested": {"en": "not testable here", "zh": "此处不可测"},
}


def word(key: str, lang: str) -> str:
    """One message in the operator's language."""
    return WORDS[key][lang]
