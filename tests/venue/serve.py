"""An Alpaca server for tests: real HTTP on loopback, its own persistent book, a virtual clock, faults on demand.

As a process:

    python tests/venue/serve.py --port 0 --book BOOK.db --bars FOLDER --now EPOCH [--cash 100000] [--account margin|cash]
        [--plan free|unlimited] [--seed 0] [--key K --secret S] [--rate-limit N] [--symbols A,B] [--end-with-stdin]

prints one JSON line when it answers, {"url", "pid", "key", "secret", "account_number"}, and serves until SIGTERM, SIGINT, or,
with --end-with-stdin, until its stdin closes (so that it never outlives whoever started it). The same --book goes on where
it stopped. Without --now it runs on the wall clock. Keys are PKTEST and test-secret unless given.

From a test or a bench, in this process or another:

    from .start import hosted, started             # tests/venue; elsewhere in tests: from ..venue.start import ...
    with started(bars=FOLDER, book=PATH, now=EPOCH) as venue:    # a process of its own; hosted(...): a thread in this one
        TradingClient(venue.key, venue.secret, url_override=venue.url)
        venue.move(EPOCH + 60)                     # time passes only so; never backwards
        venue.fault({"do": "accept_then_drop", "match": {"method": "POST", "path": "/v2/orders", "symbol": "SPY"}})
        venue.draw(seed=7, rates={"accept_then_504": 0.02, "partial_fills": 0.1})
        venue.manual(do="deposit", amount="500")
        venue.book(), venue.calls(), venue.log()   # for verdicts

bench/ is no package of tests: put `tests` on sys.path and `from venue.start import started`.

Over HTTP the same: GET/POST /_venue/clock {"now"}; GET/POST/DELETE /_venue/faults, DELETE /_venue/faults/{id}, GET
/_venue/faults/log; GET /_venue/book; GET /_venue/calls (number of calls by endpoint, wrong keys not counted); POST
/_venue/manual {"do": ...}:

    order     symbol, side, qty, ...             an order without our prefix, checked like any other
    trade     symbol, qty (signed), price        done at once
    cancel    id or client_order_id
    deposit, withdraw  amount                    CSD and CSW activities
    activity  type, net_amount, ...              dividend, fee, interest
    split     symbol, ratio                      10 = ten for one; open orders of the symbol are cancelled
    asset     symbol, tradable, shortable, easy_to_borrow, fractionable, status

How it fills stands in `matching`, money in `money`, checks in `admission` and `orderbody`, refusals and where we know them
from in `refusals`, kinds of faults in `faults`. Not there: options, crypto, streams, day-trade and intraday-margin rules,
regulatory fees, borrow costs and interest (write them with `activity`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from decimal import Decimal
from pathlib import Path

if __name__ == "__main__":  # a script, not a member of the package yet: make `tests` the place it is imported from
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from venue.serve import main

    sys.exit(main())

from .render import account_number
from .venue import Settings, opened
from .wire import Server


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end."""
    options = _options().parse_args(arguments)
    settings = Settings(
        key=options.key,
        secret=options.secret,
        cash=Decimal(options.cash),
        account=options.account,
        plan=options.plan,
        seed=options.seed,
        rate_limit=options.rate_limit,
        symbols=tuple(filter(None, options.symbols.split(","))),
    )
    venue = opened(settings, options.bars, options.book, options.now)
    server = Server(venue, options.port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    done = threading.Event()  # whoever reads the hello may end it at once
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    hello = {"url": server.url, "pid": os.getpid(), "key": settings.key, "secret": settings.secret}
    print(json.dumps({**hello, "account_number": account_number(venue)}), flush=True)  # noqa: T201 - that is the protocol
    if options.end_with_stdin:
        threading.Thread(target=_read_out, args=(done,), daemon=True).start()
    done.wait()
    server.stop()
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="an Alpaca server for tests")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--book", type=Path)
    parser.add_argument("--bars", type=Path, required=True)
    parser.add_argument("--now", type=float)
    parser.add_argument("--cash", default="100000")
    parser.add_argument("--account", choices=("margin", "cash"), default="margin")
    parser.add_argument("--plan", choices=("free", "unlimited"), default="free")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", default="PKTEST")
    parser.add_argument("--secret", default="test-secret")
    parser.add_argument("--rate-limit", type=int, default=0)
    parser.add_argument("--symbols", default="")
    parser.add_argument("--end-with-stdin", action="store_true")
    return parser


def _read_out(done: threading.Event) -> None:
    """Read stdin to its end. Not through sys.stdin: its lock would be held when the process ends by a signal."""
    while os.read(0, 4096):
        pass
    done.set()
