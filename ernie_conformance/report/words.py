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
    "spent_by_area": {"en": "spent by area (requests/completion tokens)", "zh": "各领域开销（请求数/生成 token 数）"},
    "seconds": {"en": "s", "zh": "秒"},
    "report": {"en": "report", "zh": "报告"},
    "target_changed": {"en": "target {}: {} before, {} now", "zh": "检查对象 {}：此前 {}，现在 {}"},
    "regression": {"en": "regression", "zh": "退化"},
    "fixed": {"en": "fixed", "zh": "已修复"},
    "lost": {"en": "no longer asked", "zh": "不再检查"},
    "new": {"en": "new row", "zh": "新增要求"},
    "waiver_stale": {"en": "stale waiver", "zh": "失效的豁免"},
    "waiver_expired": {"en": "expired waiver", "zh": "过期的豁免"},
    "because": {"en": "closed because", "zh": "不可放行，因为"},
    "run_running": {"en": "the run hasn't ended", "zh": "运行尚未结束"},
    "run_interrupted": {"en": "the run was interrupted", "zh": "运行被中断"},
    "rows_close": {"en": "{} rows close it: {}", "zh": "{} 项要求未满足：{}"},
    "rows_worse": {"en": "{} rows got worse: {}", "zh": "{} 项要求退化：{}"},
    "verdict_is": {"en": "the verdict is {}", "zh": "结论为 {}"},
    "allow_it": {"en": "the verdict is {}; --allow {} lets it pass", "zh": "结论为 {}；可用 --allow {} 放行"},
    "untested": {"en": "not testable here", "zh": "此处不可测"},
}


def word(key: str, lang: str) -> str:
    """One message in the operator's language."""
    return WORDS[key][lang]
