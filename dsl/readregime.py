"""`regime:` of a world: which block decides, which one is only recorded beside it, and that no model can run yet.

In: the tree of a world and the definitions and documents near it. Out: `Regime`. A name that nobody knows is told with what it
may have meant; a model that is named is told to be one (Q0617), not to be unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .context import Context
from .diagnostics import problem
from .model import Regime
from .section import Convert, Section, whole, word
from .similar import did_you_mean
from .source import Span
from .units import ratio

_KEYS: Final[Mapping[str, Convert]] = {
    "source": word,
    "heuristic": word,
    "shadow": word,
    "neutral_after": whole,
    "confidence_blend": ratio,
}
_WAY_OUT: Final = "write `source: heuristic` and take `model` out; the model document may stay, it is checked by itself"
_BLOCKS: Final = "name a `regime` block as `shadow`; the model document may stay, it is checked by itself"


def read_regime(root: Section, context: Context) -> Regime:
    """The regime of a world."""
    section = root.section("regime")
    regime = section.fill(Regime(), _KEYS)
    written = section.scalar("heuristic")
    if not context.knows("regime", regime.heuristic):
        help_text = did_you_mean(regime.heuristic, context.names("regime"))
        place = written.span if written else _place(root)
        root.found.problems.append(problem("Q0501", f"unknown regime `{regime.heuristic}`", place, help=help_text))
    _shadow(section, context, regime)
    _no_model_yet(section, context)
    return regime


def _place(root: Section) -> Span:
    entry = root.node.entry("regime") or root.node.entry("world")
    return entry.key_span if entry else root.node.span


def _shadow(section: Section, context: Context, regime: Regime) -> None:
    """The second regime is another block than the first; a model cannot be one yet."""
    scalar = section.scalar("shadow")
    if scalar is None or not isinstance(scalar.value, str) or regime.source != "shadow":
        return
    name, found = scalar.value, section.found.problems
    if name == regime.heuristic:
        message = f"`{name}` is its own shadow, so both never differ"
        found.append(problem("Q0609", message, scalar.span, help="name another `regime` block, or drop it here"))
    elif context.knows("regime", name):
        return
    elif ("model", name) in context.documents or context.broken_document("model", name):
        message = f"the model `{name}` cannot be the shadow yet: this version runs heuristics only"
        found.append(problem("Q0617", message, scalar.span, help=_BLOCKS))
    else:
        known = [*context.names("regime"), *context.document_names("model")]
        help_text = did_you_mean(name, known) or "it is the name of a `regime` block of a `.qmtl` file"
        found.append(problem("Q0501", f"unknown regime `{name}`", scalar.span, help=help_text))


def _no_model_yet(section: Section, context: Context) -> None:
    """`model` names a model document that must exist; what would run it is not part of this version."""
    source, model = section.scalar("source"), section.scalar("model")
    if source is None or source.value not in ("ml", "shadow") or model is None or not isinstance(model.value, str):
        return
    broken = context.broken_document("model", model.value)
    section.found.problems.extend(broken)
    if not broken and ("model", model.value) not in context.documents:
        help_text = did_you_mean(model.value, context.document_names("model")) or (
            "it is the name of a model document below this file's folder"
        )
        section.found.problems.append(problem("Q0506", f"unknown model `{model.value}`", model.span, help=help_text))
    about = "a model cannot be the shadow" if source.value == "shadow" else "a regime of source `ml` cannot be used"
    help_text = _BLOCKS if source.value == "shadow" else _WAY_OUT
    message = f"{about} yet: this version runs heuristics only"
    section.found.problems.append(problem("Q0617", message, source.span, help=help_text))
