"""The case files below some paths, checked, and their worlds ready to run.

In: paths. Out: `Suite`: checked documents, worlds under test by file, every file that was read. Each world is compiled
once, in both forms, and all cases of a calendar share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from qmtl.dsl.cases.check import CheckedCases, checked_cases
from qmtl.dsl.cases.model import Case
from qmtl.dsl.compileworld import Compiled, Run, world_of
from qmtl.dsl.diagnostics import Diagnostic, has_errors, in_order
from qmtl.dsl.documents import doubled, find_files
from qmtl.dsl.lower import lower_world
from qmtl.dsl.neighbours import load_once
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.cases.run import WorldUnderTest

#: calendar days before the first tick for each day of bars, holidays and weekends included
_BEFORE = timedelta(days=400)
_AFTER = timedelta(days=40)
#: the longest series covers this many bars: about three years of 15m bars
_PER_DAY = 12


@dataclass(frozen=True, slots=True)
class Suite:
    """Everything below the paths: cases by document, worlds (also those without a case), mistakes, files to watch."""

    documents: tuple[CheckedCases, ...]
    worlds: Mapping[str, Compiled]
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]

    @property
    def well(self) -> bool:
        """Nothing stands in the way of running the cases."""
        return not has_errors(self.diagnostics)


def load_suite(paths: Iterable[str]) -> Suite:
    """Read and check; nothing is run."""
    run = Run()
    files, problems = find_files(Path(path) for path in paths)
    loads = [load_once(path, run.files) for path in files]
    documents = [document for loaded in loads for document in loaded.documents]
    found = [*problems, *(d for loaded in loads for d in loaded.diagnostics)]
    cases = [document for document in documents if document.kind == "case"]
    found += doubled(cases)
    checked = tuple(checked_cases(document, run) for document in cases)
    found += (d for one in checked for d in one.diagnostics)
    compiled = [world_of(document, run) for document in documents if document.kind == "world"]
    found += (d for one in compiled for d in one.diagnostics)
    worlds = {one.file: one for one in (*compiled, *(one.world for one in checked if one.world is not None))}
    read = [*files, *(path for one in worlds.values() for path in one.files)]
    return Suite(checked, worlds, in_order(found), tuple(dict.fromkeys(read)))


def worlds_under_test(suite: Suite) -> dict[str, WorldUnderTest]:
    """The worlds of a suite by their file. Raises `CalendarError` for a calendar that does not exist."""
    ready = {}
    calendars: dict[str, SessionCalendar] = {}
    for file, compiled in suite.worlds.items():
        assert compiled.program is not None
        assert compiled.world is not None
        assert compiled.library is not None
        name = compiled.program.settings.calendar
        if name not in calendars:
            cases = [
                case
                for one in suite.documents
                for case in one.cases
                if one.world is not None and one.world.program is not None
                if one.world.program.settings.calendar == name
            ]
            calendars[name] = _calendar(name, cases)
        given, _ = lower_world(compiled.world, compiled.library, regime_given=True)
        assert given is not None
        ready[file] = WorldUnderTest.of(compiled.program, given, calendars[name])
    return ready


def _calendar(name: str, cases: list[Case]) -> SessionCalendar:
    """Sessions around all ticks, with room for the longest series before them."""
    times = [step.at for case in cases for step in case.steps] or [int(datetime.now(UTC).timestamp())]
    longest = max((_longest(case) for case in cases), default=0)
    first, last = (datetime.fromtimestamp(time, UTC).date() for time in (min(times), max(times)))
    before = _BEFORE + timedelta(days=longest // _PER_DAY)
    return SessionCalendar(name, (first - before).isoformat(), (last + _AFTER).isoformat())


def _longest(case: Case) -> int:
    return max((len(bars.close.values) for step in case.steps for bars in step.bars), default=0)
