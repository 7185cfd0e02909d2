"""Exceptions of the engine; mistakes in a user's text are Diagnostics instead.

QmtlError
  DataError          bars or macro values that cannot be used (file, line, why)
    SilentFeedError  a feed did not answer this time; it is asked again at the next tick
  CalendarError      a calendar that does not exist or does not cover the dates
  JournalError       storage failed or holds something unreadable
    DuplicateEntry   (stream, key) exists
    LockedError      another process runs on this journal or account
  BrokerError        a query or submission failed
  StateError         a snapshot does not fit the program
  OrderRuleError     a caller asks for an order that the venue does not take
"""

from __future__ import annotations


class QmtlError(Exception):
    """Root of what can go wrong at run time. `hint` says the way out in one sentence."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class DataError(QmtlError):
    """Bars or macro values that cannot be used."""


class SilentFeedError(DataError):
    """A feed did not answer this time. A run goes on without new bars, exits included, and asks again at the next tick."""


class CalendarError(QmtlError):
    """A calendar that does not exist or does not cover the dates."""


class JournalError(QmtlError):
    """Storage failed or holds something unreadable."""


class DuplicateEntry(JournalError):  # noqa: N818 - reads as what it is
    """The (stream, key) is already in the journal."""


class LockedError(JournalError):
    """Another process runs on this journal or account."""


class BrokerError(QmtlError):
    """A query or submission failed; what happened at the broker is not known."""


class StateError(QmtlError):
    """A snapshot does not fit the program."""


class OrderRuleError(QmtlError):
    """A caller asks for an order that the venue does not take."""
