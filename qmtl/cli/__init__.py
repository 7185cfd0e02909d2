"""The command line: the only place that wires adapters to the engine. Commands are loaded when they are called, so that
`qmtl --help` and `qmtl validate` start without numpy or pandas.

Exit codes: 0 ok; 1 errors in text, data or the account; 2 usage; 3 only warnings with --deny-warnings;
74 storage failed; 75 another process holds the lock; 70 a bug in qmtl.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

import click

from qmtl import __version__

#: command -> (module below qmtl.cli, object in it, one line of help)
COMMANDS: Final = {
    "run": ("run", "run", "Tick the worlds of a deployment."),
    "validate": ("validate", "validate", "Check worlds, strategies and deployments."),
    "show": ("show", "show", "Effective values per (symbol, strategy) and where they come from."),
    "test": ("test", "test", "Run the case files: what the worlds decide, against what is expected."),
    "backtest": ("backtest", "backtest", "The same graph over recorded bars: what it would have done, as a report."),
    "diff": ("diff", "diff", "What an edit changes, in domain words, and what it does to positions."),
    "explain": ("explain", "explain", "The page of a diagnostic code, or what a reason code means."),
    "convert": ("convert", "convert", "Rewrite documents as YAML or as .qmtl blocks."),
    "init": ("init", "init", "A folder to start from: a world, two strategies, a case."),
    "graph": ("graph", "graph", "The compiled stage graph as mermaid, dot or json."),
    "schema": ("schema", "schema", "The JSON Schemas of the documents, for editors."),
    "gate": ("gate", "gate", "May a run go on: the live gate, and the shadow gate of a second regime."),
    "journal": ("journal", "journal", "A journal's digest, whether it is sound, a copy of it while it is in use."),
    "status": ("status", "status", "Is the run alive, what may it do, what is wrong; 1 when somebody should look."),
    "orders": ("holdings", "orders", "Orders of the run that work, and why each was sent."),
    "positions": ("holdings", "positions", "What is held, whose it is, what it is worth."),
    "kill": ("kill", "kill", "Stop trading now; with --flatten close everything."),
    "resume": ("resume", "resume", "Lift a kill, or the pause of a symbol; who and why are journaled."),
    "doctor": ("doctor", "doctor", "Check the installation, the text, storage, clock, calendar and broker."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; their one-line help stands in COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"qmtl.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qmtl")
def cli() -> None:
    """qmtl: YAML and .qmtl text, compiled into a stage graph that is ticked every 60 seconds into orders."""


def main() -> None:
    """Entry point: runs the command line; a bug in qmtl ends with exit code 70 and a report file, never a traceback."""
    sys.excepthook = _bug
    try:
        code = cli.main(prog_name="qmtl", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # the reader of a pipe went away (head, less): not an error, and nothing more can be printed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The interpreter's last hook: what arrives here is no user's mistake."""
    if issubclass(kind, KeyboardInterrupt):
        raise SystemExit(130)
    report = Path("qmtl-bug.txt").resolve()
    text = "".join(traceback.format_exception(kind, error, trace))
    click.echo(f"error: a bug in qmtl: {kind.__name__}: {error}", err=True)
    try:
        report.write_text(f"qmtl {__version__}, python {sys.version}\narguments: {sys.argv[1:]}\n\n{text}")
    except OSError:
        click.echo(text, err=True)
    else:
        click.echo(f"  the details are in {report}; please report it with that file", err=True)
    raise SystemExit(70)
