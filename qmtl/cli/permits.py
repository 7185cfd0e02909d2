"""What stops an order at the last moment, and how a run is set: from open edges to a `Permit` and `RunSettings`.

In: a deployment, its open edges, the flag of a stop. Out: checks that are asked before each order leaves. A kill and the end of a
tick's time are the runtime's own.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from qmtl.dsl.model import Deployment
from qmtl.engine.execution.send import Check, Permit
from qmtl.engine.orders import Order
from qmtl.engine.runtime import RunSettings

from .edits import permitted
from .wiring import Opened

#: part of the interval after which a tick on a wall clock sends nothing more
_SHARE = 0.8


def settings_of(deployment: Deployment) -> RunSettings:
    """How the runtime ticks this deployment."""
    live = deployment.clock.kind == "wall"
    return RunSettings(
        deployment.account,
        deployment.mode,
        deployment.clock.interval,
        deployment.snapshot_every,
        deadline=_SHARE * deployment.clock.interval if live else math.inf,
        max_skew=float(deployment.clock.max_skew) if live else math.inf,
    )


def permit_of(opened: Opened, deployment: Deployment, stopped: threading.Event) -> Permit:
    """After a stop nothing leaves (a replay sends its tick to the end: nobody waits for it, and its book stays comparable), and
    nothing without the locks that keep other runners away (R07, R08), and nothing that the text of now takes back (R53)."""
    checks: list[Check] = [_unlocked(opened), permitted(lambda: opened.withdrawn)]
    if deployment.clock.kind == "wall":
        checks.append(_stopped(stopped))
    return Permit(tuple(checks))


def _unlocked(opened: Opened) -> Callable[[Order], str]:
    def check(_order: Order) -> str:
        return "a lock of the run is lost" if opened.lost_lock() else ""

    return check


def _stopped(stopped: threading.Event) -> Callable[[Order], str]:
    def check(_order: Order) -> str:
        return "the run is stopping" if stopped.is_set() else ""

    return check
