"""The tree of a deployment -> `Deployment`.

In: a deployment document; paths that the command line gives instead of the text. Out: the deployment and what is wrong
with it by itself (folders that do not exist). What concerns its worlds is checked in `compile.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from .diagnostics import Diagnostic, in_order, problem
from .documents import Document
from .edgesfit import edges_fit
from .model import AlpacaBroker, AlpacaFeed, Clock, Deployment, FilesFeed, PaperBroker, SyntheticFeed
from .section import Convert, Findings, Section, flag, whole, word
from .tree import Scalar
from .units import day, duration, money, ratio

#: keys a command line may give instead of the text, as dotted paths
GIVEN: Final = ("feed.bars", "feed.vix", "out")
_FILES: Final[Mapping[str, Convert]] = {"bars": word, "rate": word, "delay": duration, "vix": word}
_SYNTHETIC: Final[Mapping[str, Convert]] = {"seed": whole, "start": day, "delay": duration}
_PAPER: Final[Mapping[str, Convert]] = {"cash": money, "fee": ratio, "slippage": ratio, "borrow": ratio}
_ALPACA: Final[Mapping[str, Convert]] = {"url": word, "timeout": duration, "requests_per_minute": whole}
_LIVE_BARS: Final[Mapping[str, Convert]] = {
    "feed": word, "adjustment": word, "delay": duration, "vix": word, "quotes": flag, "url": word,
}  # fmt: skip
_CLOCK: Final[Mapping[str, Convert]] = {
    "kind": word, "interval": duration, "start": day, "end": day, "max_skew": duration,
}  # fmt: skip


def read_deployment(document: Document, given: Mapping[str, str]) -> tuple[Deployment, tuple[Diagnostic, ...]]:
    """The meaning of a deployment document. `given` replaces the keys of `GIVEN`; its paths are not checked here."""
    found = Findings()
    root = Section(document.tree, "", found)
    clock = root.section("clock").fill(Clock(), _CLOCK)
    deployment = Deployment(
        name=document.name,
        mode=root.value("mode", word, "dry"),
        worlds=tuple(str(item.value) for item in root.words("worlds")),
        account=root.value("account", word, "paper"),
        feed=_feed(root.section("feed"), given),
        broker=_broker(root.section("broker")),
        clock=clock,
        out=given.get("out") or root.value("out", word, "out"),
        snapshot_every=root.value("snapshot_every", whole, 26),
        description=root.value("description", word, ""),
    )
    _folders(root, document, given)
    _clock_order(root, clock)
    _clock_fits(root, deployment)
    found.problems += edges_fit(root, deployment)
    return deployment, in_order(found.problems)


def _feed(section: Section, given: Mapping[str, str]) -> FilesFeed | SyntheticFeed | AlpacaFeed:
    kind = section.value("kind", word, "synthetic")
    if kind == "synthetic":
        return section.fill(SyntheticFeed(), _SYNTHETIC)
    if kind == "alpaca":
        live = section.fill(AlpacaFeed(), _LIVE_BARS)
        return replace(live, vix=given.get("feed.vix", live.vix))
    feed = section.fill(FilesFeed(""), _FILES)
    return FilesFeed(given.get("feed.bars", feed.bars), feed.rate, feed.delay, given.get("feed.vix", feed.vix))


def _broker(section: Section) -> PaperBroker | AlpacaBroker:
    if section.value("kind", word, "paper") == "alpaca":
        return section.fill(AlpacaBroker(), _ALPACA)
    rates = section.section("borrow_by_symbol")
    pairs = tuple((entry.key, rates.value(entry.key, ratio, 0.0)) for entry in rates.node)
    return replace(section.fill(PaperBroker(), _PAPER), borrow_by_symbol=pairs)


def _folders(root: Section, document: Document, given: Mapping[str, str]) -> None:
    for key in ("bars", "vix"):
        scalar = root.section("feed").scalar(key)
        if f"feed.{key}" in given or scalar is None or not isinstance(scalar.value, str) or not scalar.value:
            continue
        if not (document.folder / scalar.value).exists():
            message = f"`{scalar.value}` does not exist"
            root.found.problems.append(
                problem(
                    "Q0704", message, scalar.span, help=f"paths are relative to this file; `--{key} PATH` replaces it"
                )
            )


def _clock_order(root: Section, clock: Clock) -> None:
    end = root.section("clock").scalar("end")
    if isinstance(end, Scalar) and clock.start and clock.end and clock.end < clock.start:
        root.found.problems.append(problem("Q0705", f"the replay ends before it starts ({clock.start})", end.span))


def _clock_fits(root: Section, deployment: Deployment) -> None:
    """A wall clock has no first and last day, and files are read once: they would never bring a new bar."""
    if deployment.clock.kind != "wall":
        return
    for key in ("start", "end"):
        scalar = root.section("clock").scalar(key)
        if scalar is not None:
            root.found.problems.append(
                problem(
                    "Q0705", f"a wall clock has no `{key}`", scalar.span, help="leave it out, or write `kind: replay`"
                )
            )
    kind = root.section("feed").scalar("kind")
    if isinstance(deployment.feed, FilesFeed) and kind is not None:
        message = "files are read once: on a wall clock they never bring a new bar"
        root.found.problems.append(
            problem("Q0705", message, kind.span, help="replay them with `clock: {kind: replay}`")
        )
