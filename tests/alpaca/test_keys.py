"""Keys: where they come from, which address they are for, and that nothing shows them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from qmtl.engine.adapters.alpaca.keys import DATA, LIVE, PAPER, Endpoints, Keys, Secret, endpoints, read_keys
from qmtl.engine.errors import BrokerError

from .conftest import ENVIRONMENT, KEY, SECRET


def keys(name: str = KEY) -> Keys:
    return Keys(Secret(name), Secret(SECRET))


def test_keys_come_from_the_environment_or_from_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"  {SECRET}\n")
    for environment in (ENVIRONMENT, {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY_FILE": str(file)}):
        found = read_keys(environment)
        assert (found.name.reveal(), found.secret.reveal()) == (KEY, SECRET)


def test_what_is_missing_is_named_and_what_is_there_is_not_shown(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for environment, said in (
        ({}, "APCA_API_KEY_ID is not set"),
        ({"APCA_API_KEY_ID": KEY}, "APCA_API_SECRET_KEY is not set"),
        ({**ENVIRONMENT, "APCA_API_SECRET_KEY_FILE": "x"}, "both set"),
        ({"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY_FILE": str(tmp_path / "no")}, "cannot be read"),
        ({"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY_FILE": str(binary)}, "cannot be read"),
        ({"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": f"{SECRET} {SECRET}"}, "holds what no key"),
        ({"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": f"{SECRET}\r\nX-Evil: 1"}, "holds what no key"),
    ):
        with pytest.raises(BrokerError, match=said) as error:
            read_keys(environment)
        assert SECRET not in str(error.value) + error.value.hint


def test_a_secret_shows_itself_to_nobody() -> None:
    made = keys()
    shown = f"{made} {made!r} {made.name} {made.secret:>40} {[made.secret]}"
    assert KEY not in shown
    assert SECRET not in shown
    with pytest.raises(TypeError):
        pickle.dumps(made.secret)
    assert made.cleaned(f"bad {SECRET} of {KEY}") == "bad *** of ***"


@pytest.mark.parametrize(
    ("name", "mode", "trading"),
    [
        ("PK1", "paper", PAPER),
        ("AK1", "live", LIVE),
        ("PK1", "dry", PAPER),
        ("AK1", "dry", LIVE),
        ("CK1", "paper", PAPER),
    ],
)
def test_the_prefix_of_the_key_decides_the_address(name: str, mode: str, trading: str) -> None:
    assert endpoints(keys(name), mode) == Endpoints(trading, DATA)


@pytest.mark.parametrize(
    ("name", "mode", "url", "said"),
    [
        ("AK1", "paper", "", "belongs to a live account"),
        ("PK1", "live", "", "belongs to a paper account"),
        ("PK1", "live", "http://127.0.0.1:1", "belongs to a paper account"),
        ("PK1", "paper", LIVE, "is the address of live accounts"),
        ("AK1", "live", PAPER, "is the address of paper accounts"),
        ("PK1", "dry", LIVE, "is the address of live accounts"),
        ("CK1", "dry", "", "does not tell"),
        ("PK1", "paper", "http://example.com", "not https"),
        ("PK1", "paper", "http://127.0.0.1.example.com", "not https"),
        ("PK1", "paper", "ftp://127.0.0.1", "not https"),
        ("PK1", "paper", "https://me:you@example.com", "must not hold"),
        ("PK1", "paper", "https://example.com/v2/orders", "no base address"),
        ("PK1", "paper", "https://example.com?x=1", "no base address"),
        ("PK1", "paper", "paper-api.alpaca.markets", "no base address"),
    ],
)
def test_r53_mode_key_and_address_must_belong_together(name: str, mode: str, url: str, said: str) -> None:
    with pytest.raises(BrokerError, match=said):
        endpoints(keys(name), mode, url)


def test_given_addresses_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:9/v2/", "https://proxy.example.com"):
        found = endpoints(keys(), "paper", url, "https://data.example.com/v2")
        assert found.trading == url.rstrip("/").removesuffix("/v2")
        assert found.data == "https://data.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets:443",
        "https://API.alpaca.markets/",
        "HTTPS://Api.Alpaca.Markets:443/v2/",
        "https://api.alpaca.markets.",
        "https://api.alpaca.markets.:443",
        "https://api.alpaca.markets:8443",
        "https://api.alpaca.markets:0443",
        "https://api.alpaca.markets:",
    ],
)
@pytest.mark.parametrize("mode", ["paper", "dry"])
def test_r53_the_live_address_is_known_however_it_is_written(mode: str, url: str) -> None:
    with pytest.raises(BrokerError, match="is the address of live accounts"):
        endpoints(keys("PK1"), mode, url)
    paper = url.lower().replace("api.alpaca", "paper-api.alpaca")
    with pytest.raises(BrokerError, match="is the address of paper accounts"):
        endpoints(keys("AK1"), "live", paper)
    if "8443" not in url:
        assert endpoints(keys("AK1"), "live", url).trading == LIVE
        assert endpoints(keys("PK1"), mode, paper).trading == PAPER


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://@api.alpaca.markets", "must not hold"),
        ("https://paper-api.alpaca.markets@api.alpaca.markets", "must not hold"),
        ("https://paper-api.alpaca.markets:x@api.alpaca.markets", "cannot be read|must not hold"),
        ("https://\uff41pi.alpaca.markets", "no base address"),
        ("https://api\u3002alpaca.markets", "no base address"),
        ("https://api%2Ealpaca.markets", "no base address"),
        ("https://api.alpaca.markets..", "no base address"),
        ("https://api.alpaca.markets\\@x", "must not hold"),
        ("https://api.alpaca.markets:x", "cannot be read"),
        ("https://api.alpaca.markets:99999", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https:///v2", "no base address"),
        ("https:// api.alpaca.markets", "no base address"),
    ],
)
def test_r53_an_address_that_a_library_would_still_have_to_translate_is_none(url: str, said: str) -> None:
    with pytest.raises(BrokerError, match=said):
        endpoints(keys("PK1"), "paper", url)
