"""Where the load goes: a loopback address unless somebody says otherwise, and one that answers.

A load test against a server that is not one's own is an attack, so other addresses are refused
unless they are allowed by name.
"""

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from capstone_lib.errors import LoadTestError
from capstone_lib.loadtest.kinds import SHED

__all__ = ["Target", "probe", "read_target"]

_SHOWN = 600


@dataclass(frozen=True)
class Target:
    """An endpoint: what to connect to, and where on it to post."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, as Locust wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """All of it."""
        return self.origin + self.path


def read_target(url: str, *, allow_remote: bool = False) -> Target:
    """Read the address of an endpoint.

    Raises
    ------
    LoadTestError
        It is not the address of an endpoint, or not on this machine.

    Examples
    --------
    >>> read_target("http://127.0.0.1:8000/").url
    'http://127.0.0.1:8000/predict'
    """
    try:
        parts = urlsplit(str(url))
        port = parts.port
    except ValueError as error:
        raise LoadTestError(f"{url!r} is not an address: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise LoadTestError(
            f"{url!r} is not the address of an endpoint; expected one such as http://127.0.0.1:8000"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise LoadTestError(
            "the address is scheme, host, port and path only; give a key with bearer= or headers="
        )
    if not allow_remote and not _is_loopback(parts.hostname):
        raise LoadTestError(
            f"{parts.hostname} is not this machine, and load on somebody else's server is an "
            "attack; if it is yours and nobody else is hurt, say allow_remote=True "
            "(--allow-remote)"
        )
    default = 443 if parts.scheme == "https" else 80
    path = parts.path.rstrip("/").removesuffix("/predict") + "/predict"
    return Target(parts.scheme, parts.hostname, port or default, path)


def probe(target: Target, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> None:
    """Ask once, so that a test of a server that is not there or does not understand never begins.

    Raises
    ------
    LoadTestError
        Nobody answers, or the answer to an ordinary request is not a prediction.
    """
    try:
        status, answer = _ask(target, body, headers, timeout_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # a bad certificate is both an OSError and a ValueError
        if isinstance(error, ValueError | http.client.InvalidURL) and not isinstance(
            error, OSError
        ):
            raise LoadTestError(f"this request cannot be sent: {error}") from error
        raise LoadTestError(
            f"no answer from {target.url} ({_reason(error)}); is the endpoint running? No load was "
            "made"
        ) from error
    if status in SHED or 200 <= status < 300:
        return
    said = answer.decode("utf-8", "replace")
    raise LoadTestError(
        f"{target.url} answers {status} to the first request, so no load was made. {_cure(status)}"
        f" It said: {_short(said)}"
    )


def _is_loopback(host: str) -> bool:
    if host != "localhost":
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(address[4][0]).is_loopback for address in found)


def _ask(
    target: Target, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> tuple[int, bytes]:
    """One request without proxies, redirects or retries."""
    made: http.client.HTTPConnection
    if target.scheme == "https":
        context = ssl.create_default_context()
        made = http.client.HTTPSConnection(
            target.host, target.port, timeout=timeout_s, context=context
        )
    else:
        made = http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
    try:
        made.request("POST", target.path, body=body, headers=dict(headers))
        answer = made.getresponse()
        return answer.status, answer.read(1_000_000)
    finally:
        made.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):
        return "it hung up"
    if isinstance(error, http.client.HTTPException):
        return "what answers there does not speak HTTP"
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _cure(status: int) -> str:
    return {
        400: "Look at the rows.",
        401: "It wants a key: give bearer= (--key-file).",
        403: "It refuses the key: give the right one with bearer=.",
        404: "There is no /predict there: look at the address.",
        405: "There is no /predict there: look at the address.",
        415: "It does not take JSON: look at the address.",
        422: "The rows do not fit its schema: give its features only; the id goes to id= (--id).",
    }.get(status, "Look at the endpoint's own log.")


def _short(said: str) -> str:
    try:
        problem = json.loads(said)
    except ValueError:
        problem = None
    if isinstance(problem, dict) and problem.get("errors"):
        said = "; ".join(
            f"{one.get('field', '?')}: {one.get('message', '')}"
            for one in problem["errors"]
            if isinstance(one, dict)
        )
    elif isinstance(problem, dict) and problem.get("detail"):
        said = str(problem["detail"])
    return said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
