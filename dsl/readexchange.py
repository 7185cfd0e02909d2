"""The tree of an exchange document -> `ExchangePolicy`.

In: a document that fits its schema. Out: the policy, with the defaults of the model for what is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .documents import Document
from .model import ExchangePolicy
from .section import Convert, Findings, Section, decimal, flag, word

_EXCHANGE: Final[Mapping[str, Convert]] = {
    "lot_size": decimal, "fractional": flag, "tick_size": decimal, "min_notional": decimal, "shorting": flag, "time_in_force": word, "order_type": word,
}  # fmt: skip


def read_exchange(document: Document, found: Findings) -> ExchangePolicy:
    """The order rules of a venue; sizes and prices as decimals. Places are noted below `exchange.`."""
    return Section(document.tree, "exchange", found).fill(ExchangePolicy(document.name), _EXCHANGE)
