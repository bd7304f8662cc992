"""Seals fields for a Claviger appliance: one file, Python 3.9 or later, needs the package ``cryptography``.

    from claviger_seal import seal_field
    token = seal_field("clvp1:x:default:orders:1:…", "card.number", "cust_cards/42", "4111111111111111")

The token opens only on the appliance, and only for that field of that record. Nothing here can open one.

Format: HPKE base mode (RFC 9180 §6.1) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305; the context is
the HPKE info, the aad is empty. docs/formats/envelope.md of the project describes every byte.

As a program: python3 claviger_seal.py <public key> < lines of {"field": …, "record": …, "value": …}
"""

import base64
import hashlib
import hmac
import json
import re
import sys
from typing import NamedTuple, Tuple, Union

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["ContextError", "FORBIDDEN_FIELDS", "ForbiddenField", "PublicKey", "PublicKeyError", "SealError", "ValueTooLong", "context_info", "parse_public_key", "seal_field"]

MAX_RECORD_BYTES = 255
MAX_VALUE_BYTES = 65536

# Card verification codes, PINs and track data: never to be stored, not even sealed (PCI DSS 3.3.1). Each stands for itself
# and every class below it.
FORBIDDEN_FIELDS = (
    "card.cvv",
    "card.cvv2",
    "card.cvc",
    "card.cvc2",
    "card.cid",
    "card.cav2",
    "card.pin",
    "card.track",
    "card.track1",
    "card.track2",
)

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,31}")
_VERSION = re.compile(r"[1-9][0-9]{0,9}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_VERSION_LABEL = b"HPKE-v1"
# DHKEM(X25519, HKDF-SHA256) is 0x0020, HKDF-SHA256 0x0001, ChaCha20-Poly1305 0x0003.
_KEM_SUITE_ID = b"KEM\x00\x20"
_HPKE_SUITE_ID = b"HPKE\x00\x20\x00\x01\x00\x03"


class SealError(ValueError):
    """Something cannot be sealed; the base of the errors below."""


class ContextError(SealError):
    """A field or record that breaks the grammar or a limit."""


class ForbiddenField(SealError):
    """A field of a class that must never be stored; see :data:`FORBIDDEN_FIELDS`."""


class PublicKeyError(SealError):
    """Text that is not a public key, or a key that cannot be sealed to."""


class ValueTooLong(SealError):
    """A value of more than 65,536 bytes."""


class PublicKey(NamedTuple):
    """A public key in parts; see :func:`parse_public_key`."""

    namespace: str
    key: str
    version: int
    raw: bytes


def parse_public_key(text: str) -> PublicKey:
    """The parts of ``clvp1:x:<namespace>:<key>:<version>:<base64url>``. Raises :class:`PublicKeyError`."""
    parts = text.split(":")
    if len(parts) != 6 or parts[0] != "clvp1":
        raise PublicKeyError("the text is not a public key")
    _, suite, namespace, key, version, base64url = parts
    if suite != "x":
        raise PublicKeyError("this file seals for suite x only")
    names_fit = _NAME.fullmatch(namespace) and _NAME.fullmatch(key)
    if not names_fit or not _VERSION.fullmatch(version) or int(version) > 2**31 - 1:
        raise PublicKeyError("the text is not a public key")
    # 32 bytes are 43 characters; the way back refuses trailing bits that are not zero.
    raw = base64.urlsafe_b64decode(base64url + "=") if _BASE64URL.fullmatch(base64url) and len(base64url) == 43 else b""
    if len(raw) != 32 or _base64url(raw) != base64url:
        raise PublicKeyError("the public key is not 32 bytes of base64url")
    return PublicKey(namespace, key, int(version), raw)


def context_info(namespace: str, key: str, field: str, record: str) -> bytes:
    """The bytes that a context becomes: a label, then each part after its length as two bytes, high byte first.

    Raises :class:`ContextError`.
    """
    for title, name in (("namespace", namespace), ("key", key), ("field", field)):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ContextError(
                f"the {title} must be 1 to 32 of a-z, 0-9, dot and hyphen, and start with a letter or a digit"
            )
    if not isinstance(record, str):
        raise ContextError("the record must be a string")
    try:
        record_bytes = record.encode("utf-8")
    except UnicodeEncodeError:
        raise ContextError("the record has half of a surrogate pair") from None
    if len(record_bytes) > MAX_RECORD_BYTES:
        raise ContextError(f"the record is longer than {MAX_RECORD_BYTES} bytes")
    info = b"claviger/field/v1"
    for part in (namespace.encode(), key.encode(), field.encode(), record_bytes):
        info += len(part).to_bytes(2, "big") + part
    return info


def seal_field(public_key: Union[str, PublicKey], field: str, record: str, value: Union[str, bytes]) -> str:
    """Seals a value for a field of a record and returns the token.

    ``field`` is the class of the field, such as ``card.number``; ``record`` your own name for the row, such as
    ``cust_cards/42``, or ``""`` to bind to no row; ``value`` text or bytes. Raises :class:`SealError`.
    """
    recipient = parse_public_key(public_key) if isinstance(public_key, str) else public_key
    info = context_info(recipient.namespace, recipient.key, field, record)
    if _is_forbidden(field):
        raise ForbiddenField(
            f"fields of class {field} must never be stored, not even sealed: use it for the authorisation, then forget it"
        )
    try:
        plaintext = value.encode("utf-8") if isinstance(value, str) else bytes(value)
    except UnicodeEncodeError:
        raise SealError("the value has half of a surrogate pair") from None
    if len(plaintext) > MAX_VALUE_BYTES:
        raise ValueTooLong(f"the value is longer than {MAX_VALUE_BYTES} bytes")
    enc, ciphertext = _hpke_seal(recipient.raw, info, plaintext)
    return f"clv1.x.{recipient.key}.{recipient.version}.{_base64url(enc + ciphertext)}"


def _is_forbidden(field: str) -> bool:
    return any(field == name or field.startswith(f"{name}.") for name in FORBIDDEN_FIELDS)


def _hpke_seal(public_key: bytes, info: bytes, plaintext: bytes) -> Tuple[bytes, bytes]:
    """RFC 9180 §6.1 in base mode with an empty aad."""
    # Encap, §4.1. The exchange refuses a shared secret of zeros.
    ephemeral = X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    try:
        dh = ephemeral.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:
        raise PublicKeyError("the public key cannot be sealed to") from None
    prk = _labeled_extract(_KEM_SUITE_ID, b"", b"eae_prk", dh)
    shared_secret = _labeled_expand(_KEM_SUITE_ID, prk, b"shared_secret", enc + public_key, 32)

    # KeySchedule, §5.1, mode 0x00.
    context = (
        b"\x00"
        + _labeled_extract(_HPKE_SUITE_ID, b"", b"psk_id_hash", b"")
        + _labeled_extract(_HPKE_SUITE_ID, b"", b"info_hash", info)
    )
    secret = _labeled_extract(_HPKE_SUITE_ID, shared_secret, b"secret", b"")
    key = _labeled_expand(_HPKE_SUITE_ID, secret, b"key", context, 32)
    nonce = _labeled_expand(_HPKE_SUITE_ID, secret, b"base_nonce", context, 12)
    return enc, ChaCha20Poly1305(key).encrypt(nonce, plaintext, b"")


def _labeled_extract(suite_id: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    """RFC 9180 §4; HMAC takes an empty salt for a key of zeros."""
    return hmac.new(salt, _VERSION_LABEL + suite_id + label + ikm, hashlib.sha256).digest()


def _labeled_expand(suite_id: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """RFC 9180 §4 for at most 32 bytes, which is one block of RFC 5869."""
    labeled = length.to_bytes(2, "big") + _VERSION_LABEL + suite_id + label + info
    return hmac.new(prk, labeled + b"\x01", hashlib.sha256).digest()[:length]


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _main(arguments: list) -> int:
    """The program: the first bad line ends it with exit code 1."""
    if len(arguments) != 2:
        print("claviger: usage: claviger_seal.py <public key>, with lines of {field, record, value}", file=sys.stderr)
        return 2
    number = 0
    try:
        public_key = parse_public_key(arguments[1])
        for number, line in enumerate(sys.stdin.buffer, start=1):
            try:
                item = json.loads(line)
                field, record, value = item["field"], item["record"], item["value"]
            except (ValueError, KeyError, TypeError):
                raise SealError("not a line of {field, record, value}") from None
            if not isinstance(value, str):
                raise SealError("the value must be a string")
            print(seal_field(public_key, field, record, value))
    except SealError as error:
        print(f"claviger: {'' if number == 0 else f'line {number}: '}{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv))
