"""The breadth rule on the 60 recorded symbols: "gross .52 / .38 / .23 for exposure .90 / .65 / .40, no empty hours".

The set-up that gives these numbers is the published caps (15 % a symbol, 20 % a sector, 60 % in all, 3 % a name at least), one
chain that always holds, and a strategy that always has a signal of full size for every symbol, so that 60 names want 15 %
each. 18, 13 and 8 names of 3 % fit then, which is .54 / .39 / .24; what is missing to that are names that turned or were
stopped and wait for their side. From June to November 2025, warmed up, it is .525 / .383 / .235 with sectors and
.520 / .380 / .234 without; in the six weeks that are run here .523 / .380 / .234.

The shipped atr_ratchet gives .50 / .37 / .23: it also leaves by stops and takes, may not come back to the side it left, and
where its size is small (below 20 % of 15 %) it is no member at all. Its exits go out with the first bar of a session, entries
only after `open_delay`; after a gap overnight little may be held in between, for one bar. Hence hours, and not bars.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Program
from qmtl.engine.adapters.files import FilesBars
from qmtl.engine.adapters.vixfile import VixFile
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.run import run
from qmtl.engine.calendar import SessionCalendar

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
HOURS = SessionCalendar("XNYS", "2024-01-02", "2025-12-31")
EXPOSURES = (0.90, 0.65, 0.40)
#: of the specification
SPECIFIED = (0.52, 0.38, 0.23)
MOST, LEAST = 0.60, 0.03
#: half a name of the smallest book, of 8 names: books hold whole names, and one that turned waits for its side
TOLERANCE = 0.5 / 8

ALWAYS = """\
strategy always {
  doc   "A signal for every symbol at every bar: which side two averages say."
  style trend
  long  when ema(close, 20) > ema(close, 60)
  short when ema(close, 20) < ema(close, 60)
  size  100%
}
"""
WORLD = """\
version: 1
world: sixty
calendar: XNYS
universe: [{symbols}]
bars: [15m, 60m]
sectors: {{{sectors}}}
regime: {{source: heuristic, heuristic: us_heuristic}}
chains:
  - {{name: only, otherwise: true, strategies: [{strategy}], exposure: {exposure:.0%}}}
allowlist: all
churn_guard: {{min_target: 3%, deadband: 2%, side_cooldown: 60m, min_hold: 60m}}
risk: {{daily_loss: -20%, weekly_loss: -40%, max_symbol: 15%, max_sector: 20%, max_total: 60%, position_stop: 5%}}
orders: {{min_delta: 0.5%, open_delay: 15m, close_buffer: 5m}}
exchange: alpaca_us_equity
"""

pytestmark = pytest.mark.skipif(
    not (DATA / "us_15m").is_dir() or not (DATA / "sectors").is_dir(),
    reason="recorded bars are not at hand: ../shared/data/us_15m or ../shared/data/sectors is missing",
)


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """What was held at the decision ticks [T] after the first: gross, names, hour of the session, session."""

    gross: np.ndarray
    names: np.ndarray
    hour: np.ndarray
    session: np.ndarray

    def of_hours(self) -> np.ndarray:
        """Mean gross of each hour of each session."""
        _, group = np.unique(self.session * 24 + self.hour, return_inverse=True)
        return np.bincount(group, weights=self.gross) / np.bincount(group)


def recorded() -> tuple[str, ...]:
    """The 60 symbols."""
    return tuple(sorted(path.name.removesuffix(".csv.gz") for path in (DATA / "us_15m").glob("*.csv.gz")))


def compiled(folder: Path, strategy: str, exposure: float) -> Program:
    """The world with one chain that always holds. Funds have no sector."""
    symbols = recorded()
    with (DATA / "sectors" / "sp500_constituents.csv").open(encoding="utf-8", newline="") as file:
        known = {row["Symbol"]: row["GICS Sector"].lower().replace(" ", "_") for row in csv.DictReader(file)}
    text = WORLD.format(
        symbols=", ".join(symbols),
        sectors=", ".join(f"{symbol}: {known[symbol]}" for symbol in symbols if symbol in known),
        strategy=strategy,
        exposure=exposure,
    )
    (folder / "strategies").mkdir(parents=True, exist_ok=True)
    (folder / "strategies" / "always.qmtl").write_text(ALWAYS, encoding="utf-8")
    venue = (ROOT / "worlds" / "exchanges" / "alpaca_us_equity.yaml").read_text(encoding="utf-8")
    (folder / "alpaca_us_equity.yaml").write_text(venue, encoding="utf-8")
    (folder / "sixty.yaml").write_text(text, encoding="utf-8")
    found = compile_world(folder / "sixty.yaml")
    assert found.program is not None, [d.message for d in found.diagnostics]
    return found.program


Books = Callable[[str], dict[float, Book]]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """The books of a strategy under each exposure, over six weeks with a clock change and a half day."""
    feed = FilesBars(DATA / "us_15m", recorded(), HOURS)
    macro = VixFile(DATA / "vix" / "vix_daily_cboe.csv")
    plan, known = Plan("sixty", "2025-10-20", "2025-11-28"), {}

    def of(strategy: str) -> dict[float, Book]:
        if strategy not in known:
            known[strategy] = {exposure: book(strategy, exposure) for exposure in EXPOSURES}
        return known[strategy]

    def book(strategy: str, exposure: float) -> Book:
        folder = tmp_path_factory.mktemp("sixty")
        result = run([compiled(folder, strategy, exposure)], (feed, macro), HOURS, plan)
        steps, (world,) = result.steps, result.worlds
        assert not world.kill.any()
        bar = np.arange(len(steps.at)) - np.searchsorted(steps.session, steps.session)
        some = slice(1, None)  # the first decision opens the book
        return Book(world.gross[some], world.names[some], bar[some] // 4, steps.session[some])

    return of


def test_gross_is_that_of_the_specification(books: Books) -> None:
    """To the last digit that it gives; and the book is full but for those who wait."""
    found = books("always")
    assert [round(float(book.gross.mean()), 2) for book in found.values()] == list(SPECIFIED)
    for exposure, book in found.items():
        full = MOST * exposure / LEAST
        assert full * (1 - 2 * TOLERANCE) < book.names.mean() < full + 0.5


@pytest.mark.parametrize("strategy", ["always", "atr_ratchet"])
def test_gross_is_proportional_to_exposure(books: Books, strategy: str) -> None:
    found = books(strategy)
    most = found[EXPOSURES[0]].gross.mean()
    for exposure in EXPOSURES[1:]:
        ratio = found[exposure].gross.mean() / most
        assert ratio == pytest.approx(exposure / EXPOSURES[0], rel=TOLERANCE), f"{exposure} gives {ratio:.3f}"


@pytest.mark.parametrize("strategy", ["always", "atr_ratchet"])
def test_there_is_no_empty_hour(books: Books, strategy: str) -> None:
    """More than that: in no hour the book is less than half of what fits, and at no decision it is empty."""
    for exposure, book in books(strategy).items():
        assert book.names.min() > 0
        assert book.of_hours().min() > 0.5 * MOST * exposure


@pytest.mark.parametrize("strategy", ["always", "atr_ratchet"])
def test_the_smaller_exposure_never_has_the_larger_book(books: Books, strategy: str) -> None:
    """Hour by hour. (Bar by bar two books of different names may cross: after a gap one loses more of them.)"""
    large, middle, small = (book.of_hours() for book in books(strategy).values())
    assert (middle < large).all()
    assert (small < middle).all()
