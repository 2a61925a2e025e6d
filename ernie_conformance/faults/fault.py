"""What a fault is: a rewritten answer, a rewritten request, or bad behaviour on the socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ernie_conformance.faults.field import field_faults
from ernie_conformance.wire.exchange import Request

if TYPE_CHECKING:
    from ernie_conformance.faults.visit import Visit

LIVES = (
    "launched",  # well; what `act` does to the first requests is what is wrong
    "exits",
    "dies",
    "leaves-child",  # a process that holds a port
    "leaves-file",
    "cuts-streams",
    "ignores-int",
    "ignores-term",
)
SEVERITIES = ("critical", "high", "medium", "low")

Headers = tuple[tuple[str, str], ...]
Piece = tuple[float, bytes]


class Cut(Exception):
    """Raised while pieces are read: the connection breaks here, without a proper end."""


@dataclass(frozen=True)
class Response:
    """An answer on its way to the client. `pieces` are (seconds since the request, bytes), read once and perhaps lazily."""

    status: int
    headers: Headers
    pieces: Iterable[Piece]

    def header(self, name: str) -> str:
        """The first value of header `name`, any case; "" when there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def media_type(self) -> str:
        return self.header("content-type").split(";")[0].strip().lower()

    @property
    def is_event_stream(self) -> bool:
        return self.media_type == "text/event-stream"

    def with_header(self, name: str, *values: str) -> Response:
        """The same answer with exactly these values of header `name`: none removes it."""
        kept = tuple((key, value) for key, value in self.headers if key.lower() != name.lower())
        return replace(self, headers=(*kept, *((name, value) for value in values)))

    def with_body(self, body: bytes, at: float) -> Response:
        """The same head before another body in one piece, whose length is told where a length was told."""
        told = (str(len(body)),) if self.header("content-length") else ()
        return replace(self.with_header("content-length", *told), pieces=[(at, body)])

    def body(self) -> tuple[float, bytes]:
        """When the last byte came, and all bytes. Reads the pieces."""
        pieces = list(self.pieces)
        return (pieces[-1][0] if pieces else 0.0), b"".join(data for _, data in pieces)


Where = Callable[[Request], bool]
Edit = Callable[[Request, Response], Response]
Ask = Callable[[Request], Request]
Act = Callable[["Visit"], Awaitable[None]]


def anywhere(_: Request) -> bool:
    """Applies to every request."""
    return True


@dataclass(frozen=True)
class Fault:
    """One way to be broken. `row` must turn red because of it, with `shows` in what the red test says.

    A fault that no row owns yet has row "".
    """

    id: str
    row: str
    title: str = ""
    severity: str = ""
    area: str = ""
    evidence: tuple[str, ...] = ()
    shows: str = ""
    where: Where = anywhere
    needs: tuple[str, ...] = ()  # asks and scenarios that show it, beyond those that the row names itself
    speed: str = "full"  # of the reference behind a live fault: "gate" where the row is about pace

    @property
    def kind(self) -> str:
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Rewrite(Fault):
    """Changes answers to the requests `where` picks: status, headers, bytes. Pure, so usable on recorded evidence."""

    edit: Edit = lambda _, response: response


@dataclass(frozen=True)
class Question(Fault):
    """Changes what the server sees of the requests `where` picks. Needs a live server."""

    ask: Ask = lambda request: request


@dataclass(frozen=True)
class Behaviour(Fault):
    """Acts on the socket, with memory of what went before. Needs a live server."""

    act: Act | None = None
    life: str = ""  # how the program starts or ends: one of LIVES; it shows only in one that was launched


def _known(id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Title, severity and evidence of a field fault, else as given. Raises ValueError when there are none."""
    if found := field_faults().get(id):
        return {"title": found.title, "severity": found.severity, "evidence": found.evidence, **given}
    if not id.startswith("own-") or not given.get("title") or given.get("severity") not in SEVERITIES:
        raise ValueError(f"{id} is no field fault, so its id starts with own- and it needs a title and a severity")
    return given


def rewrite(id: str, row: str, edit: Edit, **given: Any) -> Rewrite:
    """A fault that rewrites answers. `given`: where, shows; title and severity unless it is a field fault."""
    return Rewrite(id=id, row=row, edit=edit, **_known(id, given))


def question(id: str, row: str, ask: Ask, **given: Any) -> Question:
    """A fault that rewrites requests. `given` as for `rewrite`."""
    return Question(id=id, row=row, ask=ask, **_known(id, given))


def behaviour(id: str, row: str, act: Act, **given: Any) -> Behaviour:
    """A fault that behaves badly. `given` as for `rewrite`."""
    return Behaviour(id=id, row=row, act=act, **_known(id, given))
