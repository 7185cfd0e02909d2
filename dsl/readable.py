"""What every expression of a world may read, lowered once: features and the regime's outputs.

In: a graph, a library, a regime. Out: the drafts of names. `lower.py` makes one for a program, `needs.py` keeps one per
library for all worlds; both lower the same definitions with the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .builtins import REGIME
from .graph import Graph
from .library import Library
from .lowering import Env, lower, lower_lets, parameters
from .syntax import Definition
from .uses import in_reading_order


@dataclass(slots=True)
class Readable:
    """Drafts by name; features come before the regime, which reads them."""

    library: Library
    graph: Graph = field(default_factory=Graph)
    outer: dict[str, int] = field(default_factory=dict)

    def env(self, names: Mapping[str, int] | None = None) -> Env:
        """The environment of conditions and definitions."""
        return Env(self.graph, names or {}, self.outer.__getitem__)

    def features(self, names: Iterable[str]) -> dict[str, int]:
        """Lowers the features behind some names and gives their drafts, in the order in which they read each other."""
        order, _ = in_reading_order(names, lambda name: self.library.get("feature", name))
        for definition in order:
            if definition.name.name not in self.outer:
                inner = lower_lets(self.env(), definition)
                self.outer[definition.name.name] = lower(inner, definition.rules[0].value)
        return {definition.name.name: self.outer[definition.name.name] for definition in order}

    def regime(self, definition: Definition) -> dict[str, int]:
        """Lowers the outputs of the regime that conditions and strategies read."""
        drafts = self.beside(definition)
        self.outer |= drafts
        return drafts

    def beside(self, definition: Definition) -> dict[str, int]:
        """Lowers the outputs of a regime that nothing reads: probabilities are the softmax of its three scores."""
        graph = self.graph
        values = {p.name.name: p.default.value for p in definition.params}
        inner = lower_lets(self.env(parameters(graph, values)), definition)
        rules = {rule.kind: lower(inner, rule.value) for rule in definition.rules}
        scores = [rules[f"score {name}"] for name in ("trend_up", "trend_down", "chop")]
        top = graph.add("max2", (graph.add("max2", scores[:2]), scores[2]))
        weights = [graph.add("exp", (graph.add("sub", (score, top)),)) for score in scores]
        total = graph.add("add", (graph.add("add", weights[:2]), weights[2]))
        shares = [graph.add("div", (weight, total)) for weight in weights]
        largest = graph.add("max2", (graph.add("max2", shares[:2]), shares[2]))
        outputs = (*shares, rules["high_vol"], rules.get("confidence", largest))
        return dict(zip(REGIME, outputs, strict=True))

    def given_regime(self) -> dict[str, int]:
        """The outputs of a regime as inputs of the program: columns that come from outside, as in cases."""
        drafts = {name: self.graph.series(name, "15m") for name in REGIME}
        self.outer |= drafts
        return drafts
