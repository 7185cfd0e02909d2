"""What a refusal of Alpaca means: one table, first match wins (R25, R32, R39).

In: HTTP status, Alpaca's own code and its message. Out: a `Verdict`. Codes are coarse (40310000 stands for a dozen reasons), so
most rows look at the message as well; messages change without notice, so what no row knows is a business reject of unknown
reason: it puts its symbol to rest and is told, and never stops the account. Sources of codes and texts: the OpenAPI documents,
the broker's pages on orders, user protections and common errors, and public issue reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: the client id was used before; the order may be this one
DUPLICATE = "duplicate"
#: keys are wrong, revoked, or of another account
AUTH = "auth"
#: the subscription does not cover what was asked for
ENTITLEMENT = "entitlement"
NOT_FOUND = "not_found"
RATE = "rate"
SERVER = "server"
BUSINESS = "business"
#: labels that a person should hear of: we sent what nobody takes, or were refused for no known reason
FORM, UNLISTED = "form", "unlisted"
#: no status that says anything
UNKNOWN = "unknown"

#: a symbol in quotes is no word of the message: there is a ticker HALT
_SYMBOL = re.compile(r'"[A-Z0-9./]{1,12}"')
_ANY = frozenset(range(400, 500))
_REFUSED = frozenset({400, 403, 422})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`kind` is one of the words above, `label` a shorter reason ("buying_power", "closed"), "unlisted" where no row knows it."""

    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class _Row:
    """A row fits when its statuses have the status, its codes (if any) the code, and its pattern is in the message."""

    statuses: frozenset[int]
    codes: frozenset[int]
    pattern: re.Pattern[str]
    verdict: Verdict


def _row(statuses: frozenset[int], pattern: str, kind: str, label: str, codes: tuple[int, ...] = ()) -> _Row:
    return _Row(statuses, frozenset(codes), re.compile(pattern, re.IGNORECASE), Verdict(kind, label))


_S401, _S403, _S404, _S429 = (frozenset({status}) for status in (401, 403, 404, 429))

_TABLE: tuple[_Row, ...] = (
    _row(_ANY, r"client.?order.?id must be unique", DUPLICATE, "duplicate"),
    # authentication: 401, and the 403 of a gateway that knows the key no more
    _row(_S401, r"", AUTH, "auth"),
    _row(_S403, r"^\s*forbidden\.?\s*$", AUTH, "auth"),
    _row(_S403, r"access key|api key|request is not authorized|invalid (credentials|signature)", AUTH, "auth"),
    # what the subscription does not cover
    _row(_ANY, r"subscription|not permit querying recent|insufficient subscription", ENTITLEMENT, "entitlement"),
    _row(_S429, r"", RATE, "rate"),
    # R32: the market, or this symbol, is closed for now
    _row(_REFUSED, r"market (is|has been) closed|only allowed during market hours|outside .*hours", BUSINESS, "closed"),
    _row(_REFUSED, r"\bhalt(ed)?\b|trading (is )?(paused|suspended)|stock too volatile", BUSINESS, "halted"),
    # day trades: the rule ended 2026-06-04, its codes may still come from accounts that are under it
    _row(_REFUSED, r"pattern day trad|\bpdt\b", BUSINESS, "day_trades"),
    _row(_REFUSED, r"", BUSINESS, "day_trades", (40310100,)),
    _row(_REFUSED, r"intraday margin", BUSINESS, "intraday_margin"),
    _row(_REFUSED, r"day ?trad(e|ing) (margin|buying power)", BUSINESS, "buying_power"),
    _row(_REFUSED, r"buying power|insufficient (balance|funds|cash|equity|margin)", BUSINESS, "buying_power"),
    # the other side, and selling what one does not have
    _row(_REFUSED, r"wash trade|opposite side|while a (long|short) .* order is open", BUSINESS, "opposite_side"),
    _row(_REFUSED, r"fractional .*(short)|short.*fractional", BUSINESS, "fraction"),
    _row(_REFUSED, r"short|easy.to.borrow|hard.to.borrow|\blocate\b", BUSINESS, "short"),
    _row(_REFUSED, r"insufficient (qty|quantity)|no available position|position not found", BUSINESS, "quantity"),
    _row(_REFUSED, r"fraction|notional|qty must be (an )?integer", BUSINESS, "fraction"),
    _row(_REFUSED, r"sub-penny|limit.?price|price (is )?(too|away)|price band|pricing criteria", BUSINESS, "price"),
    _row(_REFUSED, r"asset .*(not found|not active|not tradable)|not tradable|not active", BUSINESS, "asset"),
    _row(_REFUSED, r"cost basis|minimal amount", BUSINESS, "notional"),
    _row(_REFUSED, r"time.in.force|order.?type|extended hours|\b(opg|cls) orders", BUSINESS, FORM),
    _row(
        _REFUSED, r"not cancel(l)?able|already (in )?.*(filled|canceled|state)|cannot be cancel", BUSINESS, "too_late"
    ),
    # the account as a whole: a matter of the operator, not of the keys
    _row(_REFUSED, r"rejected by user request|restricted|not authori[sz]ed to trade", BUSINESS, "account"),
    _row(_REFUSED, r"not (allowed|eligible)|blocked|suspended", BUSINESS, "account"),
    _row(_REFUSED, r"\bqty\b|quantity", BUSINESS, "quantity"),
    # what was sent is not what it should be: a mistake of ours, or a change of theirs
    _row(_REFUSED, r"\binvalid\b|\brequired?\b|\bmissing\b|must (be|specify)|no more than|mismatch", BUSINESS, FORM),
    _row(_REFUSED, r"cannot replace|not changed|direction can only|should not be before", BUSINESS, FORM),
    _row(_S404, r"\border\b.*not found", NOT_FOUND, "not_found"),
    # the same code says that an endpoint is not there, which is no word about an order
    _row(_S404, r"^(?!.*\b(endpoint|account|route|path|page)\b)", NOT_FOUND, "not_found", (40410000,)),
)


def classify(status: int, code: int, message: str) -> Verdict:
    """What this answer means; `code` 0 and `message` "" where the body has none."""
    message = _SYMBOL.sub("", message)
    for row in _TABLE:
        if status in row.statuses and (not row.codes or code in row.codes) and row.pattern.search(message):
            return row.verdict
    if status >= 500 or status == 408:
        return Verdict(SERVER, "server")
    return Verdict(BUSINESS, UNLISTED) if 400 <= status < 500 else Verdict(UNKNOWN, "unknown")
