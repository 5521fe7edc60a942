"""PEM: whether a certificate chain, its private key and authorities can be what they say.

Enough to catch the usual mistakes before Envoy does (swapped files, a key of another certificate,
an encrypted key) without a cryptography library; nothing of a key shows in what is returned.
"""

import base64
import binascii
from collections.abc import Iterator

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_SEQUENCE, _INTEGER, _BIT_STRING, _OCTET_STRING = 0x30, 0x02, 0x03, 0x04
_PRIVATE_KEYS = (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY")


def blocks(text: bytes) -> list[tuple[bytes, bytes]]:
    """Label and DER content of each block; one that is cut off or no base64 has no content."""
    found: list[tuple[bytes, bytes]] = []
    label, content = b"", b""
    for line in map(bytes.strip, text.splitlines()):
        if line.startswith(_BEGIN) and line.endswith(_DASHES):
            label, content = line[len(_BEGIN) : -len(_DASHES)], b""
            found.append((label, b""))
        elif line == _END + label + _DASHES and found:
            found[-1] = (label, _decoded(content))
            label = b""
        else:
            content += line
    return found


def wrong_authorities(bundle: bytes) -> str:
    """What is wrong with a bundle of certificates; empty if nothing is."""
    found = blocks(bundle)
    if not found or any(label != b"CERTIFICATE" or not der for label, der in found):
        return "must hold PEM certificates (-----BEGIN CERTIFICATE-----) and nothing else"
    return ""


def wrong_pair(chain: bytes, private_key: bytes) -> str:
    """What is wrong with `tls.crt` and `tls.key`; empty if nothing is."""
    if problem := wrong_authorities(chain):
        return f"tls.crt {problem}"
    if b"ENCRYPTED" in private_key:
        return "tls.key must not be encrypted"
    keys = [der for label, der in blocks(private_key) if label in _PRIVATE_KEYS]
    if len(keys) != 1 or not keys[0]:
        return "tls.key must hold one PEM private key (-----BEGIN PRIVATE KEY-----)"
    public = _public_part(keys[0])
    if public and public not in blocks(chain)[0][1]:
        return "tls.key is not the private key of the first certificate in tls.crt"
    return ""


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _public_part(key: bytes) -> bytes:
    """The bytes a certificate of this key must contain; empty where the key does not tell."""
    outer = list(_elements(key))
    if not outer or outer[0][0] != _SEQUENCE:
        return b""
    inside = list(_elements(outer[0][1]))
    tags = [tag for tag, _ in inside]
    if tags[:3] == [_INTEGER, _SEQUENCE, _OCTET_STRING]:  # PKCS 8 wraps one of the two below
        return _public_part(inside[2][1])
    if tags[:2] == [_INTEGER, _INTEGER]:  # RSA: version, modulus, …
        return inside[1][1]
    for tag, value in inside:  # EC: version, private, [0] curve, [1] public
        if tag == 0xA1:
            bits = list(_elements(value))
            return bits[0][1][1:] if bits and bits[0][0] == _BIT_STRING else b""
    return b""


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each element of DER content; ends where it is cut off."""
    at = 0
    while at + 2 <= len(der):
        tag, length, start = der[at], der[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2 : start])
        if start + length > len(der):
            return
        yield tag, der[start : start + length]
        at = start + length
