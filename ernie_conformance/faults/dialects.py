"""Dialects: the deviations of a whole engine spoken by the reference, so that its waivers can be shown to be needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ernie_conformance.faults import fastdeploy, fastdeploy_later
from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.edits import chain
from ernie_conformance.faults.fault import Behaviour, Edit, Fault, Question, Response, Rewrite
from ernie_conformance.faults.visit import Visit
from ernie_conformance.tables import UsageError, read_table
from ernie_conformance.wire.exchange import Request

TABLE = Path(__file__).parent / "dialects.toml"


@dataclass(frozen=True)
class Dialect:
    """One engine version's deviations. `target` is the NAME@VERSION whose capabilities and waivers it is judged by."""

    name: str
    target: str
    faults: tuple[Fault, ...]
    accept: tuple[str, ...] = ()  # what can't be waived, as --accept-risk takes it

    def asked(self, request: Request) -> Request:
        """What the good server is asked instead."""
        for fault in self.faults:
            if isinstance(fault, Question) and fault.where(request):
                request = fault.ask(request)
        return request

    def answered(self, request: Request) -> Edit:
        """What becomes of the good server's answer to `request`."""
        return chain(*(fault.edit for fault in self.faults if isinstance(fault, Rewrite) and fault.where(request)))

    def as_fault(self) -> Behaviour:
        """All of it at once, for the injector."""
        return Behaviour(f"dialect-{self.name}", "", act=self._act)

    async def _act(self, visit: Visit) -> None:
        spoken = Spoken(visit.request, visit.base_url, visit.wire, visit.memory, visit.threads, self)
        acting = (fault.act for fault in self.faults if isinstance(fault, Behaviour) and fault.where(visit.request))
        act = next(acting, None)
        await (act(spoken) if act is not None else spoken.relay())


@dataclass
class Spoken(Visit):
    """A visit on which all that is asked and answered goes through a dialect."""

    dialect: Dialect

    async def relay(self, edit: Edit | None = None, request: Request | None = None) -> None:
        asked = request or self.request
        edits = [edit] if edit is not None else []
        await super().relay(chain(*edits, self.dialect.answered(self.request)), self.dialect.asked(asked))

    async def fetch(self, request: Request | None = None) -> Response:
        return await super().fetch(self.dialect.asked(request or self.request))

    async def send(self, response: Response) -> None:
        await super().send(self.dialect.answered(self.request)(self.request, response))


@cache
def dialects() -> Mapping[str, Dialect]:
    """Every dialect by name. Raises UsageError for one that names a fault that doesn't exist."""
    known = {**catalogue(), **{fault.id: fault for fault in (*fastdeploy.FAULTS, *fastdeploy_later.FAULTS)}}
    found = {}
    for name, table in read_table(TABLE).items():
        if unknown := [fault for fault in table["faults"] if fault not in known]:
            raise UsageError(f"{TABLE}: {name} names faults that don't exist: {', '.join(unknown)}")
        faults = tuple(known[fault] for fault in table["faults"])
        found[name] = Dialect(name, table["target"], faults, tuple(table.get("accept", ())))
    return MappingProxyType(found)


def dialect(name: str) -> Dialect:
    """The dialect `name`. Raises UsageError when there is none."""
    if name not in dialects():
        raise UsageError(f"there is no dialect {name!r}; choose one of: {', '.join(dialects())}")
    return dialects()[name]
