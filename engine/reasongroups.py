"""Reason codes by the step that decides: titles for the page of reasons and for `qmtl explain`.

In: nothing. Out: `GROUPS`. It stands apart so that the page and the help may each read it.
"""

from __future__ import annotations

from typing import Final

#: first number of each group of the registry -> what decides there
GROUPS: Final = {
    1: "Missing values and freshness (steps 1 and 2)",
    12: "Splits (step 1)",
    20: "Account and positions (step 1)",
    24: "Regime and chain (steps 3 and 4)",
    28: "Allowlist and signals (steps 5 and 6)",
    40: "Selection (step 7)",
    50: "Target, caps and entry guards (step 8)",
    60: "Stops and takes (step 8)",
    70: "Churn guard (step 9)",
    80: "Position policy (step 10)",
    90: "Orders (step 11)",
    120: "Risk and kills (steps 11 and 12)",
    140: "Netting: what the venue or the account does not allow",
    200: "Reconciliation: the account as the broker sees it",
}
