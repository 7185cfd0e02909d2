"""`qmtl run`: compile the deployment, open its edges, tick until the end, a limit, or a signal.

Stopping with Ctrl-C or SIGTERM ends after the current tick with everything stored; starting again continues there.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from qmtl.dsl.compile import compile_deployment
from qmtl.dsl.diagnostics import has_errors
from qmtl.dsl.model import Deployment
from qmtl.dsl.program import Program
from qmtl.dsl.report.text import render_text
from qmtl.engine.alerts import DAY, HOUR, Reminders, alerts_of
from qmtl.engine.errors import JournalError, LockedError, QmtlError
from qmtl.engine.projections import Projections
from qmtl.engine.runtime import Runtime, TickReport
from qmtl.engine.start import begin, note
from qmtl.engine.tick import Tick
from qmtl.engine.ticks import ReplayTimes, TickTimes, WallTimes, grid
from qmtl.engine.views import chain_counts, events_of, not_active, shadow_text, state_of, summary_of
from qmtl.engine.withdrawal import Withdrawal, note_withdrawal

from .colour import coloured
from .crash import LastWords
from .edits import NOTHING, check_edit, given_back_by_a_start, raised, restricted, troubles, withdrawn
from .exits import EXIT_DATA, leave
from .fresh import move_aside
from .live import Display, display, stamp
from .permits import permit_of, settings_of
from .reload import setting_of, swap_all
from .watch import Watch
from .wiring import JOURNAL, Asked, Opened, effective, given, left_out, open_all


@click.command()
@click.option(
    "--config", "config", type=click.Path(path_type=Path), required=True, help="Deployment file (YAML or .qmtl)."
)
@click.option("--once", is_flag=True, help="One tick, then stop.")
@click.option("--ticks", type=click.IntRange(min=1), help="Stop after this many ticks.")
@click.option("--dry", is_flag=True, help="Decide and journal, send nothing.")
@click.option("--fresh", is_flag=True, help="Start anew: what the out folder holds is moved aside, never deleted.")
@click.option("--quiet", is_flag=True, help="Print only messages and the summary.")
@click.option(
    "--acknowledge-live",
    "acknowledged",
    default="",
    metavar="ACCOUNT",
    help="The account whose real money may be traded.",
)
@click.option("--bars", default="", help="Files feed: folder of bars.")
@click.option("--vix", default="", help="Files feed: file of daily VIX values.")
@click.option("--start", default="", metavar="DAY", help="First exchange day of a replay (YYYY-MM-DD).")
@click.option("--end", default="", metavar="DAY", help="Last exchange day of a replay.")
@click.option("--out", default="", help="Folder of journal, state and logs.")
def run(
    config: Path, once: bool, ticks: int | None, dry: bool, fresh: bool, quiet: bool, acknowledged: str, **flags: str
) -> None:
    """Tick the worlds of a deployment."""
    paths = given(flags["bars"], flags["vix"], flags["out"])
    compiled = compile_deployment(config, paths)
    if compiled.diagnostics:
        click.echo(render_text(compiled.diagnostics, color=coloured(sys.stderr)), err=True)
    if compiled.deployment is None or has_errors(compiled.diagnostics):
        sys.exit(EXIT_DATA)
    try:
        home = config.absolute().parent
        deployment = effective(
            compiled.deployment,
            home,
            start=flags["start"],
            end=flags["end"],
            dry=dry,
            given_paths=bool(flags["bars"] or flags["vix"]),
        )
        if fresh:
            move_aside(Path(deployment.out))
        session = Session(deployment, Watch.on(config, compiled, paths), display(quiet=quiet), 1 if once else ticks)
        session.run(compiled.programs, Asked(acknowledged))
    except QmtlError as error:
        leave(error)


@dataclass(slots=True)
class Tally:
    """What the summary at the end tells."""

    ticks: int = 0
    decisions: int = 0
    orders: int = 0
    fills: int = 0
    denied: int = 0
    chains: Counter[str] = field(default_factory=Counter)
    equity: float = float("nan")
    seconds: float = 0.0
    last: tuple[Tick, ...] = ()

    def add(self, report: TickReport) -> None:
        """Count one tick."""
        self.ticks += 1
        self.decisions += report.decision
        self.orders += len(report.netted.orders)
        self.fills += len(report.changes.fills)
        self.denied += len(report.netted.denied)
        self.seconds += report.seconds
        self.last = report.ticks
        if report.decision:
            for tick in report.ticks:
                self.chains.update(chain_counts(tick))
        if report.snapshot is not None:
            self.equity = float(report.snapshot.equity)


class Session:
    """One `qmtl run` from open edges to closed ones."""

    def __init__(self, deployment: Deployment, watch: Watch, shown: Display, limit: int | None) -> None:
        self.deployment = deployment
        self.watch = watch
        self.started = watch.compiled.deployment or deployment
        self.shown = shown
        self.limit = limit
        self.stopped = threading.Event()
        self.tally = Tally()
        self.words = LastWords(shown, Path(deployment.out) / JOURNAL, deployment.mode)
        self.reminders = Reminders(HOUR if deployment.clock.kind == "wall" else DAY)

    def run(self, programs: tuple[Program, ...], asked: Asked | None = None) -> None:
        """Tick to the end. Raises what the edges raise; what was journaled before stays."""
        with self.words, self._signals():
            opened = open_all(self.deployment, programs, asked)
            try:
                self._go(opened, programs)
            finally:
                opened.close()
        self._summary()

    def _go(self, opened: Opened, programs: tuple[Program, ...]) -> None:
        times = self._times(opened)
        runtime = self._begun(opened, programs, times)
        projections = Projections(Path(self.deployment.out), durable=self.deployment.clock.kind == "wall")
        for remark in projections.remarks:
            self.shown.say(remark)
        self.shown.start()
        try:
            self._loop(runtime, times, projections, opened)
        finally:
            self.shown.stop()
            projections.close()
        runtime.stop()

    def _begun(self, opened: Opened, programs: tuple[Program, ...], times: TickTimes) -> Runtime:
        """Worlds that are warm, where the journal left off."""
        setting, first = setting_of(self.deployment, opened), _first(times, opened, self.deployment)
        self._greet(opened, programs)
        if note_of_feed := left_out(opened.edges.feed):
            self.shown.say(note_of_feed)
        self._warn_short_history(opened, programs, first)
        worlds, progress = begin(setting, programs, first)
        permit = permit_of(opened, self.deployment, self.stopped)
        runtime = Runtime(opened.edges, worlds, settings_of(self.deployment), progress, permit)
        for remark in progress.remarks:
            self.shown.say(remark)
        note(runtime, setting)
        runtime.complete(progress.last if times.total else int(opened.asked.wall()))
        return runtime

    def _greet(self, opened: Opened, programs: tuple[Program, ...]) -> None:
        """Say whose account this is, and what it is about to do."""
        if opened.lines is None:
            return
        account, mode = opened.broker.account_id, self.deployment.mode
        does = {"dry": "nothing is sent", "paper": "orders go to a paper account", "live": "orders trade REAL MONEY"}[
            mode
        ]
        self.shown.say(f"Alpaca account {account}, mode {mode}: {does}")
        if not getattr(self.deployment.feed, "vix", "") and any(rate == "1d" for p in programs for rate, _ in p.warmup):
            self.shown.say(
                "note: there is no file of daily VIX values (--vix FILE): what depends on vix.close is unknown"
            )

    def _times(self, opened: Opened) -> TickTimes:
        clock = self.deployment.clock
        if opened.asked.times is not None:
            return opened.asked.times(opened.calendar, self.stopped)
        if clock.kind == "wall":
            return WallTimes(clock.interval, self.stopped, opened.asked.wall)
        first, last = opened.edges.feed.span()
        start = clock.start or _day(first)
        end = clock.end or _day(last)
        decisions = opened.calendar.decision_times(start, end, opened.delay, interval=clock.interval)
        known = last + opened.delay + clock.interval
        there = [int(t) for t in decisions if first < t <= known]  # before the first bar there is nothing to decide
        return ReplayTimes(there, clock.interval, self.stopped)

    def _loop(self, runtime: Runtime, times: TickTimes, projections: Projections, opened: Opened) -> None:
        while self.limit is None or self.tally.ticks < self.limit:
            now = times.after(runtime.progress.last, runtime.progress.sent)
            if now is None:
                return
            self.words.now = now
            _check_locks(opened)
            lack = self._reload(runtime, opened)
            report = runtime.tick(now)
            self.tally.add(report)
            told = troubles(opened.withdrawn, self.deployment.mode, lack)
            self._alert(replace(report, troubles=(*told, *report.troubles)), opened)
            self._project(report, projections)
            self.shown.show(report, _done(times, now), times.total)
            opened.journal.idle()

    def _alert(self, report: TickReport, opened: Opened) -> None:
        """Say what somebody has to hear, and again while it lasts: each hour, or each day of a replay."""
        for tick in report.ticks:
            for alert in alerts_of(tick, self.reminders.every, first=self.tally.ticks == 1):
                self.shown.say(f"{stamp(report.now)} world {tick.frame.program.settings.world} {alert}")
        for text in (*self.reminders.due(report.troubles, report.now), *opened.remarks()):
            self.shown.say(f"{stamp(report.now)} {text}")

    def _project(self, report: TickReport, projections: Projections) -> None:
        state = state_of(report)
        for tick in report.ticks:
            projections.tick(summary_of(report, tick, self.deployment.mode), state)
        for event in events_of(report):
            projections.event(event)
        projections.flush()

    def _reload(self, runtime: Runtime, opened: Opened) -> str:
        """Swap to edited text, or say why not; the old programs run on when anything fails. Worlds from which the text took a
        permission decide no entries: why that cannot be, "" when it is so. Whether or not, the permit stops what may not leave."""
        edited = self._edited(runtime, opened)
        taken = opened.withdrawn
        note_withdrawal(opened.journal, Withdrawal(taken.mode, tuple(sorted(taken.worlds))), runtime.progress.last)
        if edited is not None:
            try:
                changed = self._swap(runtime, opened, edited)
            except JournalError:  # the edit may be in force and not stored: nothing may follow
                raise
            except QmtlError as error:
                self._refused(error)
            else:
                self._accepted(runtime, opened, changed=changed)
                return ""
        if taken == NOTHING:
            return ""
        try:
            self._swap(runtime, opened, tuple(world.frame.program for world in runtime.worlds))
        except JournalError:
            raise
        except QmtlError as error:
            return str(error)
        return ""

    def _edited(self, runtime: Runtime, opened: Opened) -> tuple[Program, ...] | None:
        """The programs of a text that changed and may be in force; None when it did not, or may not."""
        compiled = self.watch.changed()
        if compiled is None:
            return None
        running = [world.frame.program for world in runtime.worlds]
        opened.withdrawn = withdrawn(opened.withdrawn, compiled, self.deployment.mode, running)
        if compiled.deployment is None or has_errors(compiled.diagnostics):
            text = "\n".join(filter(None, (raised(self.started, compiled), render_text(compiled.diagnostics))))
            self.shown.say(f"the edit is not in force: the former programs keep running\n{text}")
            return None
        try:
            check_edit(self.started, compiled.deployment, running, compiled.programs)
        except QmtlError as error:
            self._refused(error)
            return None
        return compiled.programs

    def _swap(self, runtime: Runtime, opened: Opened, programs: tuple[Program, ...]) -> bool:
        """One edit is one swap: what was taken away is left out of the programs before."""
        less = restricted(programs, opened.withdrawn)
        return swap_all(runtime, setting_of(self.deployment, opened), less, self.deployment, opened)

    def _refused(self, error: QmtlError) -> None:
        self.shown.say(f"the edit is not in force: {error}" + (f"\n  = help: {error.hint}" if error.hint else ""))

    def _accepted(self, runtime: Runtime, opened: Opened, *, changed: bool) -> None:
        stays = given_back_by_a_start(opened.withdrawn)
        said = (
            "the edited text is in force from the next tick on" if changed else "the text was edited" if stays else ""
        )
        if said:
            self.shown.say(f"{stamp(runtime.progress.last)} {'; '.join(filter(None, (said, stays)))}")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end after the current tick, or after the start; a second Ctrl-C at once."""
        former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def end(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of handlers
            if self.stopped.is_set() and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.stopped.set()

        for number in former:
            signal.signal(number, end)
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _warn_short_history(self, opened: Opened, programs: tuple[Program, ...], first: int) -> None:
        """Say when the feed cannot supply the warm-up: signals then appear later than the first tick."""
        begins, _ = opened.edges.feed.span()
        for program in programs:
            for rate, bars in program.warmup:
                if rate == "1d":
                    continue
                ends = opened.calendar.bar_ends(rate)
                there = int(((ends > begins) & (ends <= first)).sum())
                if there < bars:
                    self.shown.say(
                        f"warning: world {program.settings.world} needs {bars} bars of {rate} before its first full "
                        f"decision and the feed has {there}: signals that need more stay unknown until then"
                    )

    def _summary(self) -> None:
        tally, out = self.tally, self.deployment.out
        chains = ", ".join(f"{name} {count}" for name, count in tally.chains.most_common())
        state = "stopped; start again to continue" if self.stopped.is_set() else "finished"
        if not tally.ticks:
            left = "nothing left to replay; use --fresh to start anew, or another --end or --out"
            if self.deployment.clock.kind == "wall" or self.stopped.is_set():
                left = "there was no tick since its start, nothing was decided"
            self.shown.say(f"{state}: {left}")
            return
        own = "".join(f"{line}\n" for tick in tally.last for line in _told(tick))
        self.shown.say(
            f"\n{state}: {tally.ticks} ticks ({tally.decisions} decisions) in {tally.seconds:.1f} s, {tally.orders} orders,"
            f" {tally.fills} fills, {tally.denied} denied\n"
            f"equity   {tally.equity:,.2f}\n"
            f"chains   {chains or 'none'} (symbols x decisions)\n{own}"
            f"journal  {_shown(out)}/journal.db   (qmtl journal digest {_shown(out)}/journal.db)\n"
            f"logs     {_shown(out)}/live_log.csv, {_shown(out)}/live_log_events.csv, {_shown(out)}/state.json"
        )


def _check_locks(opened: Opened) -> None:
    """LockedError when somebody took a lock or its folder away: another run may have begun, and two would write one journal."""
    if lost := opened.lost_lock():
        raise LockedError(
            f"the lock {lost} was taken away while this run held it",
            "nothing was sent since; put the folder back if it was moved, see that no other run is alive, and start again",
        )


def _told(tick: Tick) -> Iterator[str]:
    """Lines of the summary that only some worlds have."""
    name = tick.frame.program.settings.world
    if state := not_active(tick):
        yield f"trading  {name}: {state}"
    if text := shadow_text(tick):
        yield f"shadow   {name}, {text}"


def _done(times: TickTimes, now: int) -> int:
    return bisect_right(times.decisions, now) if isinstance(times, ReplayTimes) else 0


def _first(times: TickTimes, opened: Opened, deployment: Deployment) -> int:
    """The moment up to which history is warm-up: the open of the first replayed session, or the last grid point."""
    if isinstance(times, ReplayTimes):
        if not times.decisions:
            raise QmtlError(
                "there is nothing to replay: no closed bars between the first and the last day",
                "check --start and --end, and the days that the feed has",
            )
        return opened.calendar.times(times.decisions[0] - 1 - opened.delay).open_at
    return grid(opened.asked.wall(), deployment.clock.interval)


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _shown(out: str) -> str:
    path = Path(out)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else out
