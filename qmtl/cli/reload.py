"""Edited text into a running runtime: all worlds under their new programs between two ticks, or none.

In: a runtime, its open edges, newly compiled programs. Out: whether anything changed. Everything is built before anything
is replaced; when something fails the former programs go on as if nothing had been edited.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from qmtl.dsl.codec import program_to_json
from qmtl.dsl.model import Deployment, PaperBroker
from qmtl.dsl.program import Program
from qmtl.engine.errors import QmtlError
from qmtl.engine.runtime import Runtime
from qmtl.engine.start import Setting, note, swap

from .wiring import Opened, open_edges, stored_program, universe


def setting_of(deployment: Deployment, opened: Opened) -> Setting:
    """What starting and swapping need, from open edges."""
    return Setting(
        opened.edges,
        opened.calendar,
        opened.delay,
        deployment.clock.interval,
        deployment.mode,
        program_to_json,
        stored_program,
        "paper" if isinstance(deployment.broker, PaperBroker) else "alpaca",
    )


def swap_all(
    runtime: Runtime, setting: Setting, programs: tuple[Program, ...], deployment: Deployment, opened: Opened
) -> bool:
    """Swap; False when the edit changed no meaning. Raises QmtlError when it cannot be done while running."""
    former = {world.name: world for world in runtime.worlds}
    if [w.frame.program.program_id for w in runtime.worlds] == [p.program_id for p in programs]:
        return False
    if set(former) != {program.settings.world for program in programs}:
        raise QmtlError("worlds cannot be added or taken away while it runs", "stop and start again")
    with ExitStack() as undo:
        edges = setting.edges
        venues = (runtime.worlds[0].frame.program.settings.exchange, programs[0].settings.exchange)
        if universe(programs) != edges.feed.symbols or venues[0] != venues[1]:
            live = (opened.lines, opened.asked)
            feed, macro, quotes, broker = open_edges(deployment, programs, setting.calendar, opened.journal, live)
            if opened.lines is None:
                undo.callback(broker.close)
            edges = replace(edges, feed=feed, macro=macro, quotes=quotes, broker=broker)
        moved = replace(setting, edges=edges)
        worlds = [swap(moved, former[p.settings.world], p, runtime.progress) for p in programs]
        undo.pop_all()
    if edges.broker is not opened.edges.broker and opened.lines is None:  # those at Alpaca share their lines
        opened.edges.broker.close()
    opened.edges = edges
    runtime.worlds, runtime.edges = worlds, edges
    note(runtime, moved)
    return True
