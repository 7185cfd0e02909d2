"""A copy of everything that is shipped as text, with lists in CSV beside it, for the fuzzer to break."""

from __future__ import annotations

import shutil
from pathlib import Path

from .judge import Project

ROOT = Path(__file__).resolve().parents[2]
#: a world whose allowlist and sectors come from CSV files, so that those are broken too
LISTS = {
    "lists/by_list.yaml": (
        "# a world that reads its lists from files\nversion: 1\nworld: by_list\ncalendar: XNYS\nuniverse: [SPY, AAPL, MSFT]\n"
        "sectors: sectors.csv\nchains:\n  - name: calm\n    when: p_chop >= 0.5 and p_high_vol < 0.3\n"
        "    strategies: [zscore_reversion]\n    exposure: 50%\n  - name: rest\n    otherwise: true\n"
        "    strategies: [roc_momentum]\n    exposure: 40%\nhysteresis: {calm: {p_chop: 0.1}}\nallowlist: by_list\n"
        "parameters:\n  roc_momentum:\n    default: {threshold: 1%}\n    by_symbol:\n      AAPL: {fast: 5, threshold: 2%}\n"
        "exchange: alpaca\ncapital: 20%\n"
    ),
    "lists/allowlist.yaml": "version: 1\nallowlist: by_list\ncsv: allow.csv\n",
    "lists/exchange.yaml": "version: 1\nexchange: alpaca\nlot_size: 1\ntick_size: 0.01\n",
    "lists/allow.csv": (
        'symbol,strategy,enabled,reason,until\nSPY,roc_momentum,true,,\nAAPL,roc_momentum,true,"quick, and small",2027-01-31\n'
        "AAPL,zscore_reversion,false,too slow,\nMSFT,zscore_reversion,true,,\n"
    ),
    "lists/sectors.csv": "symbol,sector\nSPY,index\nAAPL,technology\nMSFT,technology\n",
}


def project(folder: Path) -> Project:
    """The shipped worlds, strategies and deployments in a folder, ready to be broken."""
    for name in ("worlds", "strategies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    for path in sorted(ROOT.glob("*.yaml")):
        shutil.copy(path, folder / path.name)
    for name, text in LISTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    made = Project(folder)
    made.load()
    return made
