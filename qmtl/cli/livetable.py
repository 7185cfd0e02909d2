"""The live view of one tick: header, symbols, the last orders, a progress bar in replays.

In: what is to be shown. Out: something that rich draws as wide and high as the terminal is at that moment. Numbers are
never cut: where not all columns fit, words become shorter first, then whole columns are left out. Rows that do not fit
are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qmtl.dsl.cells import fitting, width
from qmtl.engine.runtime import TickReport
from qmtl.engine.tickview import market_phase
from qmtl.engine.views import SymbolView, chain_counts, not_active, symbol_views

COLOURS: Final = {"defensive": "red", "chop": "yellow", "trend": "green", "neutral": "cyan"}
#: rows of the table on a high terminal; held and wanted symbols come first
ROWS: Final = 26
#: rows of the table and orders below it that even a low terminal shows
_FEWEST: Final = 3
_LOW: Final = 32
_NUMBERS: Final = frozenset({"up", "down", "chop", "vol", "target", "held", "order"})
_PHASES: Final = {"outside_rth": "shut", "missing": "none", "stale": "old"}
_SHORT_NAMES: Final = {"symbol": "sym", "phase": "is", "down": "dn", "chop": "ch"}


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to lay the columns out. `short`: short words for phases and reasons; `tight`: probabilities without their
    leading zero; `words`: the widest a text may be, by column; `without`: columns that are left out."""

    gap: int = 2
    short: bool = False
    tight: bool = False
    words: Mapping[str, int] | None = None
    without: tuple[str, ...] = ()


_SMALL: Final = {"chain": 7, "strategy": 11, "why": 9}
#: from roomy to narrow: the first that fits is taken, the last one always
LAYOUTS: Final = (
    Layout(),
    Layout(1),
    Layout(1, True),
    Layout(1, True, words={"strategy": 14, "why": 14}),
    Layout(1, True, True, {"strategy": 12, "why": 12, "chain": 9}),
    Layout(1, True, True, _SMALL),
    Layout(1, True, True, _SMALL, ("phase",)),
    Layout(1, True, True, _SMALL, ("phase", "vol")),
    Layout(1, True, True, _SMALL, ("phase", "vol", "up", "down", "chop")),
    Layout(1, True, True, _SMALL, ("phase", "vol", "up", "down", "chop", "why")),
    Layout(1, True, True, _SMALL, ("phase", "vol", "up", "down", "chop", "why", "chain", "strategy")),
)


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything a person sees of one tick; `why` holds the reasons of the last decision, which a follow-up does not
    change; `total` is 0 when a run is endless."""

    report: TickReport
    heading: str
    recent: tuple[str, ...]
    why: Mapping[str, str]
    done: int
    total: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        low = console.size.height < _LOW
        parts = list(self._below(self.recent[-_FEWEST:] if low else self.recent))
        top = _header(self.report, self.heading)
        used = sum(len(console.render_lines(part, options)) for part in (top, *parts))
        room = console.size.height - used - 3  # the names of the columns, what is left out, the line of the cursor
        views = [view for tick in self.report.ticks for view in symbol_views(tick)]
        yield top
        yield symbol_table(views, self.why, options.max_width, max(min(ROWS, room), _FEWEST))
        yield from parts

    def _below(self, orders: Sequence[str]) -> Iterator[RenderableType]:
        if orders:
            yield Panel(Text("\n".join(orders)), title="last orders", title_align="left", border_style="dim")
        if self.total:
            yield Text(f"{self.done} of {self.total} decision ticks")
            yield ProgressBar(total=self.total, completed=self.done)


def _header(report: TickReport, heading: str) -> Text:
    tick = report.ticks[0]
    equity = f"{float(report.snapshot.equity):,.2f}" if report.snapshot else "unreadable"
    kind = "decision" if report.decision else "follow-up"
    worlds = ", ".join(t.frame.program.settings.world for t in report.ticks)
    chains = sum((chain_counts(t) for t in report.ticks), Counter[str]())
    parts = (heading, kind, market_phase(tick), f"equity {equity}", worlds, f"{report.seconds * 1e3:.1f} ms")
    text = Text("  ".join(parts) + "\n")
    for name, count in chains.most_common():
        text.append(f" {name} {count} ", style=f"reverse {COLOURS.get(name, 'white')}")
        text.append(" ")
    for each in report.ticks:
        if state := not_active(each):
            text.append(f" {each.frame.program.settings.world} {state} ", style="reverse bold red")
            text.append(" ")
    return text


def symbol_table(views: Sequence[SymbolView], why: Mapping[str, str], columns: int, rows: int) -> Table:
    """The symbols, held and wanted ones first, in so many columns and rows."""
    chosen = sorted(views, key=lambda v: (not v.order, not v.held, not v.target))[:rows]
    for layout in LAYOUTS:
        cells = _columns(chosen, why, layout)
        widths = {name: max(map(width, (_name(name, layout), *texts))) for name, texts in cells.items()}
        if sum(widths.values()) + layout.gap * (len(widths) - 1) <= columns:
            break
    table = Table(box=None, pad_edge=False, padding=(0, layout.gap, 0, 0), header_style="bold")
    for name, cell in widths.items():
        side = "right" if name in _NUMBERS else "left"
        table.add_column(_name(name, layout), justify=side, no_wrap=True, min_width=cell)  # type: ignore[arg-type]
    for index, view in enumerate(chosen):
        table.add_row(*(Text(texts[index], style=_style(name, view)) for name, texts in cells.items()))
    if len(views) > len(chosen):
        table.caption = f"and {len(views) - len(chosen)} more"
    return table


def _name(name: str, layout: Layout) -> str:
    return _SHORT_NAMES.get(name, name) if layout.tight else name


def _style(name: str, view: SymbolView) -> str:
    return {"chain": COLOURS.get(view.chain, ""), "order": "bold"}.get(name, "")


def _columns(views: Sequence[SymbolView], why: Mapping[str, str], layout: Layout) -> dict[str, list[str]]:
    """The texts of each column that the layout has."""
    rows = [_row(view, why.get(view.symbol, view.why), layout) for view in views]
    names = (name for name in _NAMES if name not in layout.without)
    return {name: [_cut(row[name], (layout.words or {}).get(name)) for row in rows] for name in names}


_NAMES: Final = ("symbol", "phase", "up", "down", "chop", "vol", "chain", "strategy", "target", "held", "order", "why")


def _row(view: SymbolView, why: str, layout: Layout) -> dict[str, str]:
    phase = view.status.removeprefix("freshness.")
    p = [_number(x, tight=layout.tight) for x in view.p]
    return {
        "symbol": view.symbol,
        "phase": _PHASES.get(phase, phase) if layout.short else phase,
        **dict(zip(("up", "down", "chop", "vol"), p, strict=True)),
        "chain": view.chain,
        "strategy": view.strategy,
        "target": _percent(view.target),
        "held": _percent(view.held),
        "order": _percent(view.order),
        "why": why.rpartition(".")[2] if layout.short else why,
    }


def _cut(text: str, most: int | None) -> str:
    return text if most is None or width(text) <= most else fitting(text, most - 1) + "…"


def _number(value: float, *, tight: bool) -> str:
    if math.isnan(value):
        return "-"
    text = f"{value:.2f}"
    return text if not tight else text[1:] if text.startswith("0.") else text[:3]


def _percent(value: float) -> str:
    return "" if not value or math.isnan(value) else f"{value:+.1%}"
