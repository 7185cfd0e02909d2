"""What the text of an alive run took away, in the journal: so that whoever looks knows that nothing is sent.

In: a journal, and what is taken away now. Out: an entry of the stream `withdrawn` where it differs from the last one. The permits
of the run stop the orders; this only tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import wire
from .ports import Journal, JournalView, LogEntry
from .record import unused_key

STREAM = "withdrawn"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """`mode`: the lesser mode that the text asks for, and nothing is sent under it, "" = none. `worlds` may not trade real money any
    more."""

    mode: str = ""
    worlds: tuple[str, ...] = ()


def last_withdrawal(journal: JournalView) -> Withdrawal:
    """What the text took away, and no start gave back since."""
    stored = journal.last(STREAM)
    return wire.loads(Withdrawal, stored.entry.payload) if stored else Withdrawal()


def note_withdrawal(journal: Journal, withdrawal: Withdrawal, epoch: int) -> None:
    """Store what is taken away after the tick at `epoch`, unless the journal says so already."""
    if last_withdrawal(journal) != withdrawal:
        key = unused_key(journal, STREAM, str(epoch))
        journal.append([LogEntry(STREAM, key, epoch, wire.dump(withdrawal))])
