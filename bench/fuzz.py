"""Breaks the shipped texts many times over and judges every message (tests/fuzz).

    python bench/fuzz.py [--seed 1] [--mutants 20000] [--keep FOLDER]

Each mutant has a seed of its own, made of the run's seed and its number, so that a run may be cut into pieces (`--from`) and
a finding made again alone. `--keep` writes the mutants with findings to a folder.

Last line: one JSON object {mutants, tracebacks, wrong_spans, undetected, seconds}.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
SHOWN = 25


def main() -> None:
    """Print findings as they come, a table of the ways to break a text, and the JSON line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--mutants", type=int, default=20_000)
    options.add_argument("--from", type=int, default=0, dest="first", help="number of the first mutant")
    options.add_argument("--keep", type=Path)
    chosen = options.parse_args()
    sys.path.insert(0, str(ROOT))
    project = importlib.import_module("tests.fuzz.project").project
    hows: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shipped = project(Path(folder))
        for number in range(chosen.first, chosen.first + chosen.mutants):
            broken = shipped.mutant(Random(f"{chosen.seed}/{number}"))
            hows[broken.how] += 1
            verdicts = shipped.judged(broken)
            # one mutant counts once for each kind of finding
            for kind in sorted({verdict.kind for verdict in verdicts}):
                kinds[kind] += 1
            if verdicts:
                _show(number, verdicts[0], sum(kinds.values()), chosen.keep)
    for how, count in hows.most_common():
        print(f"{count:>7}  {how}")
    out = {
        "mutants": chosen.mutants,
        "tracebacks": kinds["traceback"],
        "wrong_spans": kinds["wrong span"],
        "undetected": kinds["undetected"],
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(out))


def _show(number: int, verdict: object, count: int, keep: Path | None) -> None:
    broken = verdict.mutant  # type: ignore[attr-defined]
    if count <= SHOWN:
        print(f"#{number} {verdict.kind}: {broken.file}: {broken.how}\n    {verdict.what}", flush=True)  # type: ignore[attr-defined]
    if keep is not None:
        target = keep / str(number) / broken.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(broken.text.encode())


if __name__ == "__main__":
    main()
