"""Every demand of every source leads to a row or to a reason, none is missing, and the page says what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai.types.chat.completion_create_params as request
import pytest

from ernie_conformance.gather.asks.parameters import TUTORIAL as CALL
from ernie_conformance.judge.schemas import schemas
from ernie_conformance.programs.traceability import PAGE, TABLES, beyond, main, page, read, sources
from ernie_conformance.tables import UsageError

pytestmark = pytest.mark.selftest

TUTORIAL, OPENAI, FASTDEPLOY = sources()
SECTIONS = ["Models", "1.1", "1.2", "1.3", "2.1", "2.2", "3", "4.1", "4.2", "4.3", "5.1", "5.2", "5.3", "6.1", "6.2", "7"]
PARAMETERS = ["model", "messages", *CALL]
DEVIATIONS = [str(number) for number in range(1, 49)]


def places(source: Any) -> list[str]:
    return [demand["at"] for demand in source.demands]


def properties(schema: Any, path: str = "") -> Iterator[str]:
    """The path of every property that a schema names itself; what it refers to has a schema of its own."""
    for name, inner in schema.get("properties", {}).items():
        yield path + name
        yield from properties(inner, f"{path}{name}.")
    if isinstance(schema.get("items"), dict):
        yield from properties(schema["items"], f"{path.removesuffix('.')}[].")
    for part in schema.get("allOf", ()):
        yield from properties(part, path)


def of_answers() -> set[str]:
    """`schema property` for everything in schemas/ that a server sends."""
    logprobs = schemas()["compat/logprobs"]
    token = logprobs["$defs"]["token"]
    found = {f"logprobs content[].{more}{name}" for name in properties(token) for more in ("", "top_logprobs[].")}
    for name, schema in schemas().items():
        layer, _, kind = name.partition("/")
        if layer != "report":
            found |= {f"{kind} {path}" for path in properties(schema)}
    return found


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m ernie_conformance.programs.traceability"
    assert main(["--check"]) == 0


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_of_the_tutorial_is_traced(section: str) -> None:
    assert any(place.startswith(section) for place in places(TUTORIAL))


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_of_the_tutorial_is_traced(name: str) -> None:
    assert f"4.3, {name}" in places(TUTORIAL)


def test_every_property_of_a_schema_is_traced() -> None:
    assert sorted(of_answers() - set(places(OPENAI))) == []


def test_every_field_of_a_request_is_traced() -> None:
    fields = {*request.CompletionCreateParamsBase.__annotations__, "stream"}
    assert sorted(field for field in fields if f"request {field}" not in places(OPENAI)) == []


def test_every_deviation_of_fastdeploy_is_traced_once() -> None:
    assert sorted(places(FASTDEPLOY)) == sorted([*DEVIATIONS, "26a"])


@pytest.mark.parametrize("source", [TUTORIAL, OPENAI, FASTDEPLOY], ids=lambda source: source.title)
def test_nothing_is_said_twice(source: Any) -> None:
    said = [(demand["at"], demand["says"]) for demand in source.demands]
    assert len(set(said)) == len(said)


def test_what_the_tutorial_asks_for_is_not_among_the_rest() -> None:
    rest = beyond([TUTORIAL])
    assert rest
    assert [row.id for row in rest if row.layer == "tutorial"] == []


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("", "needs rows"),
        ('rows = ["GPU-001"]\nuntestable = "y"', "needs rows"),
        ('untestable = "y"\noutside = "z"', "needs rows"),
        ('rows = ["GPU-999"]', "GPU-999, which no file"),
        ('row = ["GPU-001"]', "has the key row"),
    ],
)
def test_a_demand_that_leads_nowhere_is_refused(entry: str, complaint: str, tmp_path: Path) -> None:
    head = "\n".join(f'{key} = "x"' for key in ("title", "about", "place", "says"))
    (tmp_path / "t.toml").write_text(f'{head}\n[[demand]]\nat = "1"\nsays = "x"\n{entry}\n')
    with pytest.raises(UsageError, match=complaint):
        read(tmp_path / "t.toml")


def test_a_stale_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ernie_conformance.programs.traceability.PAGE", tmp_path / "page.md")
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_every_table_is_read() -> None:
    assert len(list(TABLES.glob("*.toml"))) == len(sources())
