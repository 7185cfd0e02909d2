"""Generated worlds for `bench/validate.py`, the fuzzer and the tests: valid, varied, the same for the same seed.

In: a seed, a count, a folder. Out: `w0000.yaml` ... beside three exchange policies that they name. A world has 5 to 60
symbols, four to eight chains whose predicates differ from each other and from those of nearly all other files, parameters
by symbol, entry guards and caps, with comments and in several layouts, as people write them.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

STYLES = {
    "trend": ["roc_momentum", "atr_ratchet", "channel_breakout", "ema_cross_atr"],
    "chop": ["zscore_reversion", "bb_rsi_reversion"],
    "defensive": ["bear_probability"],
}
#: parameter -> how a valid value is drawn: in the steps in which people choose them
PARAMETERS = {
    "roc_momentum": {"fast": lambda r: r.randrange(3, 31), "slow": lambda r: r.randrange(35, 241, 5), "threshold": lambda r: f"{r.randint(0, 50) / 10:g}%"},
    "atr_ratchet": {"window": lambda r: r.randrange(5, 101, 5), "width": lambda r: r.randint(10, 60) / 10},
    "channel_breakout": {"entry": lambda r: r.randrange(50, 401, 2), "leave": lambda r: r.randrange(6, 49, 2)},
    "ema_cross_atr": {"fast": lambda r: r.randrange(5, 20), "slow": lambda r: r.randrange(20, 301, 5)},
    "zscore_reversion": {"window": lambda r: r.randrange(20, 201, 5), "enter": lambda r: r.randint(10, 40) / 10},
    "bb_rsi_reversion": {"window": lambda r: r.randrange(10, 101, 5), "oversold": lambda r: r.randint(5, 45)},
    "bear_probability": {"window": lambda r: r.randrange(40, 401, 10), "bear": lambda r: r.randint(50, 99) / 100},
}  # fmt: skip
SECTORS = ["technology", "communication", "discretionary", "financials", "energy", "health", "industrials", "staples"]
EXCHANGES = ["alpaca_us_equity", "fine_ticks", "large_lots"]
GUARDS = [
    lambda r: f"vix.close > {r.randint(180, 400) / 10:g}",
    lambda r: f"ret_{r.choice((4, 8))} < -{r.randint(20, 90) / 10:g}%",
    lambda r: f"vix_chg_5 > {r.randint(10, 60)}%",
    lambda r: f"atr_pct > {r.randint(10, 60) / 10:g}% and vol_20 > vol_60",
    lambda r: f"regime_confidence < {r.randint(10, 45) / 100:.2f} for {r.randint(2, 8)} bars",
]


def symbols(count: int = 500) -> list[str]:
    """Tickers of one to four letters, none of them a word that YAML reads as something else."""
    letters = "ABCDEFGHIJKLMNOPRSTUVWXYZ"
    return [
        a + b + c for a in letters for b in letters for c in ("", *letters) if a + b + c not in {"ON", "NO", "OFF"}
    ][:: (625 * 26) // count][:count]


def write_corpus(folder: Path, count: int, seed: int) -> list[Path]:
    """Writes the files and gives their paths, worlds and exchanges."""
    rng = Random(seed)
    (folder / "exchanges").mkdir(parents=True, exist_ok=True)
    paths = []
    for index, name in enumerate(EXCHANGES):
        path = folder / "exchanges" / f"{name}.yaml"
        path.write_text(
            f"version: 1\nexchange: {name}\nlot_size: {(1, 1, 10)[index]}\nfractional: false\ntick_size: {(0.01, 0.005, 0.01)[index]}\n"
            "min_notional: 1\nshorting: true\ntime_in_force: day\norder_type: market\n"
        )
        paths.append(path)
    pool = symbols()
    for index in range(count):
        path = folder / f"w{index:04}.yaml"
        path.write_text(world(rng, f"w{index:04}", pool))
        paths.append(path)
    return paths


def world(rng: Random, name: str, pool: list[str]) -> str:
    """The text of one valid world."""
    universe = rng.sample(pool, rng.randint(5, 60))
    kinds = [rng.choice(list(STYLES)) for _ in range(rng.randint(4, 8))]
    chains = [(kind, rng.sample(STYLES[kind], rng.randint(1, min(2, len(STYLES[kind]))))) for kind in kinds]
    used = list(dict.fromkeys(s for _, names in chains for s in names))
    conditions = _distinct(rng, kinds)
    rows = _allowed(rng, universe, used)
    parts = [
        f"# {name}: generated; {len(universe)} symbols, {len(chains)} chains",
        "version: 1",
        f"world: {name}",
        *(["description: A world of the corpus, with every part that people write."] if rng.random() < 0.5 else []),
        "calendar: XNYS",
        "",
        _list("universe", universe),
        "bars: [15m, 60m]",
        f"freshness: {{stale_15m_bars: {rng.randint(1, 4)}, stale_60m_bars: {rng.randint(1, 3)}}}",
        "",
        *_sectors(rng, universe),
        f"regime: {{source: heuristic, heuristic: us_heuristic, neutral_after: {rng.randint(2, 8)}}}",
        "",
        "# the first chain that holds wins",
        "chains:",
        *(
            line
            for index, (kind, names) in enumerate(chains)
            for line in _chain(rng, f"{kind}_{index}", conditions[index], names)
        ),
        "  - name: otherwise",
        "    otherwise: true",
        f"    strategies: [{', '.join(used[:2])}]",
        f"    exposure: {rng.randint(30, 70)}%",
        f"hysteresis: {rng.randint(2, 10) / 100}",
        "",
        *_allowlist(rows),
        "",
        *_parameters(rng, rows, used),
        "",
        *_guards(rng),
        *_limits(rng),
        f"exchange: {rng.choice(EXCHANGES)}",
        f"capital: {rng.randint(20, 100)}%      # share of the account",
    ]
    return "\n".join(parts) + "\n"


def _distinct(rng: Random, kinds: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for kind in kinds:
        text = _condition(rng, kind)
        while text in found:
            text = _condition(rng, kind)
        found[text] = None
    return list(found)


def _condition(rng: Random, kind: str) -> str:
    def p(low: int, high: int) -> str:
        return f"{rng.randint(low, high) / 1000:g}"

    forms = {
        "defensive": [
            lambda: f"p_high_vol >= {p(300, 600)} and p_trend_down >= p_trend_up or p_trend_down >= {p(400, 600)}",
            lambda: f"p_trend_down >= {p(350, 650)} and p_trend_down > p_trend_up",
            lambda: f"p_high_vol > {p(500, 800)} or (p_trend_down > {p(400, 700)} and p_chop < {p(300, 600)})",
        ],
        "chop": [
            lambda: f"p_chop >= {p(350, 700)}",
            lambda: f"p_chop >= {p(350, 600)} and p_high_vol < {p(300, 700)}",
            lambda: f"not (p_trend_up > {p(300, 500)} or p_trend_down > {p(300, 500)})",
        ],
        "trend": [
            lambda: f"p_trend_up >= {p(400, 700)} and p_trend_down < {p(250, 500)}",
            lambda: f"p_trend_up > p_trend_down and p_trend_up >= {p(350, 600)} and p_high_vol < {p(400, 800)}",
            lambda: f"p_trend_up >= {p(400, 700)} and not p_chop >= {p(300, 500)}",
        ],
    }
    return str(rng.choice(forms[kind])())


def _chain(rng: Random, name: str, condition: str, strategies: list[str]) -> list[str]:
    folded = rng.random() < 0.4
    when = ["    when: >-", *(f"      {line}" for line in _broken(condition))] if folded else [f"    when: {condition}"]
    if rng.random() < 0.15 and "or" not in condition:
        when.append(f"    stay_when: {condition.replace('0.6', '0.5').replace('0.5', '0.4')}")
    return [
        f"  - name: {name}",
        *when,
        f"    strategies: [{', '.join(strategies)}]",
        f"    exposure: {rng.randint(20, 100)}%",
    ]


def _broken(condition: str) -> list[str]:
    left, word, right = condition.partition(" and ")
    return [left, f"and {right}"] if word else [condition]


def _list(key: str, items: list[str]) -> str:
    rows = [", ".join(items[i : i + 12]) for i in range(0, len(items), 12)]
    return f"{key}: [" + f",\n{' ' * (len(key) + 3)}".join(rows) + "]"


def _sectors(rng: Random, universe: list[str]) -> list[str]:
    named = [f"{symbol}: {rng.choice(SECTORS)}" for symbol in universe]
    return ["sectors:", *(f"  {row}" for row in named)] if rng.random() < 0.5 else [f"sectors: {{{', '.join(named)}}}"]


def _allowed(rng: Random, universe: list[str], used: list[str]) -> dict[str, list[str]]:
    rows = {symbol: rng.sample(used, rng.randint(1, min(3, len(used)))) for symbol in universe}
    listed = {name for row in rows.values() for name in row}
    rows[universe[0]] += [name for name in used if name not in listed]
    return rows


def _allowlist(rows: dict[str, list[str]]) -> list[str]:
    return ["allowlist:", *(f"  {symbol}: [{', '.join(row)}]" for symbol, row in rows.items())]


def _parameters(rng: Random, rows: dict[str, list[str]], used: list[str]) -> list[str]:
    lines = ["parameters:"]
    for name in used:
        symbols = [symbol for symbol, row in rows.items() if name in row]
        draw = PARAMETERS[name]
        lines.append(f"  {name}:")
        lines.append(f"    default: {{{', '.join(f'{k}: {f(rng)}' for k, f in draw.items())}}}")
        picked = rng.sample(symbols, min(len(symbols), rng.randint(0, 3)))
        if picked:
            lines.append("    by_symbol:")
        for symbol in picked:
            key = rng.choice(list(draw))
            lines.append(f"      {symbol}: {{{key}: {draw[key](rng)}}}")
    return lines


def _guards(rng: Random) -> list[str]:
    picked = rng.sample(GUARDS, rng.randint(0, 3))
    rows = [
        f"  - {{name: guard_{i}, block: {rng.choice(('long_entries', 'entries'))}, when: {draw(rng)}, on_missing: block}}"
        for i, draw in enumerate(picked)
    ]
    return ["entry_guards:", *rows, ""] if rows else []


def _limits(rng: Random) -> list[str]:
    return [
        f"select: {{method: single_best, switch_edge: 0.{rng.randint(5, 30):02}, cooldown: {rng.randint(1, 8) * 15}m}}",
        f"churn_guard: {{min_target: {rng.randint(3, 8) / 10:g}%, deadband: {rng.randint(2, 20) / 10:g}%, side_cooldown: 60m, min_hold: 60m}}",
        f"position_policy: {{flat: 0.{rng.randint(1, 3)}%, external: ignore}}",
        "risk:",
        f"  daily_loss: -{rng.randint(1, 4)}%",
        f"  weekly_loss: -{rng.randint(5, 9)}%",
        f"  max_symbol: {rng.randint(8, 15)}%",
        f"  max_sector: {rng.randint(20, 40)}%",
        f"  max_total: {rng.randint(60, 100)}%",
        f"  position_stop: {rng.randint(3, 9)}%",
        f"orders: {{min_delta: 0.{rng.randint(1, 9)}%, open_delay: {rng.randint(0, 30)}m, close_buffer: 5m}}",
    ]
