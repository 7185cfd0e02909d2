"""Keys of an Alpaca account and the addresses they are for.

In: environment variables, or files that they name; the run mode and the addresses of a deployment text, where it gives any.
Out: `Keys`, whose texts no repr, log or error shows, and `Endpoints`. Keys of a paper account begin with PK, those of a live
one with AK: that decides the address where no text does, and refuses a run whose mode and key do not belong together.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from alpaca.common.enums import BaseURL

from ...errors import BrokerError

ID, SECRET = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"
PAPER, LIVE, DATA = (str(url.value) for url in (BaseURL.TRADING_PAPER, BaseURL.TRADING_LIVE, BaseURL.DATA))
MASK = "***"
#: what a header may hold; anything else would be printed by the HTTP library when it refuses it
_PLAIN = re.compile(r"[\x21-\x7e]{4,256}")
_KINDS = {"PK": "paper", "AK": "live"}
_HOSTS = {urlsplit(PAPER).hostname: "paper", urlsplit(LIVE).hostname: "live"}
#: letters of a host as they travel: nothing that a library would still have to translate
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]*")
_PORTS = {"https": 443, "http": 80}


class Secret:
    """A text that shows itself only when asked by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the header of a request, and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored")


@dataclass(frozen=True, slots=True)
class Keys:
    """The pair that names an account to Alpaca."""

    name: Secret
    secret: Secret

    @property
    def kind(self) -> str:
        """ "paper" or "live" by the prefix of the key, "" where it has neither."""
        return _KINDS.get(self.name.reveal()[:2], "")

    def cleaned(self, text: str) -> str:
        """The text without the keys, whoever put them there."""
        for secret in (self.secret, self.name):
            text = text.replace(secret.reveal(), MASK)
        return text

    def cleaned_bytes(self, body: bytes) -> bytes:
        """The same for what came over the line."""
        for secret in (self.secret, self.name):
            body = body.replace(secret.reveal().encode(), MASK.encode())
        return body


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses without a version and without a slash at the end."""

    trading: str
    data: str


def read_keys(environment: Mapping[str, str]) -> Keys:
    """Keys from APCA_API_KEY_ID and APCA_API_SECRET_KEY, or from the files that these names with _FILE give. BrokerError says
    which is missing, given twice or unreadable, and never what it holds."""
    return Keys(_read(environment, ID), _read(environment, SECRET))


def endpoints(keys: Keys, mode: str, url: str = "", data_url: str = "") -> Endpoints:
    """Where to go in this mode ("paper", "live", or "dry", which reads either). BrokerError when mode, key and address do not
    belong together, or when an address is not https (plain http is for this machine only)."""
    kind = keys.kind
    if mode in ("paper", "live") and kind and kind != mode:
        raise BrokerError(
            f"the run is {mode}, but the key in {ID} belongs to a {kind} account",
            f"set the keys of the {mode} account, or change `mode`",
        )
    wanted = mode if mode in ("paper", "live") else kind
    if not url and not wanted:
        raise BrokerError(f"the key in {ID} does not tell whether it is for paper or live", "give the broker's `url`")
    trading = _checked(url) if url else {"paper": PAPER, "live": LIVE}[wanted]
    # by the host alone, however the address is written: another port of it is still the same account
    belongs = _HOSTS.get(urlsplit(trading).hostname or "", wanted)
    if wanted and belongs != wanted:
        raise BrokerError(
            f"{trading} is the address of {belongs} accounts, but this is a {wanted} one", "leave `url` out"
        )
    return Endpoints(trading, _checked(data_url) if data_url else DATA)


def _read(environment: Mapping[str, str], name: str) -> Secret:
    text, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if text and file:
        raise BrokerError(f"{name} and {name}_FILE are both set", "set one of them")
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BrokerError(f"{name}_FILE names a file that cannot be read: {file}", "see its rights") from error
    text = text.strip()
    if not text:
        raise BrokerError(f"no key: {name} is not set", f"set {name}, or {name}_FILE to a file that holds it")
    if not _PLAIN.fullmatch(text):
        raise BrokerError(f"{name} holds what no key of Alpaca holds", "4 to 256 characters without spaces")
    return Secret(text)


def _checked(url: str) -> str:
    """The address in the one way in which it can be written: small letters, no port that goes without saying, no dot at the end."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BrokerError(f"an address cannot be read: {error}", f"write it like {PAPER}") from error
    if "@" in parts.netloc:
        raise BrokerError("an address must not hold a user or a password", "keys come from the environment")
    host = (parts.hostname or "").removesuffix(".")
    if not _HOST.fullmatch(host) or parts.query or parts.fragment or parts.path.rstrip("/") not in ("", "/v2"):
        raise BrokerError(f"{url} is no base address", f"write it like {PAPER}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(host)):
        raise BrokerError(f"{url} is not https", "keys do not travel in the clear; plain http is for this machine only")
    named = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{named}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
