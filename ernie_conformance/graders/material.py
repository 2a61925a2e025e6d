"""The graders' data: word tables, the guide, and the pictures' specifications with what we add to them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import UsageError, read_table

ACCEPTANCE = FIXTURES / "acceptance"
IMAGES = FIXTURES / "images"
LABELLED = ACCEPTANCE / "labelled.jsonl"
HOLDOUT = ACCEPTANCE / "holdout.jsonl"
GUIDE = FIXTURES / "guide.zh.md"
TUTORIAL_FINGERPRINT = ACCEPTANCE / "tutorial.fingerprint"


@cache
def table(name: str) -> dict[str, Any]:
    """The word table fixtures/acceptance/`name`.toml. Raises UsageError when it can't be read."""
    return read_table(ACCEPTANCE / f"{name}.toml")


@cache
def guide() -> str:
    """The deployment guide that the graded prompt carries."""
    return _read(GUIDE)


@cache
def image_specs() -> Mapping[str, Mapping[str, Any]]:
    """id -> manifest entry, widened by captions.toml: more words a group, and what else the picture doesn't show."""
    quick = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # every collection reads this
    manifest = yaml.load(_read(IMAGES / "manifest.yaml"), quick)
    captions = table("captions")
    return {image["id"]: _widened(image, captions) for image in manifest["images"]}


def _widened(image: Mapping[str, Any], captions: Mapping[str, Any]) -> dict[str, Any]:
    spec = copy.deepcopy(dict(image))
    extra = captions["images"].get(image["id"], {})
    for section in ("must_mention", "should_mention", "must_not_mention"):
        groups = spec.setdefault(section, {})
        for group, words in extra.get(section, {}).items():
            groups[group] = [*groups.get(group, []), *words]
        for group, words in extra.get("instead", {}).get(section, {}).items():
            groups[group] = list(words)
    seen = set(extra.get("seen", ()))
    for thing, words in captions["things"].items():
        if thing not in seen:
            spec["must_not_mention"].setdefault(f"any_{thing}", []).extend(words)
    return spec


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; the suite's fixtures are incomplete") from error
