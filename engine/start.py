"""Starting and changing worlds: warm-up, recovery from the journal, and the swap to an edited program between two ticks.

In: programs, edges, the calendar, and the journal of an earlier run if there is one. Out: running worlds and where the run
stands. A restart equals an uninterrupted run to the bit; an edit keeps the state of every node that did not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qmtl.dsl.program import Program

from . import state as states
from .calendar import SessionCalendar, warmup_start
from .columns import columns_of
from .continuity import (
    busy,
    check_account,
    check_feed,
    check_identity,
    check_mode,
    check_new_account,
    check_worlds,
)
from .errors import StateError
from .frame import Frame, build_frame
from .killswitch import resume
from .observe import Observer
from .ports import Broker, Journal
from .prices import lifted as believed_again
from .record import (
    AccountIdentity,
    FeedIdentity,
    LastTick,
    account_entry,
    feed_entry,
    last_account,
    last_feed,
    last_programs,
    last_tick,
    program_entry,
    read_macros,
    read_replies,
    read_rows,
    released_since,
    resumed_since,
    ticked_program,
)
from .runtime import Edges, Progress, RunningWorld, Runtime, feed_all
from .shadow import recounted
from .snapshot import Saved, load
from .state import DecideState
from .storedbook import read_book

#: positions, orders, stops, loss limits and kills are not in a snapshot: they stand with every tick
_ANEW = (
    "warning: no snapshot of the indicators can be read ({}): they are warmed up anew from the feed, and may differ in their last "
    "digits from those of a run that went on; nothing is sent before the account was compared with the journal"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What every start needs: edges, the exchange calendar, the feed's delay and the tick interval in seconds, and how a
    program becomes bytes and comes back; the kind of broker."""

    edges: Edges
    calendar: SessionCalendar
    delay: int
    interval: int
    mode: str
    encode: Callable[[Program], bytes]
    decode: Callable[[bytes], Program]
    broker: str = "paper"

    @property
    def account(self) -> AccountIdentity:
        """Which account this is."""
        return AccountIdentity(self.broker, self.edges.broker.account_id)


def begin(setting: Setting, programs: Sequence[Program], start: int) -> tuple[list[RunningWorld], Progress]:
    """Running worlds and progress: continued when the journal holds ticks, else warmed up from the feed until `start`
    (epoch seconds; the first tick comes after it). StateError when journal, account, feed and worlds do not agree."""
    journal = setting.edges.journal
    ran = last_programs(journal, setting.decode)
    stored = {name: tick for name in ran if (tick := last_tick(journal, name)) is not None}
    check_feed(last_feed(journal), setting.edges.feed, setting.interval)
    check_identity(last_account(journal), setting.account)
    if not stored:
        if setting.mode != "dry":
            check_new_account(setting.edges.broker)
        worlds = [_warm(setting, program, start) for program in programs]
        return worlds, Progress(start, remarks=_found(setting.edges.broker, programs))
    return _resume(setting, programs, ran, stored)


def _found(broker: Broker, programs: Sequence[Program]) -> tuple[str, ...]:
    """What a journal without a tick finds on the account in the symbols of its worlds: nobody's position to it, with nobody's stops."""
    universe = {symbol for program in programs for symbol in program.settings.universe}
    there = sorted(position.symbol for position in broker.positions() if position.symbol in universe and position.qty)
    if not there:
        return ()
    told = (
        f"warning: the account holds {', '.join(there)}, which this journal did not buy: external, without stops or exits, and nothing"
        " is opened there; if a run of before bought it, start with that run's folder (`out`)"
    )
    return (told,)


def note(runtime: Runtime, setting: Setting) -> None:
    """Make what runs from here on durable: a snapshot first, then programs and feed columns in the journal if they
    are not its last ones already."""
    journal, epoch = setting.edges.journal, runtime.progress.last
    runtime.save()
    ran = {name: setting.encode(program) for name, program in last_programs(journal, setting.decode).items()}
    entries = [program_entry(journal, w.name, w.payload, epoch) for w in runtime.worlds if ran.get(w.name) != w.payload]
    feed = FeedIdentity(setting.edges.feed.symbols, setting.edges.feed.source, setting.interval)
    if last_feed(journal) != feed:
        entries.append(feed_entry(journal, feed, epoch))
    if last_account(journal) != setting.account:
        entries.append(account_entry(journal, setting.account, epoch))
    if entries:
        journal.append(entries)


def swap(setting: Setting, old: RunningWorld, program: Program, progress: Progress) -> RunningWorld:
    """The same world under a new program: new nodes are warmed from the feed, unchanged ones keep their state, decide
    state is carried over by names. The old world is left as it is, so that a failure changes nothing.

    StateError when a symbol that is held or has an order working leaves the universe."""
    frame = build_frame(program, setting.interval)
    gone = set(old.frame.names.symbols) - set(frame.names.symbols)
    lost = sorted(gone & {*states.orphans(old.state, old.frame, frame), *busy(progress.book)})
    if lost:
        raise StateError(
            f"world {old.name} holds {', '.join(lost)}, or has an order working there, and the edit takes it out of its universe",
            "drop the allowlist rows first: the position is then unwound; take the symbol out when it is flat",
        )
    warmed = _warm(setting, program, progress.last)
    warmed.observer.adopt(old.observer)
    warmed.state = recounted(states.remap(old.state, old.frame, warmed.frame), old.frame.program, program)
    warmed.base = old.base
    return warmed


def _warm(setting: Setting, program: Program, until: int) -> RunningWorld:
    world = _blank(setting, program, setting.edges.feed.symbols)
    since = warmup_start(setting.calendar, until, program.warmup)
    # daily series reach further back than bars do: all of them that are known count
    macros = list(setting.edges.macro.rows(0, until))
    feed_all(world.observer, macros, [world.columns.row(row) for row in setting.edges.feed.rows(since, until)])
    return world


def _blank(setting: Setting, program: Program, symbols: tuple[str, ...]) -> RunningWorld:
    frame = build_frame(program, setting.interval)
    observer = Observer(program, setting.calendar, setting.delay)
    columns = columns_of(program.settings.universe, symbols)
    return RunningWorld(frame, observer, columns, states.initial(frame), setting.encode(program))


def _resume(
    setting: Setting, programs: Sequence[Program], ran: dict[str, Program], stored: dict[str, LastTick]
) -> tuple[list[RunningWorld], Progress]:
    journal = setting.edges.journal
    head = max((tick.header for tick in stored.values()), key=lambda header: header.now)
    book = read_book(journal, head.book)
    check_mode(head.mode, setting.mode)
    replies = read_replies(journal, head.now)
    check_account(setting.edges.broker, book, head, replies)
    check_worlds(programs, stored, book)
    sent = head.mode != "dry" and bool(head.orders or head.cancels)
    wanted = {program.settings.world: program for program in programs}
    restored, remarks = _restore(setting, wanted, {name: ran[name].program_id for name in stored}, head.now)
    _remember(setting, restored, stored, head.now)
    alive = {t.order.client_order_id for t in book.orders}
    cancels = tuple(name for name in head.cancels if name in alive) if sent else ()
    progress = Progress(
        head.now, head.number, book, replies, journaled=True, sent=sent, remarks=remarks, cancels=cancels
    )
    return [_continued(setting, program, restored, progress) for program in programs], progress


def _continued(
    setting: Setting, program: Program, restored: dict[str, RunningWorld], progress: Progress
) -> RunningWorld:
    old = restored.get(program.settings.world)
    if old is None:
        return _warm(setting, program, progress.last)
    if old.frame.program.program_id == program.program_id:
        old.columns = columns_of(program.settings.universe, setting.edges.feed.symbols)
        return old
    return swap(setting, old, program, progress)


def _restore(
    setting: Setting, wanted: Mapping[str, Program], ran: Mapping[str, str], last: int
) -> tuple[dict[str, RunningWorld], tuple[str, ...]]:
    """Observers as of the last tick: from the newest snapshot and the bars journaled since, or warmed up anew when there is
    no snapshot that can be read; and what a person has to hear of that (R15). `ran`: world -> id of the program it ran last."""
    worlds, remarks = _from_snapshot(setting)
    for name, program in wanted.items():
        saved = worlds.get(name)
        if name not in ran or (saved is not None and saved.frame.program.program_id == ran[name]):
            continue
        # none, or one of before an edit: its universe may lack what was bought since
        worlds[name] = _warm(setting, program, last)
        if saved is not None:
            worlds[name].observer.adopt(saved.observer)
    return worlds, remarks


def _remember(setting: Setting, worlds: dict[str, RunningWorld], stored: dict[str, LastTick], last: int) -> None:
    """The state of the last tick, with what was lifted since."""
    lifted, released = resumed_since(setting.edges.journal, last), released_since(setting.edges.journal, last)
    for name, tick in stored.items():
        if (world := worlds.get(name)) is None:  # taken out, and nothing of ours is left there
            continue
        world.state, world.base = _remembered(setting, tick, world.frame), tick.base
        if name in lifted:
            world.state = resume(world.state, last)
        index = world.frame.index
        here = (index[symbol] for of, symbol in released if of == name and symbol in index)
        world.state = believed_again(world.state, here)


def _remembered(setting: Setting, tick: LastTick, frame: Frame) -> DecideState:
    """The state after a tick for the program that was about to run: an edit may have come into force and not have ticked."""
    if tick.header.program_id == frame.program.program_id:
        return tick.state
    ticked = ticked_program(setting.edges.journal, tick.header, setting.decode)
    return recounted(states.remap(tick.state, build_frame(ticked, setting.interval), frame), ticked, frame.program)


def _from_snapshot(setting: Setting) -> tuple[dict[str, RunningWorld], tuple[str, ...]]:
    journal, worlds = setting.edges.journal, dict[str, RunningWorld]()
    found = journal.load_snapshot()
    if found is None:
        return {}, (_ANEW.format("there is none whose checksum holds"),)
    try:
        saved = load(found[1])
        if _other_columns(journal, saved):
            return {}, (_ANEW.format("the one whose checksum holds is of before an edit of the universe"),)
        for one in saved.worlds:
            world = _blank(setting, setting.decode(one.program), saved.symbols)
            world.observer.restore(one.observer)
            worlds[one.world] = world
    except StateError as error:
        return {}, (_ANEW.format(error),)
    _catch_up(journal, worlds, saved.epoch)
    return worlds, ()


def _other_columns(journal: Journal, saved: Saved) -> bool:
    """Whether bars were journaled since the snapshot that have other columns."""
    feed = last_feed(journal)
    other = feed is not None and feed.symbols != saved.symbols
    return other and next(journal.read("bars", saved.epoch), None) is not None


def _catch_up(journal: Journal, worlds: dict[str, RunningWorld], epoch: int) -> None:
    macros, rows = list(read_macros(journal, epoch)), list(read_rows(journal, epoch))
    for world in worlds.values():
        feed_all(world.observer, macros, [world.columns.row(row) for row in rows])
