"""What a world really uses: every effective value, and where it was said.

In: a compiled world without errors. Out: rows for people and programs: settings, chains with their derived thresholds,
parameters per (symbol, strategy), the allowlist. An origin is `file:line`, or `default` where the text says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from .compileworld import Compiled
from .exchange import FinerTick
from .exprtext import spell
from .model import Chain, RouterAlphas, World
from .readchains import PROBABILITIES
from .schema import load_schema
from .source import Span
from .syntax import Definition, Param
from .units import spell_duration, spell_ratio

DEFAULT: Final = "default"
#: the rules themselves stand in the rows behind it
NO_EXCHANGE: Final = "none: no document is named, so the defaults below count"
#: parts of a policy that are told by the names in them
_BY_NAME: Final = ("exchange.symbols", "exchange.aliases")
SECTIONS: Final = ("freshness", "regime", "select", "churn_guard", "position_policy", "risk", "orders", "exchange")


@dataclass(frozen=True, slots=True)
class Value:
    """One effective value: its dotted path, its text as it would be written, and where it comes from."""

    path: str
    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """What a chain does otherwise for a sector or symbol; an empty list or text keeps what the chain says."""

    kind: str
    name: str
    strategies: tuple[str, ...]
    exposure: str
    origin: str


@dataclass(frozen=True, slots=True)
class ChainRow:
    """A chain; `when` and `stay` are conditions as text, "" for `otherwise`."""

    name: str
    when: str
    stay: str
    stay_origin: str
    strategies: tuple[str, ...]
    exposure: Value
    origin: str
    overrides: tuple[OverrideRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """A parameter of a strategy and the symbols it has this value for, from this origin."""

    strategy: str
    symbols: tuple[str, ...]
    name: str
    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A strategy whose row holds no more, and the first day without it."""

    strategy: str
    since: str


@dataclass(frozen=True, slots=True)
class AllowedRow:
    """A symbol and the strategies it allows today; `strategies` None means all. `over` are rows whose last day is behind."""

    symbol: str
    strategies: tuple[str, ...] | None
    over: tuple[Ended, ...] = ()


@dataclass(frozen=True, slots=True)
class Effective:
    """Everything `qmtl show` prints."""

    world: str
    file: str
    settings: tuple[Value, ...]
    chains: tuple[ChainRow, ...]
    guards: tuple[Value, ...]
    parameters: tuple[ParameterRow, ...]
    allowed: tuple[AllowedRow, ...]


def effective(
    compiled: Compiled, symbol: str | None = None, strategy: str | None = None, *, today: str = ""
) -> Effective:
    """The effective values of a world, for one symbol or one strategy where these are given; `today` is an ISO date, the
    user's own day when it is not given."""
    world = compiled.world
    assert world is not None, "only a world without errors has effective values"
    symbols = (symbol,) if symbol else world.settings.universe
    return Effective(
        world=world.settings.world,
        file=compiled.file,
        settings=tuple(_settings(world, compiled.origins)),
        chains=tuple(c for c in _chains(world, compiled.origins, symbols) if strategy is None or _names(c, strategy)),
        guards=tuple(_guards(world, compiled.origins)),
        parameters=tuple(r for r in _parameters(compiled, world, symbols) if strategy in (None, r.strategy)),
        allowed=tuple(
            row
            for row in _allowed(world, symbols, today or date.today().isoformat())  # noqa: DTZ011 - the user's own day
            if strategy is None or _allows(row, strategy)
        ),
    )


def _names(chain: ChainRow, strategy: str) -> bool:
    return strategy in chain.strategies or any(strategy in override.strategies for override in chain.overrides)


def where(span: Span | None) -> str:
    """`file:line` of a place, or `default`."""
    return DEFAULT if span is None else f"{span.source.name}:{span.source.position(span.start)[0]}"


def _settings(world: World, origins: Mapping[str, Span]) -> Iterator[Value]:
    settings = world.settings
    for path, text in (
        ("calendar", settings.calendar),
        ("universe", f"{len(settings.universe)} symbols"),
        ("bars", ", ".join(settings.bars)),
    ):
        yield Value(path, text, where(origins.get(path)))
    yield Value("capital", spell_ratio(settings.capital), where(origins.get("capital")))
    yield Value("allow_live", "true" if settings.allow_live else "false", where(origins.get("allow_live")))
    if settings.sectors:
        names = len({sector for _, sector in settings.sectors})
        first = next((span for path, span in origins.items() if path == "sectors" or path.startswith("sectors.")), None)
        yield Value("sectors", f"{names} sectors, {len(settings.sectors)} symbols", where(first))
    for section in SECTIONS:
        yield from _section(section, getattr(settings, section), origins)


def _section(section: str, value: Any, origins: Mapping[str, Span]) -> Iterator[Value]:
    kind = section if section == "exchange" else "world"
    schema = load_schema(kind)["properties"]
    units = schema if section == "exchange" else schema[section]["properties"]
    for field in fields(value):
        path = "exchange" if (section, field.name) == ("exchange", "name") else f"{section}.{field.name}"
        unit = units.get(field.name, {}).get("x-unit", "")
        text = _text(getattr(value, field.name), unit)
        if getattr(value, field.name) in (None, ()):  # then the schema says in words what counts
            text = str(units.get(field.name, {}).get("x-default", text))
        if path == "exchange" and path not in origins:
            text = NO_EXCHANGE  # the policy has a name of its own then, which no world can write
        if path in _BY_NAME:
            yield from _by_name(path, getattr(value, field.name), origins)
        else:
            yield Value(path, text, where(origins.get(path)))


def _by_name(path: str, items: tuple[Any, ...], origins: Mapping[str, Span]) -> Iterator[Value]:
    """A row for each symbol rule or alias; one row where there is none."""
    if not items:
        yield Value(path, "none", DEFAULT)
    for item in items:
        name, text = item if isinstance(item, tuple) else (item.name, _said(item))
        yield Value(f"{path}.{name}", text, where(origins.get(f"{path}.{name}")))


def _said(item: Any) -> str:
    """What a record says, less its name: `lot_size 0.001, shorting false`."""
    each = ((field.name, getattr(item, field.name)) for field in fields(item) if field.name != "name")
    return ", ".join(f"{name} {_text(value)}" for name, value in each if value is not None)


def _text(value: Any, unit: str = "") -> str:
    if unit == "ratio" and value is not None:
        return spell_ratio(value)
    if unit == "duration":
        return spell_duration(value)
    if value is None:
        return "none"
    if unit == "money":
        return f"{value:,f} USD".replace(",", "_")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple):
        return ", ".join(_item(item) for item in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def _item(item: Any) -> str:
    if isinstance(item, FinerTick):
        return f"({_said(item)})"
    return _alphas(item) if isinstance(item, RouterAlphas) else str(item)


def _alphas(said: RouterAlphas) -> str:
    """`roc_momentum (p_trend_up 0.1, p_chop -0.2)`."""
    each = ((name, getattr(said, name)) for name in PROBABILITIES)
    return f"{said.strategy} ({', '.join(f'{name} {alpha:g}' for name, alpha in each if alpha)})"


def _chains(world: World, origins: Mapping[str, Span], symbols: tuple[str, ...]) -> Iterator[ChainRow]:
    for chain in world.chains:
        path = f"chains.{chain.name}"
        said = origins.get(f"{path}.stay_when")
        derived = origins.get("hysteresis")
        stay_origin = where(said) if said else f"hysteresis, {where(derived)}"
        exposure = Value(f"{path}.exposure", spell_ratio(chain.exposure), where(origins.get(f"{path}.exposure")))
        when, stay = (spell(chain.when) if chain.when else "", spell(chain.stay) if chain.stay else "")
        yield ChainRow(
            chain.name,
            when,
            stay,
            stay_origin if stay else "",
            chain.strategies,
            exposure,
            where(origins.get(f"{path}.name")),
            tuple(_overrides(world, chain, origins, symbols)),
        )


def _overrides(
    world: World, chain: Chain, origins: Mapping[str, Span], symbols: tuple[str, ...]
) -> Iterator[OverrideRow]:
    """The overrides of a chain that concern the symbols, sectors first."""
    sectors = {sector for symbol, sector in world.settings.sectors if symbol in set(symbols)}
    for override in chain.overrides:
        if override.name not in (symbols if override.kind == "symbol" else sectors):
            continue
        exposure = "" if override.exposure is None else spell_ratio(override.exposure)
        path = f"chains.{chain.name}.overrides.by_{override.kind}.{override.name}"
        yield OverrideRow(override.kind, override.name, override.strategies or (), exposure, where(origins.get(path)))


def _guards(world: World, origins: Mapping[str, Span]) -> Iterator[Value]:
    for index, guard in enumerate(world.entry_guards):
        said = guard.settings
        missing = ("true" if said.value else "false") if said.on_missing == "value" else said.on_missing
        paths = (f"entry_guards.{said.name}.when", f"entry_guards.{index}.when")
        origin = next((origins[path] for path in paths if path in origins), None)
        yield Value(said.name, f"block {said.block} when {spell(guard.when)} (missing: {missing})", where(origin))


def _parameters(compiled: Compiled, world: World, symbols: tuple[str, ...]) -> Iterator[ParameterRow]:
    """Rows of one strategy together; symbols with the same value from the same place share a row."""
    assert compiled.library is not None
    for strategy in dict.fromkeys(p.strategy for p in world.parameters):
        definition = compiled.library.definitions[strategy]
        values = {symbol: dict(p.values) for p in world.parameters if p.strategy == strategy for symbol in p.symbols}
        for param in definition.params:
            groups: dict[tuple[str, str], list[str]] = {}
            for symbol in symbols:
                text = _parameter_text(values[symbol][param.name.name], param)
                groups.setdefault((text, _parameter_origin(definition, param, symbol, compiled.origins)), []).append(
                    symbol
                )
            for (text, origin), shared in groups.items():
                yield ParameterRow(strategy, tuple(shared), param.name.name, text, origin)


def _parameter_origin(definition: Definition, param: Param, symbol: str, origins: Mapping[str, Span]) -> str:
    base = f"parameters.{definition.name.name}"
    own = origins.get(f"{base}.by_symbol.{symbol}.{param.name.name}")
    if own:
        return f"{where(own)} (by_symbol)"
    general = origins.get(f"{base}.default.{param.name.name}")
    return f"{where(general)} (default)" if general else f"{where(param.span)} (strategy)"


def _parameter_text(value: float, param: Param) -> str:
    if param.type.name == "ratio":
        return spell_ratio(value)
    return spell_duration(value) if param.type.name == "duration" else f"{value:g}"


def _allowed(world: World, symbols: tuple[str, ...], today: str) -> Iterator[AllowedRow]:
    for symbol in symbols:
        if world.allowlist is None:
            yield AllowedRow(symbol, None)
            continue
        rows = [row for row in world.allowlist if row.symbol == symbol and row.enabled]
        ended = [row for row in rows if row.until and row.until < today]
        names = tuple(row.strategy for row in rows if row not in ended)
        yield AllowedRow(symbol, names, tuple(Ended(row.strategy, _day_after(row.until)) for row in ended))


def _allows(row: AllowedRow, strategy: str) -> bool:
    """Whether a row says something of a strategy."""
    return row.strategies is None or strategy in row.strategies or any(ended.strategy == strategy for ended in row.over)


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
