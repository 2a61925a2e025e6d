"""Changing JSON objects by path: "choices.*.delta.content"; `*` is every item of a list, `a|b` either key of an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Change = Callable[[dict[str, Any]], None]

GONE = object()


def _keys(node: Any, step: str) -> list[Any]:
    if isinstance(node, list):
        if step == "*":
            return list(reversed(range(len(node))))  # so that items can be removed on the way
        return [int(step)] if step.isdigit() and int(step) < len(node) else []
    return [key for key in step.split("|") if key in node] if isinstance(node, dict) else []


def _walk(node: Any, steps: list[str], visit: Callable[[Any, Any], None]) -> None:
    for key in _keys(node, steps[0]):
        if len(steps) == 1:
            visit(node, key)
        else:
            _walk(node[key], steps[1:], visit)


def change(path: str, fn: Callable[[Any], Any]) -> Change:
    """Replace each value at `path` by fn(value); GONE removes it. What isn't there stays absent."""

    def visit(node: Any, key: Any) -> None:
        value = fn(node[key])
        if value is GONE:
            del node[key]
        else:
            node[key] = value

    return lambda data: _walk(data, path.split("."), visit)


def drop(path: str) -> Change:
    """Remove each value at `path`."""
    return change(path, lambda _: GONE)


def put(path: str, value: Any) -> Change:
    """Set the key at the end of `path` in every object before it, there or not. `value` is shared: give a plain one."""
    *steps, last = path.split(".")

    def visit(node: Any, key: Any) -> None:
        if isinstance(node[key], dict):
            node[key][last] = value

    def edit(data: dict[str, Any]) -> None:
        if steps:
            _walk(data, steps, visit)
        else:
            data[last] = value

    return edit


def rename(path: str, name: str) -> Change:
    """Give the key at the end of `path` another name, at the same place in its object."""

    def visit(node: Any, key: Any) -> None:
        if isinstance(node, dict):
            items = [(name if k == key else k, v) for k, v in node.items()]
            node.clear()
            node.update(items)

    return lambda data: _walk(data, path.split("."), visit)


def find(data: Any, path: str) -> list[Any]:
    """Every value at `path`, in order."""
    found: list[Any] = []
    _walk(data, path.split("."), lambda node, key: found.append(node[key]))
    return found[::-1] if "*" in path else found


def text(fn: Callable[[str], str]) -> Callable[[Any], Any]:
    """`fn` for values that are text, others unchanged: for use with `change`."""
    return lambda value: fn(value) if isinstance(value, str) else value


def number(fn: Callable[[int], int]) -> Callable[[Any], Any]:
    """`fn` for values that are whole numbers, others unchanged: for use with `change`."""
    return lambda value: fn(value) if type(value) is int else value
