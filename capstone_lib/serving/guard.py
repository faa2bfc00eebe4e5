"""Who may ask: the host header against DNS rebinding, a bearer key where the door is open."""

import hmac
import os
import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from capstone_lib.errors import EndpointError
from capstone_lib.serving.problems import ProblemError

__all__ = ["KEY_VARIABLE", "Guard", "is_loopback", "read_key"]

KEY_VARIABLE = "CAPSTONE_KEY"
_SHORTEST_KEY = 16
_MOST_HOSTS = 1000
_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[^\s:\[\]]+)(:\d{1,5})?", re.IGNORECASE)
Headers = dict[bytes, bytes]
_ONCE = (b"host", b"authorization", b"content-type", b"content-encoding")


class Guard:
    """Decides from a request's headers whether it is heard.

    Parameters
    ----------
    key : str, optional
        The bearer key that every request but the health checks must carry.
    hosts : iterable of str
        Names under which the endpoint may be addressed; none means any name.
    """

    def __init__(self, *, key: str | None, hosts: Iterable[str]) -> None:
        self._key = None if key is None else b"Bearer " + key.encode()
        self._hosts = frozenset(host.lower() for host in hosts)
        self._known: set[bytes] = set()

    @property
    def needs_key(self) -> bool:
        """Whether requests must carry a key."""
        return self._key is not None

    def check(self, given: Sequence[tuple[bytes, bytes]], *, public: bool = False) -> Headers:
        """Raise a :class:`ProblemError` (400 or 401) unless the request may be answered.

        Parameters
        ----------
        given : sequence of (bytes, bytes)
            The headers, with lower-case names.
        public : bool
            Health checks are heard without a key: the platform asks them.

        Returns
        -------
        dict of bytes to bytes
            The headers by name.
        """
        headers = dict(given)
        if len(headers) != len(given):
            _refuse_contradiction(given)
        host = headers.get(b"host", b"")
        if self._hosts and host not in self._known:
            self._check_host(host)
        if self._key is None or public:
            return headers
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._key):
            raise ProblemError(
                401,
                "this endpoint wants its key: send the header 'Authorization: Bearer …'",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return headers

    def _check_host(self, host: bytes) -> None:
        found = _HOST.fullmatch(host)
        if found is None or found[1].decode("latin-1").lower().strip("[]") not in self._hosts:
            raise ProblemError(
                400,
                "the Host header names none of this endpoint's addresses; ask it by "
                f"{', '.join(sorted(self._hosts))}, or start it with the name allowed",
            )
        if len(self._known) < _MOST_HOSTS:
            self._known.add(host)


def _refuse_contradiction(given: Sequence[tuple[bytes, bytes]]) -> None:
    """What stands twice means one thing to a gateway and another to us."""
    names = [name for name, _ in given if name in _ONCE]
    for name in names:
        if names.count(name) > 1:
            raise ProblemError(400, f"the header {name.decode()} stands there twice; send it once")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_key(file: str | Path | None) -> str | None:
    """Read the bearer key from a file, or else from the environment's ``CAPSTONE_KEY``.

    Raises
    ------
    EndpointError
        If the file cannot be read, or the key is too short to be one.
    """
    if file is None:
        key = os.environ.get(KEY_VARIABLE)
    else:
        try:
            key = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EndpointError(f"the key file {str(file)!r} cannot be read: {error}") from error
    return None if key is None else check_key(key)


def check_key(key: str) -> str:
    """Refuse what is too short, or cannot stand in a header."""
    if len(key) < _SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise EndpointError(
            f"a key is at least {_SHORTEST_KEY} printable ASCII characters without spaces; make "
            "one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return key
