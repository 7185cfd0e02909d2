"""A small client of yaml-language-server, the program that editors ask about YAML files.

In: YAML texts under names of files. Out: what an editor would show: completions, hovers, diagnostics. The server is
installed once per machine into the user's cache, never into the repository; without npm or its registry the tests skip.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: the last version that node 20 runs; pinned, so that a release of theirs does not turn our tests red
VERSION: Final = "1.25.0"
_PATIENCE: Final = 20.0
#: what a user has by default, less the catalogue of schemas that would be fetched from the net
_SETTINGS: Final = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}


def install() -> Path:
    """The script of the server, installed when it is not there yet; skips the test where it cannot be had."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm or node is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qmtl-tests"
    place = cache / f"yaml-language-server-{VERSION}"
    script = place / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    if not script.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as draft:
            _install(npm, Path(draft) / "server")
            if not place.exists():  # another worker may have been faster
                (Path(draft) / "server").rename(place)
    return script


def _install(npm: str, place: Path) -> None:
    place.mkdir()
    command = [npm, "install", "--prefix", str(place), "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        done = subprocess.run(
            [*command, f"yaml-language-server@{VERSION}"], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry did not answer within a minute")
    if done.returncode:
        assert "E404" not in done.stderr, done.stderr  # a version that is not there is our mistake, not the network's
        assert "ETARGET" not in done.stderr, done.stderr
        pytest.skip(f"npm cannot install the server: {done.stderr.strip().splitlines()[-1:]}")


class LanguageServer:
    """JSON-RPC with Content-Length over the pipes of one server process."""

    def __init__(self, script: Path) -> None:
        node = shutil.which("node")
        assert node is not None
        self._process = subprocess.Popen(
            [node, str(script), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._inbox: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._number = 0
        self.request("initialize", {"processId": os.getpid(), "rootUri": ROOT.as_uri(), "capabilities": _CAPABILITIES})
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": {"yaml": _SETTINGS}})

    def close(self) -> None:
        """Ends the process as an editor does."""
        self.request("shutdown", None)
        self._notify("exit", None)
        self._process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    def open(self, file: Path, text: str) -> list[dict[str, Any]]:
        """Opens a text under a name of a file (which need not exist); gives its diagnostics."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == file.as_uri():
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found

    def completions(self, file: Path, line: int, column: int) -> list[str]:
        """Labels that are offered at a place."""
        answer = self.request("textDocument/completion", _place(file, line, column))
        return [item["label"] for item in answer["items"]]

    def hover(self, file: Path, line: int, column: int) -> str:
        """The text that is shown at a place."""
        answer = self.request("textDocument/hover", _place(file, line, column))
        return "" if answer is None else str(answer["contents"]["value"])

    def request(self, method: str, params: object) -> Any:
        """Asks and waits for the answer."""
        self._number += 1
        number = self._number
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _notify(self, method: str, params: object) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def _next(self) -> dict[str, Any]:
        """The next message for us; questions of the server are answered on the way."""
        while True:
            try:
                message = self._inbox.get(timeout=_PATIENCE)
            except Empty:
                pytest.fail(f"yaml-language-server said nothing for {_PATIENCE:g} s")
            if "method" not in message or "id" not in message:
                return message
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": _answer(message)})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.removeprefix(b"Content-Length:"))
            while stream.readline().strip():
                pass
            self._inbox.put(json.loads(stream.read(length)))


_CAPABILITIES: Final = {
    "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
    "textDocument": {
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
    },
}


def _answer(question: dict[str, Any]) -> object:
    """Settings by section, nothing else."""
    if question["method"] != "workspace/configuration":
        return None
    return [_SETTINGS if item.get("section") == "yaml" else {} for item in question["params"]["items"]]


def _place(file: Path, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": column}}


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    """One running server for the tests of a module."""
    running = LanguageServer(install())
    yield running
    running.close()
