"""Faults on demand: which reply is spoiled, what happens to an order, what state the venue pretends.

In: rules and random rates (`POST /_venue/faults`), and the facts of each call. Out: at most one spoiled reply per call, a
`Plan` per order, standing states, and a log of everything injected. A rule is

    {"do": KIND, "match": {"method", "path", "symbol", "client_order_id", "nth"}, "times": N, ...arguments}

`path` is a glob ("/v2/orders*"); `client_order_id` a prefix; `nth` counts the calls that match the rest, from 1. `times` is 1
for spoiled replies and for orders, 0 (until removed) for states. Random rates draw from a hash of (seed, client order id
and number of its POST) or, for other calls, of (seed, call, how often it was made): the same script meets the same faults.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from .model import Plan


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `symbols` it is about (the body's, the path's or the query's), `number` how often this client id was
    posted, or this very call made, this one included."""

    method: str
    path: str
    symbols: tuple[str, ...] = ()
    client_order_id: str = ""
    number: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    id: int
    do: str
    match: dict[str, Any]
    times: int
    args: dict[str, Any]


def _any(call: Call) -> bool:
    return True


def _listing(call: Call) -> bool:
    return call.method == "GET" and (
        call.path in {"/v2/orders", "/v2/positions"} or call.path.startswith("/v2/account/activities")
    )


def _paged(call: Call) -> bool:
    return call.path.startswith("/v2/account/activities") or call.path.endswith("/bars")


def _data(call: Call) -> bool:
    return call.path.startswith("/v2/stocks")


def _models(call: Call) -> bool:
    return not _data(call) and call.method in {"GET", "POST", "PATCH"}


#: what happens to a reply, and on which calls it can
REPLIES: Final[dict[str, Callable[[Call], bool]]] = {
    "accept_then_drop": _any,  # done, then the connection closes without a reply
    "drop_before": _any,  # the connection closes, nothing is done
    "accept_then_504": _any,
    "accept_then_500": _any,
    "accept_then_hang": _any,  # done, then never an answer
    "429": _any,  # not done; retry_after seconds (default 1)
    "500": _any,  # not done
    "refuse": _any,  # not done; the refusal `as` (a key of refusals.TABLE), its words in `words`
    "503": _any,  # not done
    "hang": _any,  # not done, never an answer
    "drip": _any,  # done; the reply comes one byte every `seconds` (default 1)
    "empty_200": _any,  # done, but the body is empty
    "html_200": _any,  # done, but the body is a web page
    "truncated_json": _any,  # done; the body ends in its middle
    "unknown_enum": _models,  # done; status and type have values nobody knows, and there are fields nobody knows
    "duplicate_rows": _listing,  # a listing repeats rows
    "reordered_rows": _listing,
    "stale_list": _listing,  # a listing is the one of the state before
    "short_pages": _paged,  # fewer rows than asked, `rows` (default 1)
    "missing_symbols": _data,  # the reply lacks symbols: `symbols`, or the first one asked for
    "entitlement_403": _data,
}
#: what happens to an order that is admitted
ORDERS: Final = frozenset(
    {
        "partial_fills",  # `parts` (default 3): one part a clock step
        "slow_fill",  # no fill for `seconds` (default 900)
        "reject_after_accept",  # rejected at the next clock step
        "slow_cancel",  # a cancel takes `seconds` (default 60) and may lose against a fill
        "cancel_pending_forever",
    }
)
#: what the venue pretends while a rule stands
STATES: Final = frozenset(
    {
        "frozen_bars",  # market data stops at `at` (default: when the rule came)
        "forming_bar",  # bars of the data API include the one in progress, as the real one does
        "clock_skew",  # `seconds` that Date and /v2/clock are ahead of the clock
        "closed",  # the market is closed although the calendar says open
        "trading_blocked",
        "suspended",  # "new orders are rejected by user request"
        "halted",  # symbol: no orders, no fills
        "not_tradable",
        "not_shortable",
        "hard_to_borrow",
        "no_shorting",  # the account may not sell short
        "done_for_day",  # gtc orders rest as done_for_day over night
    }
)
KINDS: Final = frozenset(REPLIES) | ORDERS | STATES
#: arguments of a rule beside do, match and times, by kind
ARGUMENTS: Final = {
    "429": {"retry_after"},
    "refuse": {"as", "words"},
    "drip": {"seconds"},
    "short_pages": {"rows"},
    "missing_symbols": {"symbols"},
    "partial_fills": {"parts"},
    "slow_fill": {"seconds"},
    "slow_cancel": {"seconds"},
    "frozen_bars": {"at"},
    "clock_skew": {"seconds"},
}
MATCHES: Final = {"method", "path", "symbol", "client_order_id", "nth"}


@dataclass(slots=True)
class Faults:
    """The rules that stand, what they have done, and the draw of the random mode."""

    rules: dict[int, Rule] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    only: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    _matched: Counter[int] = field(default_factory=Counter)
    _used: Counter[int] = field(default_factory=Counter)
    _last: int = 0

    def add(self, body: dict[str, Any], now: float) -> int:
        """Add one rule; returns its number. Raises ValueError for a kind, an argument or a match that does not exist."""
        rest = dict(body)
        do, match = rest.pop("do"), rest.pop("match", {})
        if do not in KINDS:
            raise ValueError(f"unknown fault: {do}")
        times = rest.pop("times", 0 if do in STATES else 1)
        unknown = (set(rest) - ARGUMENTS.get(do, set())) | (set(match) - MATCHES)
        if unknown:
            raise ValueError(f"{do} has no {sorted(unknown)}")
        self._last += 1
        self.rules[self._last] = Rule(self._last, do, match, times, {"at": now, **rest})
        return self._last

    def draw(self, body: dict[str, Any]) -> None:
        """Switch the random mode on (rates by kind) or off (no rates). Raises ValueError for unknown kinds."""
        unknown = set(body.get("rates", {})) - set(REPLIES) - ORDERS
        if unknown:
            raise ValueError(f"no random fault: {sorted(unknown)}")
        self.rates, self.seed, self.only = body.get("rates", {}), body.get("seed", 0), body.get("match", {})

    def remove(self, number: int | None = None) -> None:
        """Remove one rule, or all of them and the random mode."""
        if number is not None:
            self.rules.pop(number, None)
        else:
            self.rules.clear()
            self.rates = {}

    def reply(self, call: Call) -> Rule | None:
        """How the reply to this call is spoiled."""
        return self._take(call, REPLIES) or self._drawn(call, [kind for kind, suits in REPLIES.items() if suits(call)])

    def plan(self, call: Call) -> Plan:
        """What is in store for the order of this call."""
        rule = self._take(call, ORDERS) or self._drawn(call, sorted(ORDERS))
        args = rule.args if rule else {}
        match rule.do if rule else "":
            case "partial_fills":
                return Plan(parts=args.get("parts", 3))
            case "slow_fill":
                return Plan(delay=args.get("seconds", 900))
            case "reject_after_accept":
                return Plan(reject=True)
            case "slow_cancel":
                return Plan(cancel_after=args.get("seconds", 60))
            case "cancel_pending_forever":
                return Plan(cancel_after=-1)
        return Plan()

    def state(self, kind: str, symbol: str = "") -> dict[str, Any] | None:
        """Arguments of the standing rule of a kind (for this symbol), None when there is none."""
        for rule in self.rules.values():
            if rule.do == kind and rule.match.get("symbol", symbol) == symbol:
                return rule.args
        return None

    def note(self, kind: str, call: Call, rule: int = 0) -> None:
        """Write into the log what was injected; `rule` 0 = drawn."""
        self.log.append(
            {
                "kind": kind,
                "rule": rule,
                "method": call.method,
                "path": call.path,
                "symbols": list(call.symbols),
                "client_order_id": call.client_order_id,
            }
        )

    def _take(self, call: Call, kinds: Container[str]) -> Rule | None:
        for rule in list(self.rules.values()):
            if rule.do not in kinds or not fits(rule.match, call):
                continue
            self._matched[rule.id] += 1
            if self._matched[rule.id] != rule.match.get("nth", self._matched[rule.id]):
                continue
            self._used[rule.id] += 1
            if rule.times and self._used[rule.id] >= rule.times:
                del self.rules[rule.id]
            self.note(rule.do, call, rule.id)
            return rule
        return None

    def _drawn(self, call: Call, kinds: list[str]) -> Rule | None:
        if not self.rates or not fits(self.only, call):
            return None
        bound = 0.0
        chance = chance_of(self.seed, "order" if kinds and kinds[0] in ORDERS else "reply", call)
        for kind in kinds:
            bound += self.rates.get(kind, 0.0)
            if chance < bound:
                self.note(kind, call)
                return Rule(0, kind, {}, 1, {})
        return None


def fits(match: dict[str, Any], call: Call) -> bool:
    """Whether a call is what a rule means, its `nth` left aside."""
    return (
        match.get("method", call.method) == call.method
        and fnmatchcase(call.path, match.get("path", "*"))
        and ("symbol" not in match or match["symbol"] in call.symbols)
        and call.client_order_id.startswith(match.get("client_order_id", ""))
    )


def chance_of(seed: int, what: str, call: Call) -> float:
    """A number in [0, 1) that depends on the seed and the call alone."""
    who = call.client_order_id or f"{call.method} {call.path} {','.join(call.symbols)}"
    digest = hashlib.blake2b(f"{seed}/{what}/{who}/{call.number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
