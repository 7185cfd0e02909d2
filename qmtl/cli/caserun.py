"""Runs the cases of a suite and tells their outcomes in places of files: the wiring between cases, engine and reports.

In: a suite and its worlds under test. Out: an `Outcome` per case and the coverage of every world.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from decimal import Decimal

from qmtl.dsl.cases.check import CheckedCases
from qmtl.dsl.cases.model import Case, Wanted, WantedOrder, Weight
from qmtl.dsl.cases.report import Covered, Failure, Outcome
from qmtl.dsl.model import PaperBroker
from qmtl.dsl.tree import Map, Node, Seq
from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.cases.compare import Mismatch, mismatches
from qmtl.engine.cases.coverage import coverage
from qmtl.engine.cases.feed import CaseFeed
from qmtl.engine.cases.notes import notes
from qmtl.engine.cases.run import OpenAccount, Played, WorldUnderTest, play
from qmtl.engine.cases.start import ACCOUNT
from qmtl.engine.cases.timeline import CaseError
from qmtl.engine.cases.way import percent
from qmtl.engine.ports import BrokerSnapshot

from .casefiles import Suite


def outcomes(
    suite: Suite, ready: Mapping[str, WorldUnderTest], only: str
) -> tuple[tuple[Outcome, ...], Mapping[str, list[Played]]]:
    """Every case that matches, in order, and the ticks that were played by file of their world."""
    done: list[Outcome] = []
    played: dict[str, list[Played]] = {file: [] for file in suite.worlds}
    for one in suite.documents:
        assert one.world is not None
        file = one.document.source.name
        for case in one.cases:
            if only.casefold() in f"{file} {one.document.name} {case.name}".casefold():
                outcome, ticks = _run(one, case, ready[one.world.file])
                done.append(outcome)
                played[one.world.file] += ticks
    return tuple(done), played


def covered(
    suite: Suite, ready: Mapping[str, WorldUnderTest], played: Mapping[str, list[Played]], *, everywhere: bool = False
) -> tuple[Covered, ...]:
    """Coverage of the worlds that cases name, in order of their names; `everywhere`: also of those without a case."""
    tested = {one.world.file for one in suite.documents if one.world is not None}
    found = []
    for file, compiled in sorted(suite.worlds.items(), key=lambda pair: pair[1].name):
        if not everywhere and file not in tested:
            continue
        one = coverage(compiled.name, ready[file].computed, played[file])
        rules = tuple((rule.kind, rule.name, rule in one.seen) for rule in one.rules)
        found.append(Covered(compiled.name, file, rules))
    return tuple(found)


def _run(one: CheckedCases, case: Case, world: WorldUnderTest) -> tuple[Outcome, tuple[Played, ...]]:
    began = time.perf_counter()
    failures: tuple[Failure, ...]
    try:
        with ExitStack() as closing:
            played = play(case, world, account_for(world, closing))
    except CaseError as error:
        played, failures = (), (_impossible(one, error),)
    else:
        failures = tuple(_failure(one, mismatch) for tick in played for mismatch in mismatches(tick))
    path = f"{case.path}.name" if case.path else "name"
    seconds = time.perf_counter() - began
    said = () if failures or _without_market(one, case) else tuple(note for tick in played for note in notes(tick))
    told = tuple(dict.fromkeys(said))
    return Outcome(case.name, one.document.name, case.world, one.origins[path], failures, seconds, told), played


def _without_market(one: CheckedCases, case: Case) -> bool:
    """Whether the case says `market: {}`: then it is about series that are missing."""
    node: Node | None = one.document.tree
    if case.path:
        group = one.document.tree.get("cases")
        assert isinstance(group, Seq)
        node = group.items[int(case.path.rpartition(".")[2])]
    market = node.get("market") if isinstance(node, Map) else None
    return isinstance(market, Map) and not market.entries


def account_for(world: WorldUnderTest, closing: ExitStack) -> OpenAccount:
    """Opens paper accounts in memory for cases of a world; they are closed with the stack."""

    def open_account(feed: CaseFeed, snapshot: BrokerSnapshot) -> PaperAccount:
        settings = PaperBroker(cash=Decimal(1))
        policy = world.computed.program.settings.exchange
        account = PaperAccount(":memory:", ACCOUNT, feed, world.calendar, policy=policy, settings=settings)
        closing.callback(account.close)
        account.seed(snapshot.positions, snapshot.cash)
        return account

    return open_account


def _impossible(one: CheckedCases, error: CaseError) -> Failure:
    span = one.origins.get(error.path) or one.document.place
    return Failure(span, str(error), error.hint, ())


def _failure(one: CheckedCases, mismatch: Mismatch) -> Failure:
    about, wanted = mismatch.expectation, mismatch.expectation.wanted
    span = one.origins.get(about.path) or one.document.place
    of = f" of {about.symbol}" if about.symbol else ""
    shown = _TITLES.get(about.about, about.about)
    said = _said(wanted, "no order" if about.about == "orders" else "none")
    message = f"{shown}{of}: expected {said}, got {mismatch.came}"
    return Failure(span, message, "", mismatch.why, f"got {mismatch.came}", about.symbol, mismatch.details)


_TITLES = {
    "because": "reasons",
    "guards": "entry guards",
    "position_policy": "position policy",
    "market_phase": "market phase",
    "canceled": "canceled order",
    "denied": "denied order",
}


def _said(wanted: Wanted | WantedOrder | Weight, nothing: str = "no order") -> str:
    if isinstance(wanted, float):
        return percent(wanted)
    if isinstance(wanted, tuple):
        return ", ".join(_said(item) for item in wanted) or nothing
    if isinstance(wanted, WantedOrder):
        words = (wanted.side, f"{wanted.qty:f}" if wanted.qty is not None else "", wanted.symbol)
        return " ".join(word for word in (*words, wanted.leg, wanted.because) if word)
    return f"{wanted.strategy} {percent(wanted.share)}" if isinstance(wanted, Weight) else wanted
