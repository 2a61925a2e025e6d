"""`response_format`: an answer that is one JSON document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ernie_conformance.reference import fields
from ernie_conformance.reference.constrain import Source, instance
from ernie_conformance.reference.conversation import Conversation
from ernie_conformance.reference.extract import findings


def read(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that `response_format` demands; an empty one for json_object; None for text."""
    if body.get("response_format") is None:
        return None
    wanted = fields.mapping(body["response_format"], "response_format")
    kind = fields.one_of("text", "json_object", "json_schema")(wanted.get("type"), "response_format.type")
    if kind != "json_schema":
        return None if kind == "text" else {}
    described = fields.mapping(wanted.get("json_schema"), "response_format.json_schema")
    return fields.mapping(described.get("schema"), "response_format.json_schema.schema")


def answer(schema: Mapping[str, Any], talk: Conversation) -> str:
    """One JSON document: an instance of the schema, or without one, what was noticed."""
    texts: Sequence[str] = [turn.text for turn in talk.turns]
    if schema:
        return json.dumps(instance(schema, Source(texts), "response_format.json_schema.schema"), ensure_ascii=False)
    noticed = [one.value for text in texts for one in findings(text)][:40]
    pictures = [{"width": one.width, "height": one.height, "grid": one.grid} for one in talk.pictures]
    told = {"roles": [turn.role for turn in talk.turns], "noticed": noticed, "pictures": pictures}
    return json.dumps(told, ensure_ascii=False)
