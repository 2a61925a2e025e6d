"""A valid instance for a JSON Schema, made from what the prompt holds. Raises Refused for a schema it can't serve."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ernie_conformance.reference import fields
from ernie_conformance.reference.errors import Refused
from ernie_conformance.reference.extract import findings, subjects

Schema = Mapping[str, Any]
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_REFUSED = ("not", "if", "patternProperties", "propertyNames", "contains", "dependentSchemas", "dependentRequired")
_FORMATS = {
    "date": "2025-07-05", "date-time": "2025-07-05T18:31:56Z", "time": "18:31:56Z", "email": "reader@example.com",
    "uri": "https://example.com/",
    "uuid": "6f1c2f2e-9a51-4c1a-8a0e-3f6f0a3f5b11", "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1", "hostname": "example.com",
}  # fmt: skip
_DEEPEST = 40  # a schema that needs more levels than this never ends
_SHALLOW = 5  # below, only what must be there is written
_WORD = "text"


class Source:
    """What the prompt offers: strings and numbers, each used once before any is used again, the latest text first."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.text = "\n".join(texts)
        found = [one for text in reversed(texts) for one in findings(text)]
        named = [one.value for one in found if one.kind != "number"] or [name for text in texts for name in subjects(text)]
        self._strings = named or [self.text.strip()[:40] or _WORD]
        self._numbers = [value for one in found if one.kind == "number" and (value := _number(one.text)) is not None] or [1]
        self._taken: list[str] = []
        self._counted = 0

    def string(self, fits: re.Pattern[str] | None = None) -> str | None:
        """A string of the prompt that fits a pattern, one not yet used if there is one."""
        fitting = [one for one in self._strings if fits is None or fits.search(one)]
        if not fitting:
            return None
        chosen = min(fitting, key=self._taken.count)
        self._taken.append(chosen)
        return chosen

    def number(self) -> float:
        self._counted += 1
        return self._numbers[(self._counted - 1) % len(self._numbers)]


def instance(schema: Schema | bool, source: Source, where: str) -> Any:
    """A value that the schema allows. `where` names the schema's field in a refusal."""
    if schema is True:
        return {}
    try:
        return _Maker(fields.mapping(schema, where), source, where).make(schema, 0)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError, RecursionError) as error:
        # keywords of the wrong type; to check each of them first would be a metaschema of our own
        raise Refused(f"The schema in '{where}' is not valid: {error}.", where) from None


class _Maker:
    def __init__(self, root: Schema, source: Source, where: str) -> None:
        self._root, self._source, self._where = root, source, where

    def make(self, schema: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise self._refuse("needs endless nesting")
        if schema is True:
            return self._string({})
        if not isinstance(schema, dict):
            raise self._refuse("holds something that is no schema")
        schema = self._flat(schema, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._enum(schema["enum"])
        kind = self._kind(schema)
        makers = {"object": self._object, "array": self._array}
        if kind in makers:
            return makers[kind](schema, depth)
        plain = {"string": self._string, "number": self._number, "integer": self._integer}
        return plain[kind](schema) if kind in plain else (True if kind == "boolean" else None)

    def _flat(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """The schema without references and alternatives."""
        for _ in range(_DEEPEST):
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._resolve(schema["$ref"]), **rest}
            elif "allOf" in schema:
                schema = self._merged(schema)
            elif "anyOf" in schema or "oneOf" in schema:
                key = "anyOf" if "anyOf" in schema else "oneOf"
                rest = {name: value for name, value in schema.items() if name != key}
                schema = {**rest, **self._alternative(schema[key], depth)}
            else:
                break
        else:
            raise self._refuse("refers to itself for ever")
        unsupported = [name for name in _REFUSED if name in schema]
        if unsupported:
            raise self._refuse(f"uses '{unsupported[0]}', which is not supported")
        return schema

    def _alternative(self, options: Any, depth: int) -> dict[str, Any]:
        """The first alternative; deep down the one that is no object or array, so that recursion ends."""
        if not isinstance(options, list) or not options or not all(isinstance(one, dict) for one in options):
            raise self._refuse("has alternatives that are no schemas")
        plain = [one for one in options if "$ref" not in one and one.get("type") not in ("object", "array")]
        return dict(plain[0]) if plain and depth >= _SHALLOW else dict(options[0])

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"] if isinstance(schema["allOf"], list) else ():
            part = self._flat(part, 0)
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged = {**merged, **part, **({"properties": properties, "required": required} if properties else {})}
        return merged

    def _resolve(self, reference: Any) -> dict[str, Any]:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise self._refuse("refers to something outside itself")
        found: Any = self._root
        for step in reference.lstrip("#/").split("/") if len(reference) > 1 else ():
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise self._refuse(f"has no {reference[:80]}")
        return found

    def _kind(self, schema: Schema) -> str:
        given = schema.get("type")
        kinds = given if isinstance(given, list) else [given]
        if any(kind not in _TYPES for kind in kinds if kind is not None) or not kinds:
            raise self._refuse(f"has the unknown type {str(given)[:40]!r}")
        if kinds[0] is not None:
            return str(kinds[0])
        if "properties" in schema or "required" in schema:
            return "object"
        return "array" if "items" in schema else "string"

    def _enum(self, values: Any) -> Any:
        """The value that the prompt mentions, else the first."""
        if not isinstance(values, list) or not values:
            raise self._refuse("has an empty enum")
        return next((one for one in values if isinstance(one, str) and one and one in self._source.text), values[0])

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = fields.mapping(schema.get("properties", {}), f"{self._where}.properties")
        required = fields.list_of(fields.text)(schema.get("required", []), f"{self._where}.required")
        wanted = dict.fromkeys([*(properties if depth < _SHALLOW else ()), *required])
        return {name: self.make(properties.get(name, True), depth + 1) for name in wanted}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        size = min(max(least, len(first), 2 if depth < _SHALLOW else 0), most)
        if size < least or size > 1000:
            raise self._refuse("asks for an impossible number of items")
        rest = schema.get("items", True)
        made: list[Any] = []
        for index in range(int(size)):
            value = self.make(first[index] if index < len(first) else rest, depth + 1)
            if schema.get("uniqueItems") and value in made:
                if len(made) >= least:
                    break
                value = self._other(rest, made)
            made.append(value)
        return made

    def _other(self, schema: Any, made: list[Any]) -> Any:
        """A value that isn't among `made`: another of the enum, or a plain one changed a little."""
        flat = self._flat(schema, 0) if isinstance(schema, dict) else {}
        base = made[-1]
        near: list[Any] = (
            [f"{base}{n}" if isinstance(base, str) else base + n for n in range(1, 1001)] if _plain(base) else []
        )
        fresh = [one for one in flat.get("enum", near) if one not in made and one <= flat.get("maximum", one)]
        if not fresh:
            raise self._refuse("asks for more different items than there are")
        return fresh[0]

    def _string(self, schema: Schema) -> str:
        if schema.get("format") in _FORMATS:
            return str(_FORMATS[schema["format"]])
        pattern = self._pattern(schema["pattern"]) if "pattern" in schema else None
        found = self._source.string(pattern)
        if found is None:
            raise self._refuse("has a pattern that nothing in the prompt fits")
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if least > 100_000:
            raise self._refuse("asks for an endless string")
        fitted = (found + " " + _WORD * (least // len(_WORD) + 1))[: max(least, len(found))][:most]
        if pattern and not pattern.search(fitted):
            raise self._refuse("has a pattern and a length that don't go together here")
        return str(fitted)

    def _pattern(self, pattern: Any) -> re.Pattern[str]:
        try:
            return re.compile(fields.text(pattern, f"{self._where}.pattern"))
        except re.error:
            raise self._refuse("has a pattern that is no regular expression") from None

    def _number(self, schema: Schema) -> float:
        low, high = self._bounds(schema, 1e-6)
        step = schema.get("multipleOf")
        value = min(max(self._source.number(), low), high)
        return math.ceil(value / step) * step if step else value

    def _integer(self, schema: Schema) -> int:
        low, high = self._bounds(schema, 1)
        step = schema.get("multipleOf") or 1
        low, high = (
            (math.ceil(low / step) if low > -math.inf else low),
            (math.floor(high / step) if high < math.inf else high),
        )
        if low > high:
            raise self._refuse("asks for a number in an empty range")
        number = self._source.number()
        if type(number) is int and type(step) is int:  # as it is: a double would round what is longer than 53 bits
            return int(min(max(number // step, low), high)) * step
        return int(min(max(round(number / step), low), high) * step)

    def _bounds(self, schema: Schema, open_by: float) -> tuple[float, float]:
        check = fields.number()
        given = {name: check(schema[name], f"{self._where}.{name}") for name in _LIMITS if name in schema}
        low = max(given.get("minimum", -math.inf), given.get("exclusiveMinimum", -math.inf) + open_by)
        high = min(given.get("maximum", math.inf), given.get("exclusiveMaximum", math.inf) - open_by)
        if low > high:
            raise self._refuse("asks for a number in an empty range")
        return low, high

    def _refuse(self, why: str) -> Refused:
        return Refused(f"The schema in '{self._where}' {why}.", self._where)


_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _number(text: str) -> float | None:
    """A number as written in a prompt; None for dates, times and the like."""
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None
