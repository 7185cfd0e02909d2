"""Requests and replies as the routes see them, apart from sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from .faults import Rule
from .refusals import Refused


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `query` holds the last value of a name; `path` is decoded; header names are in small letters. `fault` is
    what shall happen to its reply, as far as the routes have to know."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    fault: Rule | None = None

    def json(self) -> Any:
        """The parsed body. Raises `Refused` when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Refused("no_body") from None

    def faulty(self, kind: str) -> bool:
        return self.fault is not None and self.fault.do == kind


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, JSON body (None = empty) and headers beyond the usual ones. `raw` stands in for a body that is no JSON;
    `how` says what the wire does with it: "" sends it."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: tuple[str, bytes] | None = None
    how: str = ""
    pace: float = 1.0

    def encoded(self) -> tuple[str, bytes]:
        """Content type and bytes."""
        if self.raw is not None:
            return self.raw
        return "application/json; charset=UTF-8", b"" if self.body is None else orjson.dumps(self.body)


def parsed(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    """A request from its first line, headers and body."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, unquote(parts.path), query, headers, body)
