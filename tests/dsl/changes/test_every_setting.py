"""Nothing of a world can be forgotten: every leaf of its schema, changed alone, is named by a change.

The leaves come from the schema itself, so a key that is added there is tried here without a word; one for which no other
value can be made up fails the test until somebody says here what it means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qmtl.dsl.changes.compare import differences
from qmtl.dsl.changes.side import read_side
from qmtl.dsl.schema import load_schema
from qmtl.dsl.units import measure

DAY = "2026-06-01"
BASE: dict[str, Any] = {
    "world": "w",
    "calendar": "XNYS",
    "universe": ["SPY", "QQQ", "XOM"],
    "bars": ["15m", "60m"],
    "sectors": {"SPY": "index", "XOM": "energy"},
    "chains": [
        {
            "name": "trend",
            "when": "p_trend_up >= 0.55",
            "strategies": ["roc_momentum", "ema_cross_atr"],
            "exposure": "90%",
        },
        {"name": "mean", "when": "vix.close < 15", "stay_when": "vix.close < 16", "strategies": ["roc_momentum"]},
        {"name": "neutral", "otherwise": True, "strategies": ["roc_momentum"], "exposure": "65%"},
    ],
    "allowlist": {
        "SPY": ["roc_momentum"],
        "QQQ": ["roc_momentum", "ema_cross_atr"],
        "XOM": ["ema_cross_atr", "roc_momentum"],
    },
    "parameters": {"roc_momentum": {"default": {"fast": 12}, "by_symbol": {"QQQ": {"fast": 15}}}},
    "entry_guards": [{"name": "fear", "block": "long_entries", "when": "vix.close > 20", "on_missing": "block"}],
    "exchange": "venue",
    "regime": {"source": "shadow", "shadow": "third"},
}
VENUE = "exchange: venue\nlot_size: 1\n"
OTHER_VENUE = "exchange: other\nlot_size: 5\n"
RULES = "strategy late {\n  style trend\n  long when close > open\n  size 50%\n}\n"
#: leaves whose meaning shows elsewhere, or that have one value only, or none: path -> (value, path of the change or None)
SPECIAL: dict[str, tuple[Any, str | None]] = {
    "version": (1, None),
    "world": ("v", "world.v"),
    "description": ("other words", None),
    "universe": (["SPY", "QQQ", "XOM", "XLE"], "universe.XLE"),
    "sectors": ({"SPY": "index", "XOM": "oil"}, "sectors.XOM"),
    "hysteresis": (0.05, "chains.trend.stay"),
    "allowlist": ({**BASE["allowlist"], "SPY": []}, "allowlist.SPY.roc_momentum"),
    "parameters": ({"roc_momentum": {"default": {"fast": 13}}}, "parameters.roc_momentum.fast"),
    "exchange": ("other", "exchange"),
    # with 1% no target would reach `min_target`
    "risk.max_symbol": ("10%", "risk.max_symbol"),
    "risk.max_total": ("50%", "risk.max_total"),
    "chains.0.name": ("up", "chains.up"),
    "chains.0.when": ("p_trend_up >= 0.60", "chains.trend.when"),
    "chains.1.stay_when": ("vix.close < 17", "chains.mean.stay"),
    "chains.0.strategies": (["roc_momentum"], "chains.trend.strategies.ema_cross_atr"),
    "entry_guards.0.name": ("dread", "entry_guards.dread"),
    "entry_guards.0.when": ("vix.close > 21", "entry_guards.fear.when"),
    "chains.0.overrides.by_sector": ({"energy": {"exposure": "20%"}}, "chains.trend.overrides.by_sector.energy"),
    "chains.0.overrides.by_symbol": ({"XOM": {"exposure": "20%"}}, "chains.trend.overrides.by_symbol.XOM"),
    "entry_guards.0.block": ("entries", "entry_guards.fear.block"),
    "entry_guards.0.on_missing": ("hold", "entry_guards.fear.on_missing"),
    "churn_guard.enabled": (["min_target", "deadband"], "churn_guard.enabled.min_hold"),
    "risk.cap_tolerance": (1.1, "risk.cap_tolerance"),
    # 1% is below what it may be
    "freshness.max_gap": ("30%", "freshness.max_gap"),
    "extends": ("ground", None),
    "regime.heuristic": ("second", "regime.heuristic"),
    "regime.shadow": ("second", "regime.shadow"),
    "select.alphas": ({"roc_momentum": {"p_chop": -0.2}}, "select.alphas.roc_momentum"),
    "strategy_files": (["more.qmtl"], None),
}
#: keys with a single value (the chart fit always reads 60m bars), which cannot be changed, `model`, which needs a source that cannot be
#: used yet, and `source`, which cannot be changed alone
SINGLE = {
    "bars",
    "regime.model",
    "calendar",
    "freshness.regular_hours_only",
    "regime.source",
    "chains.0.otherwise",
}


@dataclass(frozen=True)
class Case:
    path: str
    value: Any
    named: str | None


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Leaves of the schema by the dotted path of the document; lists of maps by their first entry."""
    for name, inner in schema["properties"].items():
        at = f"{path}.{name}" if path else name
        items = inner.get("items", {})
        if at in SPECIAL or at in SINGLE:
            yield at, inner
        elif "properties" in inner:
            yield from leaves(inner, at)
        elif "properties" in items:
            yield from leaves(items, f"{at}.0")
        else:
            yield at, inner


def other_value(inner: dict[str, Any]) -> Any:
    """A value that is not the default: an example, another choice, or the default moved a little inside its range."""
    default, unit = inner.get("default"), inner.get("x-unit")
    choices = [
        c for c in (*inner.get("examples", ()), *inner.get("enum", ())) if _size(c, unit) != _size(default, unit)
    ]
    if inner.get("type") == "boolean":
        return not default
    if choices:
        return choices[0]
    if isinstance(default, int | float) and not isinstance(default, bool):
        return default + 1 if default + 1 <= inner.get("maximum", default + 1) else default / 2
    if unit == "ratio":
        return "-3%" if str(default).startswith("-") else "1%" if default != "1%" else "2%"
    if unit == "duration":
        return "7m" if default != "7m" else "8m"
    return None


def _size(value: Any, unit: Any) -> Any:
    return measure(unit, value) if unit else value


def cases() -> Iterator[Case]:
    schema = dict(load_schema("world"))
    later = {at: None for at, _ in leaves(schema)}
    for at, inner in leaves(schema):
        if at in SINGLE or at == "chains.0.stay_when":
            continue
        if at in SPECIAL:
            yield Case(at, *SPECIAL[at])
        else:
            named = at.replace("chains.0", "chains.neutral").replace("entry_guards.0", "entry_guards.fear")
            yield Case(at.replace("chains.0", "chains.2"), other_value(inner), named)
    missing = (set(SPECIAL) - set(later)) - {"chains.1.stay_when"}
    assert not missing, f"no longer in the schema: {missing}"
    yield Case("chains.1.stay_when", *SPECIAL["chains.1.stay_when"])


def put(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(tree))
    at: Any = made
    *way, last = path.split(".")
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    at[last] = value
    return made


def home(folder: Path, tree: dict[str, Any]) -> Path:
    for name, text in {
        "worlds/venue.yaml": VENUE,
        "worlds/other.yaml": OTHER_VENUE,
        "worlds/w.yaml": json.dumps(tree),
        "worlds/ground.yaml": json.dumps(BASE | {"world": "ground"}),
        "worlds/more.qmtl": RULES,
        "strategies/second.qmtl": SECOND,
        "strategies/third.qmtl": SECOND.replace("second", "third").replace("chop 1", "chop 2"),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "worlds"


SECOND = "regime second {\n  score trend_up 0\n  score trend_down 0\n  score chop 1\n  high_vol 0.1\n}\n"


@pytest.mark.parametrize("case", list(cases()), ids=lambda c: c.path)
def test_a_setting_that_is_changed_alone_is_named(case: Case, tmp_path: Path) -> None:
    assert case.value is not None, f"no other value for {case.path}: add it to SPECIAL"
    before = read_side((home(tmp_path / "before", BASE),))
    after = read_side((home(tmp_path / "after", put(BASE, case.path, case.value)),))
    for side in (before, after):
        assert not side.broken, [d.message for d in side.diagnostics if d.severity == "error"]
    changes = [change for one in differences(before, after, DAY) for change in one.changes]
    if case.named is None:
        assert not changes
    else:
        assert case.named in {change.path for change in changes}, changes
