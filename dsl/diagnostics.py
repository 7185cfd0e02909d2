"""What a user's mistake is: a `Diagnostic` value with a stable code and exact places.

In: checks create diagnostics through `problem(code, message, span, ...)`. Out: sorted tuples that `report` prints.
Mistakes of users are values, never exceptions. Codes are never reused: a retired one stays in the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from .source import Span

Severity = Literal["error", "warning"]

#: code -> (severity, what the code stands for). Blocks: 01 files and YAML, 02 schema, 03 syntax of `.qmtl`,
#: 04 types, units and rates, 05 names, 06 meaning of a world, 07 deployments,
#: 08 plans, models and cases.
CODES: Final[dict[str, tuple[Severity, str]]] = {
    "Q0101": ("error", "the file cannot be read"),
    "Q0102": ("error", "the file is not UTF-8 text"),
    "Q0103": ("error", "the file is empty"),
    "Q0104": ("error", "the file is larger or nested deeper than allowed"),
    "Q0105": ("error", "not valid YAML"),
    "Q0106": ("error", "duplicate key"),
    "Q0107": ("error", "anchors, aliases, tags and merge keys are not part of this language"),
    "Q0108": ("error", "more than one document in a file"),
    "Q0109": ("error", "no documents were found"),
    "Q0110": ("error", "a key must be a plain string"),
    "Q0111": ("error", "an `allow` comment that cannot be read"),
    "Q0112": ("warning", "an `allow` comment has expired"),
    "Q0113": ("warning", "an `allow` comment silences nothing"),
    "Q0201": ("error", "unknown key"),
    "Q0202": ("error", "a required key is missing"),
    "Q0203": ("error", "the value has the wrong type"),
    "Q0204": ("error", "the value is not one of those allowed"),
    "Q0205": ("error", "the value is out of range"),
    "Q0206": ("error", "a unit is missing or wrong"),
    "Q0207": ("error", "the file does not say which kind of document it is"),
    "Q0208": ("error", "too few or too many entries"),
    "Q0209": ("error", "the same document name is used twice"),
    "Q0301": ("error", "syntax error"),
    "Q0302": ("error", "a character that is not part of the language"),
    "Q0303": ("error", "comparisons cannot be chained"),
    "Q0304": ("error", "a statement that does not belong here, or stands twice"),
    "Q0305": ("error", "reserved word used as a name"),
    "Q0306": ("error", "a block that does not belong here"),
    "Q0401": ("error", "types do not fit"),
    "Q0402": ("error", "a bare number where a unit is needed"),
    "Q0403": ("error", "wrong number of arguments"),
    "Q0404": ("error", "a constant is needed here"),
    "Q0405": ("error", "rates do not fit"),
    "Q0406": ("error", "a condition is needed here"),
    "Q0410": ("error", "values of these types cannot be compared"),
    "Q0411": ("error", "a parameter is outside its declared range"),
    "Q0501": ("error", "unknown name"),
    "Q0502": ("error", "unknown function"),
    "Q0503": ("error", "unknown strategy"),
    "Q0504": ("error", "unknown parameter"),
    "Q0505": ("error", "unknown symbol"),
    "Q0506": ("error", "unknown document"),
    "Q0507": ("error", "the same name is defined twice"),
    "Q0508": ("error", "names refer to each other in a circle"),
    "Q0509": ("error", "`~` deletes a key that is not there"),
    "Q0601": ("error", "the chains have no `otherwise`, or it is not the last"),
    "Q0602": ("error", "`stay_when` is needed: hysteresis cannot loosen this predicate"),
    "Q0603": ("warning", "the universe is larger than the caps let the world hold"),
    "Q0604": ("error", "not available in this version"),
    "Q0605": ("error", "too many parameter lanes"),
    "Q0606": ("error", "a symbol is listed twice"),
    "Q0607": ("error", "the feed cannot supply the warm-up"),
    "Q0608": ("warning", "a chain can never hold"),
    "Q0609": ("warning", "nothing uses this"),
    "Q0610": ("warning", "a chain is always shadowed by those above it"),
    "Q0611": ("warning", "no symbol allows any strategy of a chain"),
    "Q0612": ("warning", "a strategy does not suit its chain"),
    "Q0613": ("warning", "the conditions for entering and for staying in a chain cross"),
    "Q0614": ("warning", "a cap can never bind"),
    "Q0615": ("warning", "an allowlist row does nothing"),
    "Q0616": ("warning", "no symbol allows this strategy"),
    "Q0617": ("error", "this regime source cannot be used yet"),
    "Q0618": ("warning", "a condition is always the same"),
    "Q0619": ("error", "settings under which nothing is ever traded"),
    "Q0620": ("warning", "a share of 0% keeps the world from every position"),
    "Q0621": ("warning", "loss limits that cannot be meant"),
    "Q0622": ("warning", "a rule can never be true"),
    "Q0623": ("warning", "a size, a stop or a threshold of the wrong kind"),
    "Q0624": ("warning", "a sector of one symbol is called nearly like another"),
    "Q0625": ("warning", "a feature replaces one that others read"),
    "Q0626": ("error", "the rules of an exchange contradict each other"),
    "Q0627": ("warning", "rules for a symbol that nobody trades there"),
    "Q0628": ("warning", "limits of orders that cannot be meant"),
    "Q0629": ("warning", "lots and parts of a share do not fit each other"),
    "Q0701": ("error", "a world of the deployment is not valid"),
    "Q0702": ("error", "two worlds trade the same symbol"),
    "Q0703": ("error", "the worlds ask for more than the account's capital"),
    "Q0704": ("error", "a file or folder that the deployment names does not exist"),
    "Q0705": ("error", "the settings of the deployment contradict each other"),
    "Q0706": ("error", "this may not trade real money"),
    "Q0801": ("error", "allocations do not add up"),
    "Q0802": ("error", "a plan does not fit the worlds it moves"),
    "Q0803": ("error", "a plan cannot be submitted yet"),
    "Q0804": ("error", "the features of a model do not fit"),
    "Q0805": ("error", "a model file is not the one that was declared"),
    "Q0806": ("error", "a series cannot be read"),
    "Q0807": ("error", "a case contradicts itself"),
    "Q0808": ("error", "a case expects nothing"),
    "Q0809": ("error", "the outputs of a model do not fit"),
    "Q0810": ("warning", "a signal that the world can never use"),
}


@dataclass(frozen=True, slots=True)
class Label:
    """A second place, with its own short text."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake. `label` is the short text under the main caret; `help` says the way out."""

    code: str
    severity: Severity
    message: str
    span: Span | None
    label: str = ""
    labels: tuple[Label, ...] = ()
    help: str = ""
    file: str = ""

    @property
    def sort_key(self) -> tuple[str, int, str, str]:
        """By file, then place, then code."""
        if self.span is None:
            return (self.file, -1, self.code, self.message)
        return (self.span.source.name, self.span.start, self.code, self.message)


def problem(
    code: str,
    message: str,
    span: Span | None,
    *,
    label: str = "",
    labels: tuple[Label, ...] = (),
    help: str = "",  # noqa: A002 - the word users see
    file: str = "",
) -> Diagnostic:
    """A diagnostic of a registered code, with that code's severity."""
    return Diagnostic(code, CODES[code][0], message, span, label, labels, help, file)


#: unknown names and functions: used again in the same file they are the same mistake
_ONCE: Final = ("Q0501", "Q0502")
_MOST_PLACES: Final = 3


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by place, exact duplicates removed, an unknown name told once per file."""
    told: dict[object, Diagnostic] = {}
    for found in sorted(dict.fromkeys(diagnostics), key=lambda d: d.sort_key):
        once = found.code in _ONCE and found.span is not None
        key = (found.code, found.message, found.span.source.name) if once and found.span else found
        told[key] = _also(told[key], found.span) if key in told and found.span else found
    return tuple(told.values())


def _also(first: Diagnostic, again: Span) -> Diagnostic:
    """The first of two equal mistakes, with the place of the other beside it."""
    shown = {first.span, *(label.span for label in first.labels)}
    if again in shown or len(first.labels) >= _MOST_PLACES:
        return first
    return replace(first, labels=(*first.labels, Label(again, "also here")))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """True when at least one is an error."""
    return any(d.severity == "error" for d in diagnostics)
