"""Asks a Claviger appliance on the LAN: one file, Python 3.9 or later, nothing to install.

    from claviger_client import Claviger
    with Claviger.enrolled("till") as device:
        number = device.open(token, "card.number", "cust_cards/42", purpose="charge")

The machine is enrolled with ``claviger enrol``; this reads what that left. The device is known by the pin of the enrolment (SHA-256 of its
public key), which is compared before a byte of HTTP is sent; no certificate authority is asked. What the device refuses is a ``Problem`` with
a stable code, what goes wrong on the way a ``ConnectionFailed``. An object is for one thread.

docs/api.md of the project describes the routes, docs/openapi.json every byte of them.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import tempfile
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union
from urllib.parse import urlsplit

__all__ = ["CertificateRefused", "Claviger", "ClavigerError", "ConnectionFailed", "DeviceMismatch", "Opened", "Problem", "profile_path"]

# Most items of one request, and most bytes of their JSON: a body may have 1 MiB. Longer lists are asked for in several.
MAX_ITEMS = 1000
MAX_ITEM_BYTES = 1_040_000

# What may be sent a second time when a kept connection turns out to be closed: it changes nothing, or nothing more the second time.
_REPEATABLE = ("/v1/decrypt", "/v1/rewrap", "/v1/lockdown", "/v1/audit/mine")

# So many new connections in a row that end without an answer mean that the device does not know this machine.
_TURNED_AWAY = 3


class ClavigerError(Exception):
    """Base of everything that is raised here."""


class ConnectionFailed(ClavigerError):
    """No answer: nobody is there, or the connection broke. The device may or may not have carried out a request that was sent."""


class _Ended(ConnectionFailed):
    """There was a connection, and it ended before the answer."""


class DeviceMismatch(ConnectionFailed):
    """Another device answers than the one that was enrolled with. Nothing was sent to it."""


class CertificateRefused(ConnectionFailed):
    """The device does not accept the certificate of this machine: its enrolment was revoked."""


class Problem(ClavigerError):
    """What the device refused: ``code`` is stable, ``status`` the HTTP status (200 for a single item of a request).

    ``state`` is there for ``wrong-state``, ``free`` (seconds since 1970: when to try again) for budgets and tries.
    """

    def __init__(self, status: int, document: Dict[str, Any]):
        self.status = status
        self.code: str = document.get("code", "bad-response")
        self.hint: Optional[str] = document.get("hint")
        self.state: Optional[str] = document.get("state")
        self.free: Optional[int] = document.get("free")
        message = document.get("detail") or document.get("title") or document.get("message") or ""
        super().__init__(f"{self.code}: {message}" if message else self.code)


class Opened(NamedTuple):
    """What came of one item: its value, or the problem. Bytes where the value is no text in UTF-8."""

    value: Union[str, bytes, bool, None]
    problem: Optional[Problem]


def profile_path(name: str) -> str:
    """Where the enrolment of this name is."""
    home = os.environ.get("CLAVIGER_HOME")
    if not home:
        home = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "claviger")
    return os.path.join(home, f"{name}.json")


class Claviger:
    """An appliance on the LAN, as one enrolled machine sees it. The connection is made at the first request, and kept."""

    def __init__(self, profile: Dict[str, Any], address: Optional[str] = None, timeout: float = 30.0):
        """``address`` in place of those of the enrolment, as ``https://192.168.1.5:8443``; ``timeout`` in seconds, of each read and write."""
        found = [address] if address else [each for each in profile["addresses"] if each.startswith("https://")]
        if not found:
            raise ConnectionFailed("the enrolment has no address on the LAN")
        self._places = [(urlsplit(each).hostname or "", urlsplit(each).port or 443) for each in found]
        self._pin = base64.urlsafe_b64decode(profile["device"] + "=")
        if len(self._pin) != 32:
            raise ClavigerError("the enrolment has no device yet")
        self._host_share: Optional[str] = profile.get("hostShare")
        self._timeout = timeout
        self._tls = _context(profile["key"], profile["certificate"])
        self._connection: Optional[http.client.HTTPConnection] = None

    @classmethod
    def enrolled(cls, name: str, address: Optional[str] = None, timeout: float = 30.0) -> "Claviger":
        """By the name of the enrolment, or by the path of its file."""
        path = name if os.sep in name else profile_path(name)
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file), address, timeout)

    def __enter__(self) -> "Claviger":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def status(self) -> Dict[str, Any]:
        """Which device this is, and its ``state``: ``locked``, ``operational``, ``lockdown``, …"""
        return self.call("GET", "/v1/status")

    def unlock(self, pin: Optional[str] = None) -> str:
        """With the PIN of this machine, or without one where it was enrolled unattended. Each wrong PIN takes one of eight tries."""
        if self._host_share is None:
            raise ClavigerError("this enrolment cannot unlock")
        body = {"hostShare": self._host_share}
        return self.call("POST", "/v1/unlock", {**body, "pin": pin} if pin is not None else body)["state"]

    def lock(self) -> str:
        """Makes the device forget its keys until the next unlock."""
        return self.call("POST", "/v1/lock")["state"]

    def open(self, ciphertext: str, field: str, record: str, purpose: str, **more: Any) -> Union[str, bytes, bool, None]:
        """One value. ``more`` is ``reason``, or what an item may have, such as ``reveal="last4"``. Raises ``Problem``."""
        reason = {"reason": more.pop("reason")} if "reason" in more else {}
        item = {"ciphertext": ciphertext, "context": {"field": field, "record": record}, **more}
        opened = self.decrypt([item], purpose, **reason)[0]
        if opened.problem is not None:
            raise opened.problem
        return opened.value

    def decrypt(self, items: Iterable[Union[Dict[str, Any], Tuple[str, str, str]]], purpose: str, reason: str = "") -> List[Opened]:
        """Many values, in order; an item is ``(ciphertext, field, record)``, or a dict as the route takes it.

        Raises ``Problem`` for a request that was refused as a whole; what is refused of an item is in its ``Opened``.
        """
        opened: List[Opened] = []
        for part in _requests_of([_item(item) for item in items]):
            body = {"purpose": purpose, "items": part, **({"reason": reason} if reason else {})}
            opened += map(_opened, self.call("POST", "/v1/decrypt", body)["results"])
        return opened

    def call(self, method: str, path: str, body: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Any route that answers with JSON. Raises ``Problem``, ``ConnectionFailed``."""
        data = None if body is None else json.dumps(body).encode()
        repeatable = method == "GET" or path in _REPEATABLE
        status, text = self._repeated(method, path, data) if repeatable else self._exchange(method, path, data)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ConnectionFailed("the answer is not a JSON object")
        if status != 200:
            raise Problem(status, answer)
        return answer

    def _repeated(self, method: str, path: str, data: Optional[bytes]) -> Tuple[int, bytes]:
        """Tries again after a connection that ended. A device that knows no such machine ends each new one without a word: TLS 1.3 looks at
        the client's certificate when the handshake is over for the client."""
        ended = 0
        while True:
            kept = self._connection is not None
            try:
                return self._exchange(method, path, data)
            except _Ended as error:
                ended += 0 if kept else 1
                if ended == _TURNED_AWAY:
                    raise CertificateRefused("the device does not accept the certificate of this machine") from error

    def _exchange(self, method: str, path: str, data: Optional[bytes]) -> Tuple[int, bytes]:
        connection = self._connection or self._connect()
        self._connection = connection
        try:
            connection.request(method, path, data, {} if data is None else {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except socket.timeout as error:
            self.close()
            raise ConnectionFailed("the device did not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _Ended(f"the connection was lost: {error}") from error

    def _connect(self) -> http.client.HTTPConnection:
        failure: Optional[Exception] = None
        for host, port in self._places:
            try:
                return self._secure(host, port)
            except DeviceMismatch:
                raise
            except OSError as error:
                failure = error
        raise ConnectionFailed(f"no appliance answers: {failure}") from failure

    def _secure(self, host: str, port: int) -> http.client.HTTPConnection:
        wire = socket.create_connection((host, port), self._timeout)
        try:
            secured = self._tls.wrap_socket(wire)
        except BaseException:
            wire.close()
            raise
        certificate = secured.getpeercert(binary_form=True)
        if certificate is None or not hmac.compare_digest(hashlib.sha256(_public_key_of(certificate)).digest(), self._pin):
            secured.close()
            raise DeviceMismatch("this is not the device that was enrolled with")
        connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection.sock = secured
        # a connection that was closed is made anew by us, never by the library, which would not look at the pin
        connection.auto_open = 0
        return connection


def _context(key: str, certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # the device's certificate is its own: who it is, the pin says
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with _file_with(f"{key}\n{certificate}\n") as path:
        context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def _file_with(text: str) -> Iterator[str]:
    """The ssl module reads keys from files only: one in memory where there is such a thing, else a temporary one."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("claviger")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        yield path
    finally:
        os.unlink(path)


def _public_key_of(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate in DER (RFC 5280 §4.1): the seventh part of what is signed, which begins with its version."""
    _, start, end = _part(certificate, 0)
    _, at, end = _part(certificate, start)
    parts = []
    while at < end:
        _, _, after = _part(certificate, at)
        parts.append(certificate[at:after])
        at = after
    if not parts or parts[0][:1] != b"\xa0" or len(parts) < 7:
        raise DeviceMismatch("the device shows something that is not a certificate")
    return parts[6]


def _part(data: bytes, at: int) -> Tuple[int, int, int]:
    """Tag, start and end of the content of one DER value."""
    if at + 2 > len(data):
        raise DeviceMismatch("the device shows something that is not a certificate")
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[at + 2 : start], "big")
    if start + length > len(data):
        raise DeviceMismatch("the device shows something that is not a certificate")
    return data[at], start, start + length


def _item(item: Union[Dict[str, Any], Tuple[str, str, str]]) -> Dict[str, Any]:
    if isinstance(item, dict):
        return item
    ciphertext, field, record = item
    return {"ciphertext": ciphertext, "context": {"field": field, "record": record}}


def _requests_of(items: List[Dict[str, Any]]) -> Iterator[List[Dict[str, Any]]]:
    part: List[Dict[str, Any]] = []
    size = 0
    for item in items:
        length = len(json.dumps(item)) + 2
        if part and (len(part) == MAX_ITEMS or size + length > MAX_ITEM_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


def _opened(result: Dict[str, Any]) -> Opened:
    if "error" in result:
        return Opened(None, Problem(200, result["error"]))
    if result.get("encoding") == "base64url":
        text = result["value"]
        return Opened(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), None)
    return Opened(result.get("value", result.get("equals", result.get("jwe"))), None)
