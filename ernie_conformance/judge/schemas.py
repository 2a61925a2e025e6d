"""JSON Schemas by layer and name: `compat/usage` is schemas/compat/usage.json. Nothing is fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry, Resource

from ernie_conformance.paths import SCHEMAS

# A count written 1.0 is an integer to JSON Schema, but breaks clients in typed languages.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
_Strict = extend(Draft202012Validator, type_checker=_TYPES)  # type: ignore[no-untyped-call]


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by `layer/name`."""
    return {
        f"{path.parent.name}/{path.stem}": json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(SCHEMAS.glob("*/*.json"))
    }


@cache
def _registry() -> Registry[Any]:
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas().values()]
    registry: Registry[Any] = Registry()
    return registry.with_resources(resources)


@cache
def validator(name: str) -> Validator:
    """The validator of `layer/name`. Raises KeyError when there is no such schema."""
    made: Validator = _Strict(schemas()[name], registry=_registry())
    return made


def breach(name: str, value: Any) -> str | None:
    """The first thing about `value` that breaks schema `layer/name`, as `path: what`; None when it conforms."""
    return _breach(name, _Outlined(_outline(value), value))


# Text whose wording no schema asks about: chunks that differ in nothing else are validated once.
FREE = {"content", "reasoning_content", "reasoning", "text", "arguments", "token", "id", "model", "message"}


@dataclass(frozen=True)
class _Outlined:
    """A value that counts as equal to every other of the same outline."""

    outline: Any
    value: Any = field(compare=False)


def _outline(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return ("object", *((name, _outline(one, name)) for name, one in value.items()))
    if isinstance(value, list):
        return ("array", *(_outline(one, key) for one in value))
    if isinstance(value, str):
        return ("text", bool(value)) if key in FREE else value
    if type(value) is int:
        return ("integer", value < 0, value > 255)  # what any bound in the schemas can tell apart
    return (type(value).__name__, value if isinstance(value, bool) else None)


@lru_cache(maxsize=4096)
def _breach(name: str, outlined: _Outlined) -> str | None:
    error: ValidationError | None = best_match(validator(name).iter_errors(outlined.value))
    if error is None:
        return None
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path).lstrip(".")
    message = error.message if len(error.message) <= 160 else error.message[:157] + "..."
    return f"{path or 'the object'}: {message}"
