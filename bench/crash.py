"""Kill the program again and again while it trades against an Alpaca server, and count what went wrong: one command.

    python bench/crash.py --seed 1 --kills 1000 [--bars FOLDER --vix FILE] [--start DAY --end DAY] [--state FILE] [--part kills|faults]

Months of recorded (or, without them, made-up) bars, each in a new folder with a new book. First a month in which nothing happens; then
months in which the process is killed by SIGKILL at named steps of journal, network, clock and logs, in turn alone and together with
faults of broker and network. In all of them orders of two symbols are filled late and cancelled by age. Killed alone, the venue's book must end the same as without. What is counted in every month stands in
tests/crash/verdict.py; each of doubled, lost, unexplained and blocked has to be 0.

It may be stopped at any time: finished months stand in the state file, and the same command goes on after them. The last line is JSON:
kills, faults, doubled, lost, unexplained, blocked, and what they were counted over. The exit code is 1 when one that has to be 0 is not,
or when nothing was traded.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(1, str(ROOT / "bench"))

from tests.crash.campaign import LATE, Month, Plan, comparable, month, nursery  # noqa: E402
from tests.crash.markets import made_up  # noqa: E402

#: counts that have to be 0
ZERO = ("doubled", "lost", "unexplained", "blocked")
DATA = ROOT.parent / "shared" / "data"


def main() -> None:
    """Run until as many kills as wanted are counted."""
    wanted = _options().parse_args()
    state_file = Path(wanted.state)
    state_file.parent.mkdir(parents=True, exist_ok=True)
    told = vars(wanted) | {"state": ""}
    state = json.loads(state_file.read_text()) if state_file.exists() else {"asked": told, "months": []}
    if {**state["asked"], "kills": 0} != {**told, "kills": 0}:
        raise SystemExit(f"{state_file} is of another command: {state['asked']}; name another --state")
    with tempfile.TemporaryDirectory() as scratch, nursery() as lives:
        home = Path(scratch)
        plan = replace(_plan(wanted, home), rules=LATE)
        print(f"{plan.start} to {plan.end} over {plan.bars}", flush=True)
        base = _month(plan, home / "base", lives)
        print(f"without kills: {base.verdict}", flush=True)
        assert base.verdict is not None
        if not base.verdict.well:
            raise SystemExit(1)
        while _kills(state, wanted.part) < wanted.kills:
            number = len(state["months"])
            faults = wanted.part == "faults" or (wanted.part == "both" and number % 2 == 1)
            now = replace(plan, seed=wanted.seed + number, kills=wanted.each, faults=faults, passed=base.passed)
            began = time.monotonic()
            done = _month(now, home / f"m{number}", lives)
            same = comparable(done.book) == comparable(base.book)
            state["months"].append(_told(now, done, same=same, seconds=time.monotonic() - began))
            state_file.write_text(json.dumps(state, indent=1))
            print(json.dumps(state["months"][-1], default=str)[:400], flush=True)
            for sentence in state["months"][-1]["wrong"]:
                print(f"  {sentence}", flush=True)
            shutil.rmtree(home / f"m{number}")
    told_at_last = _sum(state)
    print(json.dumps(told_at_last))
    sys.exit(0 if _well(told_at_last) else 1)


def _well(told: dict[str, object]) -> bool:
    """Whether nothing that must not happen happened, and there was something to go wrong."""
    return not any(told[name] for name in ZERO) and bool(told["orders"]) and bool(told["fills"])


def _month(plan: Plan, home: Path, lives: object) -> Month:
    home.mkdir()
    return month(plan, home, lives)  # type: ignore[arg-type]


def _told(plan: Plan, done: Month, *, same: bool, seconds: float) -> dict[str, object]:
    """What of a month is kept."""
    verdict = done.verdict
    assert verdict is not None
    wrong = list(verdict.wrong) + (
        [] if same or plan.faults else ["the book differs from that of a month without kills"]
    )
    return {
        "seed": plan.seed, "faults": sum(done.injected.values()), "with_faults": plan.faults, "kills": done.kills,
        "refused_starts": done.refused, "same_book": same, "doubled": verdict.doubled, "lost": verdict.lost,
        "unexplained": verdict.unexplained + (0 if same or plan.faults else 1), "intents": verdict.intents, "orders": verdict.orders,
        "fills": verdict.fills, "blocked": verdict.blocked, "wrong": wrong, "at": dict(done.at), "injected": dict(done.injected),
        "seconds": round(seconds, 1),
    }  # fmt: skip


def _kills(state: dict[str, list[dict[str, int]]], part: str) -> int:
    return sum(m["kills"] for m in state["months"] if part != "faults" or m["with_faults"])


def _sum(state: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    months = state["months"]
    names = (
        "kills",
        "faults",
        "doubled",
        "lost",
        "unexplained",
        "intents",
        "orders",
        "fills",
        "blocked",
        "refused_starts",
    )
    at: Counter[str] = Counter()
    for one in months:
        at.update(one["at"])  # type: ignore[arg-type]
    alone = [one for one in months if not one["with_faults"]]
    return {
        **{name: sum(int(str(one[name])) for one in months) for name in names},
        "months": len(months), "months_alone": len(alone), "same_book": sum(bool(one["same_book"]) for one in alone),
        "points": len(at), "seconds": round(sum(float(str(one["seconds"])) for one in months)),
    }  # fmt: skip


def _plan(wanted: argparse.Namespace, home: Path) -> Plan:
    if wanted.bars:
        return Plan(Path(wanted.bars), Path(wanted.vix) if wanted.vix else None, wanted.start, wanted.end, wanted.seed)
    if (DATA / "us_15m").is_dir():
        return Plan(DATA / "us_15m", DATA / "vix" / "vix_daily_cboe.csv", wanted.start, wanted.end, wanted.seed)
    bars, vix = made_up(home / "market", wanted.start, wanted.end, wanted.seed)
    return Plan(bars, vix, wanted.start, wanted.end, wanted.seed)


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--kills", type=int, default=1000, help="how many, over all months")
    options.add_argument("--each", type=int, default=100, help="how many in one month")
    options.add_argument("--part", choices=("both", "kills", "faults"), default="both")
    options.add_argument("--bars", default="", help="folder of 15m bars; the recorded ones where they are at hand")
    options.add_argument("--vix", default="", help="file of daily VIX values for --bars")
    options.add_argument("--start", default="2025-10-01")
    options.add_argument("--end", default="2025-10-31")
    options.add_argument("--state", default="out/crash/state.json", help="where finished months are kept")
    return options


if __name__ == "__main__":
    main()
