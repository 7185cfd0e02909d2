"""Venues and runs for the pitfalls, by the letters of `market`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..venue.start import Handle, hosted
from .market import deployed, moment, texts, written
from .rig import Rig

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # alpaca-py imports a part of websockets that is deprecated
    import alpaca.trading.client  # noqa: F401


class Place:
    """A venue, a folder of texts, and the runs that were opened there."""

    def __init__(self, home: Path, venue: Handle) -> None:
        self.home, self.venue, self.rigs = texts(home), venue, list[Rig]()

    def edit(self, old: str, new: str) -> None:
        """Change the world's text."""
        path = self.home / "worlds" / "tiny.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def rig(self, *, acknowledged: str = "", ahead: float = 0.0, **options: Any) -> Rig:
        """Start the program; options are those of the deployment."""
        config = deployed(self.home, str(options.pop("url", self.venue.url)), **options)
        self.rigs.append(Rig(config, self.venue, acknowledged, ahead))
        return self.rigs[-1]


@pytest.fixture
def place(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Place]]:
    """`place(AAA="0+", ...)`: a venue at 09:30 of the day whose symbols do what the letters say. Other options are the venue's."""
    with ExitStack() as stack:
        made: list[Place] = []

        def build(**options: Any) -> Place:
            letters = {name: options.pop(name) for name in list(options) if name.isupper()}
            bars = written(tmp_path_factory.mktemp("bars") / "15m", letters)
            venue = stack.enter_context(
                hosted(**{"bars": bars, "book": tmp_path / f"venue{len(made)}.db", "now": moment("09:30"), **options})
            )
            monkeypatch.setenv("APCA_API_KEY_ID", venue.key)
            monkeypatch.setenv("APCA_API_SECRET_KEY", venue.secret)
            monkeypatch.setenv("QMTL_STATE", str(tmp_path / "state"))
            made.append(Place(tmp_path / f"home{len(made)}", venue))
            return made[-1]

        yield build
        for one in made:
            for rig in one.rigs:
                rig.crash()


@pytest.fixture
def kill() -> Callable[..., Any]:
    """`qmtl kill` on a run's folder, in this process, without waiting for the run."""

    def say(out: Path, *more: str) -> Any:
        from click.testing import CliRunner

        from qmtl.cli.kill import kill as command

        return CliRunner().invoke(command, ["--out", str(out), "--who", "ada", "--why", "a test", "--wait", "0", *more])

    return say


@pytest.fixture
def resume() -> Callable[..., Any]:
    """`qmtl resume` on a run's folder, in this process, without waiting for the run."""

    def say(out: Path, *more: str) -> Any:
        from click.testing import CliRunner

        from qmtl.cli.resume import resume as command

        return CliRunner().invoke(command, ["--out", str(out), "--who", "ada", "--why", "a test", "--wait", "0", *more])

    return say
