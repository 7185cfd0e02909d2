"""Edited text into a running runtime: all worlds under their new programs between two ticks, or none.

In: a runtime, its open edges, newly compiled programs. Out: whether anything changed. Everything is built before anything
is replaced; when something fails the former programs go on as if nothing had been edited.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from qmtl.dsl.codec import program_to_json
from qmtl.dsl.model import Deployment
from qmtl.dsl.program import Program
from qmtl.engine.errors import QmtlError
from qmtl.engine.runtime import Runtime
from qmtl.engine.start import Setting, note, swap

from .wiring import Opened, open_broker, open_feed, stored_program, universe


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
        edges, broker = setting.edges, opened.broker
        venues = (runtime.worlds[0].frame.program.settings.exchange, programs[0].settings.exchange)
        if universe(programs) != edges.feed.symbols or venues[0] != venues[1]:
            feed, macro = open_feed(deployment, programs, setting.calendar)
            broker = open_broker(deployment, programs, feed, setting.calendar)
            undo.callback(broker.close)
            edges = replace(edges, feed=feed, macro=macro, broker=broker)
        moved = replace(setting, edges=edges)
        worlds = [swap(moved, former[p.settings.world], p, runtime.progress) for p in programs]
        undo.pop_all()
    if broker is not opened.broker:
        opened.broker.close()
    opened.edges, opened.broker = edges, broker
    runtime.worlds, runtime.edges = worlds, edges
    note(runtime, moved)
    return True
