"""`qmtl run --fresh`: what a run's folder holds is moved aside, never deleted, unless a real account still needs it.

In: the folder. Out: a free place, or an error with the way out. A journal knows what is ours and where its stops are: a run without
it would take what is held for somebody else's and leave it without stops.
"""

from __future__ import annotations

from pathlib import Path

from qmtl.engine.errors import JournalError, StateError
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.lock import hold
from qmtl.engine.record import last_account
from qmtl.engine.standing import unfinished

from .wiring import JOURNAL

#: symbols that are named in a message
_NAMED = 5


def move_aside(out: Path) -> None:
    """Rename an out folder to the first free `out.1`, `out.2`, ...: nothing stored is lost. StateError when its journal holds
    something at a broker; LockedError when somebody runs there; JournalError when it cannot be moved."""
    if not out.exists():
        return
    # whoever runs on the folder holds its journal
    with hold(out / f"{JOURNAL}.lock", f"the journal {out / JOURNAL}"):
        _check_flat(out / JOURNAL)
        _rename(out)


def _check_flat(path: Path) -> None:
    if not path.is_file():
        return
    try:
        with JournalReader(path) as journal:
            account = last_account(journal)
            held = unfinished(journal) if account is not None and account.broker != "paper" else ()
    except (JournalError, StateError):
        return  # whoever lost the journal has no other way than a fresh one (docs/recovery.md)
    if account is None or not held:
        return
    more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    raise StateError(
        f"the journal holds positions or working orders at {account.broker}, account {account.account}: "
        f"{', '.join(held[:_NAMED])}{more}; without it nobody would watch their stops",
        "start without --fresh, it goes on there; to be rid of them `qmtl kill --flatten` while it runs, until `qmtl positions` and "
        "`qmtl orders` show nothing of ours, then --fresh",
    )


def _rename(out: Path) -> None:
    number = next(n for n in range(1, 10_000) if not out.with_name(f"{out.name}.{n}").exists())
    try:
        out.rename(out.with_name(f"{out.name}.{number}"))
    except OSError as error:
        raise JournalError(
            f"the folder {out} cannot be moved aside: {error.strerror}", "choose another with --out"
        ) from error
