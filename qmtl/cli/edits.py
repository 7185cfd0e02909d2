"""What an edit of a running deployment may not change, and what it takes away at once. Pure.

In: the deployment as it was started, its text as compiled again. Out: sentences about what differs, and `Withdrawn`. Worlds are
swapped while they run; mode, account, feed, broker, clock and folders are not: an edit that touches one of them is refused as a
whole. A permission to trade that the text no longer gives ends before the next order leaves, whatever else the text says or
lacks, and only a start gives it back: whoever takes real money away must never be told that his edit has a mistake elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

from qmtl.dsl.deployments import CompiledDeployment
from qmtl.dsl.identity import program_id
from qmtl.dsl.model import Deployment
from qmtl.dsl.program import Program
from qmtl.engine.errors import QmtlError
from qmtl.engine.execution.troubles import Trouble
from qmtl.engine.orders import Order

_MODES = ("dry", "paper", "live")
#: worlds are compared by their names when they are swapped; the others are for people
_FREE = frozenset({"worlds", "description"})
_START = "stop it (Ctrl-C) and start again"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What the text took away since the run began: `mode` is the lesser mode that it asked for, "" = none; `worlds` may not trade
    real money any more."""

    mode: str = ""
    worlds: frozenset[str] = frozenset()

    def refuses(self, order: Order) -> str:
        """Why an order may not leave, "" when it may: nothing leaves under a lesser mode, and of a world only exits."""
        if self.mode:
            return f"the text says `mode: {self.mode}`"
        ours = order.leg == "open" and any(part.world in self.worlds for part in order.attribution)
        return "its world may not trade real money any more" if ours else ""


NOTHING = Withdrawn()


def withdrawn(before: Withdrawn, compiled: CompiledDeployment, mode: str, programs: Sequence[Program]) -> Withdrawn:
    """What is taken away after this edit; `mode` and `programs` are what runs. A broken text takes away what it says plainly: a
    lesser `mode:`, and `allow_live` of a world that is well itself."""
    modes = [said for said in (before.mode, compiled.mode) if said and _less(said, mode)]
    may = {c.world.settings.world: c.world.settings.allow_live for c in compiled.worlds if c.world is not None}
    names = (p.settings.world for p in programs if mode == "live" and p.settings.allow_live)
    return Withdrawn(
        min(modes, key=_MODES.index, default=""), before.worlds.union(n for n in names if not may.get(n, True))
    )


def restricted(programs: Sequence[Program], taken: Withdrawn) -> tuple[Program, ...]:
    """The programs that run on: the worlds from which something was taken decide no entries any more (`risk.trading: reducing`),
    so that what they wish is what can leave."""
    return tuple(_reducing(p) if taken.mode or p.settings.world in taken.worlds else p for p in programs)


def check_edit(
    started: Deployment, edited: Deployment, running: Sequence[Program], programs: Sequence[Program]
) -> None:
    """QmtlError when the text differs from what was started in something that cannot change while it runs, or gives a world a
    permission for real money that the running one does not have."""
    if lines := differing(started, edited):
        more = _with_leave(started.mode, edited.mode)
        raise QmtlError(f"what cannot change while it runs differs: {'; '.join(lines)}", f"{_START}{more}, or undo it")
    had = {p.settings.world: p.settings.allow_live for p in running}
    given = [
        p.settings.world
        for p in programs
        if started.mode == "live" and p.settings.allow_live and not had.get(p.settings.world)
    ]
    if given:
        raise QmtlError(f"`allow_live: true` of the world {given[0]} does not take effect while it runs", _START)


def differing(started: Deployment, edited: Deployment) -> tuple[str, ...]:
    """`key: old -> new` of every key of the deployment that cannot change while it runs."""
    old, new = dict(_flat(started)), dict(_flat(edited))
    keys = dict.fromkeys((*old, *new))
    return tuple(f"`{key}`: {_shown(old, key)} -> {_shown(new, key)}" for key in keys if old.get(key) != new.get(key))


def raised(started: Deployment, compiled: CompiledDeployment) -> str:
    """A sentence about a broken edit that asks for more than what runs, "" when it does not."""
    if not compiled.mode or not _less(started.mode, compiled.mode):
        return ""
    return (
        f"`mode: {compiled.mode}` never takes effect while it runs: {_START}{_with_leave(started.mode, compiled.mode)}"
    )


def troubles(taken: Withdrawn, mode: str, lack: str = "") -> tuple[Trouble, ...]:
    """What a person has to hear of it as long as it lasts; `lack` says why worlds could not be restricted."""
    found = []
    if taken.mode:
        told = (
            f"NOTHING IS SENT any more, exits included: the run is {mode}, and its text says `mode: {taken.mode}`; what is held has "
            f"no stops. Start again as {mode} with the former text to manage it, or close it at the broker; `mode: {taken.mode}` "
            "then needs an `out` folder of its own"
        )
        found.append(Trouble("withdrawn mode", told))
    for world in sorted(taken.worlds) if not taken.mode else ():
        told = (
            f"the text of the world {world} no longer has `allow_live: true`: nothing is opened in it any more, its exits go on. "
            f"To give it back, write it again, then {_START}"
        )
        found.append(Trouble(f"withdrawn {world}", told))
    if lack:
        found.append(
            Trouble("withdrawn lack", f"entries are still decided and stopped only at the last moment: {lack}")
        )
    return tuple(found)


def given_back_by_a_start(taken: Withdrawn) -> str:
    """What a text that is edited again, or back, does not bring back; "" when nothing was taken away. A world whose `allow_live` was
    taken away needs no word here: while it lacks it the text is refused, and so is giving it back."""
    if not taken.mode:
        return ""
    return f"it asked for `mode: {taken.mode}` while it ran: nothing is sent until it is stopped and started again"


def permitted(taken: Callable[[], Withdrawn]) -> Callable[[Order], str]:
    """A check of the last moment; `taken` is asked each time."""
    return lambda order: taken().refuses(order)


def _reducing(program: Program) -> Program:
    settings = program.settings
    if settings.risk.trading == "active":
        settings = replace(settings, risk=replace(settings.risk, trading="reducing"))
    less = replace(program, settings=replace(settings, allow_live=False))
    return replace(less, program_id=program_id(less))


def _less(one: str, other: str) -> bool:
    return _MODES.index(one) < _MODES.index(other)


def _with_leave(mode: str, wanted: str) -> str:
    return " with --acknowledge-live ACCOUNT" if wanted == "live" != mode else ""


def _flat(deployment: Deployment) -> Iterator[tuple[str, object]]:
    for field in fields(deployment):
        value = getattr(deployment, field.name)
        if field.name in _FREE:
            continue
        if not is_dataclass(value) or isinstance(value, type):
            yield field.name, value
            continue
        if field.name != "clock":  # which has a kind of its own
            yield f"{field.name}.kind", type(value).__name__.removesuffix(field.name.capitalize()).lower()
        yield from ((f"{field.name}.{part.name}", getattr(value, part.name)) for part in fields(value))


def _shown(values: Mapping[str, object], key: str) -> str:
    """A value for people; what stands before the host of an address is nobody's business."""
    text = str(values.get(key, ""))
    return re.sub(r"//[^/]*@", "//***@", text) or "nothing"
