"""Figures of the tutorial and of the vendor: which breach fails, which warns, and where the line is."""

from __future__ import annotations

import pytest

from ernie_conformance.judge.outcome import Broken, Warned
from ernie_conformance.judge.rules import env_facts
from ernie_conformance.judge.rules.env_facts import gigabytes, reaches, version_key
from ernie_conformance.judge.rules.env_weights import published
from ernie_conformance.probe import checkpoint

pytestmark = pytest.mark.selftest

FIGURES = {
    "weaker tutorial": {"tutorial": 60, "vendor": 128},
    "stricter tutorial": {"tutorial": 32, "vendor": 24},
    "tutorial alone": {"tutorial": 120},
    "vendor alone": {"vendor": 1},
}


@pytest.mark.parametrize(
    ("check", "found", "raised"),
    [
        ("weaker tutorial", 128, None),
        ("weaker tutorial", 127, Broken),
        ("weaker tutorial", 59, Broken),
        ("stricter tutorial", 32, None),
        ("stricter tutorial", 31, Warned),
        ("stricter tutorial", 24, Warned),
        ("stricter tutorial", 23, Broken),
        ("tutorial alone", 120, None),
        ("tutorial alone", 119, Broken),
        ("vendor alone", 1, None),
        ("vendor alone", 0.5, Broken),
    ],
)
def test_the_vendors_figure_fails_and_a_stricter_tutorials_warns(
    check: str, found: float, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {name: {"item": {"en": name}, "kind": "gigabytes", **figures} for name, figures in FIGURES.items()}
    monkeypatch.setattr(env_facts, "checks", lambda: table)
    if raised is None:
        reaches(check, found * 10**9)
        return
    with pytest.raises(raised) as caught:
        reaches(check, found * 10**9)
    wanted = ", ".join(f"{who} {figure} GB" for who, figure in FIGURES[check].items())
    assert str(caught.value) == f"{check}: found {gigabytes(found * 10**9)}, required at least: {wanted}"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("520.61.05", "525.60.13"),
        ("99.9", "535"),
        ("535", "535.54.03"),
        ("12.3", "12.10"),
        ("9.5.1", "9.13.0"),
        ("3.1.0+cu126", "3.1.1"),
    ],
)
def test_versions_are_compared_as_numbers(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


def test_zeros_at_the_end_make_no_difference() -> None:
    assert version_key("12.0") == version_key("12")
    assert version_key("520.61.05") == version_key("520.61.5")


def test_the_list_of_tensors_is_the_published_model() -> None:
    tensors = list(checkpoint.tensors())
    assert len({name for name, _, _ in tensors}) == len(tensors) == published()["tensors"]
    parameters = 29_399_294_336
    routers = sum(shape[0] * shape[1] for _, kind, shape in tensors if kind == checkpoint.ROUTER)
    assert published()["tensor_bytes"] == 2 * parameters + 2 * routers  # sixteen bits, and thirty-two for the routers
