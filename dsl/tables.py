"""The parser's tables, shipped beside the grammar: to work them out takes longer than everything else at the start.

In: the text of the grammar. Out: a Lark parser made from `grammar.tables.json`, or None when that file is missing or was
made from another grammar or by another version of Lark; then the parser is built from the grammar, which only takes
longer. A test says when the file is stale and `pytest --update-golden` writes it anew.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import lark
from lark import Lark

FILE: Final = "grammar.tables.json"


def load(grammar: str, postlex: Any) -> Lark | None:
    """The parser of a grammar from its shipped tables, if there are any for it."""
    try:
        shipped = json.loads(Path(__file__).with_name(FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(shipped, dict) or shipped.get("made_from") != _made_from(grammar):
        return None
    memo = {int(index): value for index, value in shipped["memo"].items()}
    data = shipped["data"]
    parser = data["parser"]["parser"]
    parser["tokens"] = {int(index): name for index, name in parser["tokens"].items()}
    parser["states"] = {int(state): _row(row) for state, row in parser["states"].items()}
    loaded: Lark = Lark._load_from_dict(data, memo, postlex=postlex)  # type: ignore[no-untyped-call]  # noqa: SLF001 - `Lark.load` takes only a pickle
    return loaded


def _row(row: dict[str, Any]) -> dict[int, Any]:
    """JSON has only text as keys, and lists for tuples."""
    return {int(token): tuple(action) for token, action in row.items()}


def spelled(built: Lark, grammar: str) -> str:
    """The text of the file for a parser that was built from a grammar."""
    data, memo = built.memo_serialize([lark.lexer.TerminalDef, lark.grammar.Rule])
    data["options"] = {name: value for name, value in data["options"].items() if name not in {"postlex", "strict"}}
    tables = {"made_from": _made_from(grammar), "data": data, "memo": memo}
    return json.dumps(tables, separators=(",", ":")) + "\n"


def _made_from(grammar: str) -> str:
    return sha256(f"{lark.__version__}\n{grammar}".encode()).hexdigest()
