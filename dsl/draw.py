"""A Program as a picture: the thirteen steps with what this world puts into them, or every node.

In: a Program. Out: text in mermaid, Graphviz dot, or JSON. The short picture shows inputs, features, the regime, chains
and strategies as boxes with arrows where one reads the other; the long one shows the compiled nodes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Final, Literal

from .builtins import REGIME
from .program import ChainPlan, Node, Program

Format = Literal["mermaid", "dot", "json"]

#: the thirteen steps in run order
STEPS: Final = (
    "load", "freshness", "regime", "chain", "allowlist", "signals", "select", "target", "churn guard", "position policy",
    "risk gate and orders", "risk bookkeeping", "persist",
)  # fmt: skip
_SIGNS: Final = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!=",
    "neg": "-x", "coalesce": "??", "coalesce_truth": "??",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """One box; `group` is the box group it stands in, "" for none."""

    id: str
    label: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A frame around boxes, inside another group or none."""

    id: str
    title: str
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Groups (outer before inner), boxes, and arrows as pairs of box ids, in a fixed order."""

    title: str
    groups: tuple[Group, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[str, str], ...]


def draw(program: Program, form: Format, *, nodes: bool = False) -> str:
    """The picture of a program as text; `nodes` shows every compiled node."""
    picture = _node_picture(program) if nodes else _stage_picture(program)
    return {"mermaid": _mermaid, "dot": _dot, "json": _json}[form](picture)


# ---- the thirteen steps


@dataclass(slots=True)
class _Sketch:
    """A picture while it grows; `named` are the boxes that stand for a node."""

    program: Program
    groups: list[Group] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    arrows: list[tuple[str, str]] = field(default_factory=list)
    named: dict[int, str] = field(default_factory=dict)

    def box(self, own: str, label: str, group: str = "", *, reads: Iterable[int] = ()) -> str:
        """One more box, with an arrow from every box that its nodes are computed from."""
        self.boxes.append(Box(own, label, group))
        self.arrows += [(source, own) for index in reads for source in _sources(self, index, own)]
        return own


def _stage_picture(program: Program) -> Picture:
    sketch = _Sketch(program)
    for draw_part in (_inputs, _features, _regime, _chains, _strategies, _steps, _guards):
        draw_part(sketch)
    return Picture(
        program.settings.world, tuple(sketch.groups), tuple(sketch.boxes), tuple(dict.fromkeys(sketch.arrows))
    )


def _inputs(sketch: _Sketch) -> None:
    """One box for the bars of each rate and for each daily series."""
    sketch.groups.append(Group("load", "1 load"))
    fields: dict[str, list[str]] = {}
    for index, node in enumerate(sketch.program.nodes):
        if node.op == "input":
            series, _, name = str(node.params[0]).rpartition(".")
            title = f"{series or 'bars'} {node.rate}"
            fields.setdefault(title, []).append(name)
            sketch.named[index] = _input(title)
    for title in sorted(fields):
        sketch.box(_input(title), f"{title} | {', '.join(sorted(fields[title]))}", "load")


def _input(title: str) -> str:
    return _id("in", title.replace(" ", "_"))


def _features(sketch: _Sketch) -> None:
    """One box for each feature; names for the same node share a box."""
    sketch.groups.append(Group("features", "features"))
    shared: dict[int, list[str]] = {}
    for name, index in sketch.program.features:
        if sketch.program.nodes[index].op != "input":
            shared.setdefault(index, []).append(name)
    own = {index: _id("feature", names[0]) for index, names in shared.items()}
    sketch.named |= own
    for index, names in shared.items():
        sketch.box(own[index], ", ".join(names), "features", reads=(index,))


def _regime(sketch: _Sketch) -> None:
    regime = sketch.program.regime
    sketch.groups.append(Group("regime", f"3 regime: {sketch.program.settings.regime.heuristic}"))
    shares = (regime.p_trend_up, regime.p_trend_down, regime.p_chop)
    sketch.named |= dict.fromkeys(shares, "regime_shares") | {regime.p_high_vol: "regime_high_vol"}
    sketch.box("regime_shares", "p_trend_up, p_trend_down, p_chop | they sum to 1", "regime", reads=shares)
    sketch.box("regime_high_vol", "p_high_vol", "regime", reads=(regime.p_high_vol,))
    sketch.named.setdefault(regime.confidence, "regime_confidence")
    sketch.box("regime_confidence", "regime_confidence", "regime", reads=(regime.confidence,))
    if regime.shadow:
        name = sketch.program.settings.regime.shadow
        sketch.box("regime_shadow", f"shadow: {name} | recorded, decides nothing", "regime", reads=regime.shadow)


def _chains(sketch: _Sketch) -> None:
    sketch.groups.append(Group("chains", "4 chain: the first that holds"))
    for chain in sketch.program.chains:
        reads = [i for i in (chain.when, chain.stay) if i is not None]
        rule = "" if reads else " | otherwise"
        own = sketch.box(
            _id("chain", chain.name), f"{chain.name}{rule} | exposure {_exposure(chain)}", "chains", reads=reads
        )
        named = dict.fromkeys((*chain.strategies, *(s for o in chain.overrides for s in o.strategies)))
        sketch.arrows += [(own, _lane_id(sketch.program.strategies[s].name, 0)) for s in named]


def _exposure(chain: ChainPlan) -> str:
    """The exposure of a chain, with how many symbols it treats otherwise."""
    more = f", {len(chain.overrides)} overridden" if chain.overrides else ""
    return f"{chain.exposure:.0%}{more}"


def _strategies(sketch: _Sketch) -> None:
    """A group for each strategy with a box for each set of parameters."""
    sketch.groups.append(Group("signals", "6 signals"))
    universe = sketch.program.settings.universe
    for strategy in sketch.program.strategies:
        group = _id("strategy", strategy.name)
        sketch.groups.append(Group(group, f"{strategy.name} ({strategy.style})", "signals"))
        for number, lane in enumerate(strategy.lanes):
            who = "all symbols" if lane.columns is None else _few([universe[c] for c in lane.columns])
            outputs = {"signal": lane.signal, "size": lane.size, "stop": lane.stop, "take": lane.take}
            given = {name: index for name, index in outputs.items() if index is not None}
            rate = sketch.program.nodes[lane.signal].rate
            own = _lane_id(strategy.name, number)
            sketch.box(own, f"{who} | {', '.join(given)} | every {rate}", group, reads=given.values())
            sketch.arrows.append((own, "step_7"))


def _steps(sketch: _Sketch) -> None:
    """The steps that are one box: their most telling settings, and the order of the run."""
    settings, allowed = sketch.program.settings, sketch.program.allowed
    risk, guard = settings.risk, settings.churn_guard
    details = {
        2: f"stale after {settings.freshness.stale_15m_bars} x 15m or {settings.freshness.stale_60m_bars} x 60m",
        5: f"{sum(map(sum, allowed))} of {len(allowed) * len(settings.universe)} pairs",
        7: settings.select.method,
        8: f"symbol {risk.max_symbol:.0%}, sector {risk.max_sector:.0%}, total {risk.max_total:.0%}",
        9: f"min {guard.min_target:.1%}, deadband {guard.deadband:.1%}",
        11: f"day {risk.daily_loss:.0%}, week {risk.weekly_loss:.0%} | {settings.exchange.name}",
    }
    for number, name in enumerate(STEPS, start=1):
        if number not in {1, 3, 4, 6}:
            reads = astuple(sketch.program.fit) if name == "select" else ()  # the chart fit scores candidates
            label = f"{number} {name}" + (f" | {details[number]}" if number in details else "")
            sketch.box(f"step_{number}", label, reads=reads)
    bars = dict.fromkeys(i for i in sketch.named.values() if i.startswith("in_bars"))
    sketch.arrows += [(source, "step_2") for source in bars]
    sketch.arrows += [("step_2", "step_8"), ("step_5", "step_7")]
    sketch.arrows += [(f"step_{n}", f"step_{n + 1}") for n in range(7, 13)]


def _guards(sketch: _Sketch) -> None:
    for guard in sketch.program.guards:
        label = f"guard {guard.settings.name} | blocks {guard.settings.block.replace('_', ' ')}"
        own = sketch.box(_id("guard", guard.settings.name), label, reads=(guard.when,))
        sketch.arrows.append((own, "step_8"))


def _lane_id(strategy: str, number: int) -> str:
    return f"{_id('lane', strategy)}_{number}"


def _few(symbols: Sequence[str]) -> str:
    return ", ".join(symbols[:4]) + (f" and {len(symbols) - 4} more" if len(symbols) > 4 else "")


def _regime_outputs(program: Program) -> tuple[tuple[str, int], ...]:
    regime = program.regime
    return tuple(
        zip(
            REGIME,
            (regime.p_trend_up, regime.p_trend_down, regime.p_chop, regime.p_high_vol, regime.confidence),
            strict=True,
        )
    )


def _sources(sketch: _Sketch, index: int, own: str) -> tuple[str, ...]:
    """The nearest boxes that a node is computed from."""
    found: dict[str, None] = {}
    waiting, seen = [index], set[int]()
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        if sketch.named.get(at, own) != own:
            found[sketch.named[at]] = None
        else:
            waiting.extend(sketch.program.nodes[at].args)
    return tuple(sorted(found))


# ---- every node


def _node_picture(program: Program) -> Picture:
    names = {index: name for name, index in program.features}
    names |= {index: name for name, index in _regime_outputs(program)}
    for chain in program.chains:
        names |= {
            i: f"{chain.name} {word}" for i, word in ((chain.when, "when"), (chain.stay, "stay")) if i is not None
        }
    for strategy in program.strategies:
        names |= {lane.signal: f"{strategy.name} signal" for lane in strategy.lanes}
    rates = tuple(dict.fromkeys(node.rate for node in program.nodes))
    groups = tuple(Group(_id("rate", rate or "constant"), rate or "constant") for rate in rates)
    boxes = tuple(
        Box(f"n{i}", _node_label(i, node, names), _id("rate", node.rate or "constant"))
        for i, node in enumerate(program.nodes)
    )
    arrows = tuple((f"n{a}", f"n{i}") for i, node in enumerate(program.nodes) for a in node.args)
    return Picture(program.settings.world, groups, boxes, arrows)


def _node_label(index: int, node: Node, names: Mapping[int, str]) -> str:
    if node.op in {"input", "const"}:
        text = str(node.params[0])
    else:
        text = _SIGNS.get(node.op, node.op) + (f"({', '.join(map(str, node.params))})" if node.params else "")
    columns = f" | {len(node.columns)} symbols" if node.columns is not None else ""
    return (f"{names[index]} = " if index in names else "") + text + columns


def _id(kind: str, name: str) -> str:
    """An id of letters, digits and `_`; other characters by their code, so that two names never share one."""
    safe = "".join(c if c.isascii() and c.isalnum() else "_" if c == "_" else f"_{ord(c):x}_" for c in name)
    return f"{kind}_{safe}"


# ---- writing


def _mermaid(picture: Picture) -> str:
    def box(item: Box, indent: str) -> str:
        return f'{indent}{item.id}["{_label(item.label, "<br/>")}"]'

    def frame(group: Group, indent: str) -> tuple[str, str]:
        return f'{indent}subgraph {group.id}["{_label(group.title, " ")}"]', f"{indent}end"

    lines = ["---", f"title: {picture.title}", "---", "flowchart LR"]
    lines += _nested(picture, "", "  ", (box, frame))
    lines += [f"  {a} --> {b}" for a, b in picture.arrows]
    return "\n".join(lines) + "\n"


def _dot(picture: Picture) -> str:
    def box(item: Box, indent: str) -> str:
        return f'{indent}{item.id} [label="{_label(item.label, chr(92) + "n")}"];'

    def frame(group: Group, indent: str) -> tuple[str, str]:
        return f'{indent}subgraph cluster_{group.id} {{ label="{_label(group.title, " ")}";', f"{indent}}}"

    lines = [f'digraph "{picture.title}" {{', "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    lines += _nested(picture, "", "  ", (box, frame))
    lines += [f"  {a} -> {b};" for a, b in picture.arrows]
    return "\n".join((*lines, "}")) + "\n"


_Writers = tuple[Callable[[Box, str], str], Callable[[Group, str], tuple[str, str]]]


def _nested(picture: Picture, inside: str, indent: str, writers: _Writers) -> Iterator[str]:
    """Lines of the groups and boxes directly inside a group ("" is the whole picture)."""
    box, frame = writers
    for group in picture.groups:
        if group.inside == inside:
            first, last = frame(group, indent)
            yield from (first, *_nested(picture, group.id, indent + "  ", writers), last)
    yield from (box(item, indent) for item in picture.boxes if item.group == inside)


def _label(text: str, separator: str) -> str:
    return (
        text.replace("&", "and").replace('"', "'").replace("<", "&lt;").replace(">", "&gt;").replace(" | ", separator)
    )


def _json(picture: Picture) -> str:
    value = {
        "world": picture.title,
        "groups": [asdict(group) for group in picture.groups],
        "boxes": [asdict(box) for box in picture.boxes],
        "arrows": [{"from": source, "to": target} for source, target in picture.arrows],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
