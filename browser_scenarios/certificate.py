"""Temporary certificate of the recorder, for an intake that browsers reach by HTTPS."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

#: Longer than any session; a browser trusts the key only while it runs.
_VALID = timedelta(days=2)


class Certificate(NamedTuple):
    """A self-signed certificate and its key, as files.

    Attributes:
        file: certificate (PEM).
        key: private key (PEM), readable by its owner only.
        fingerprint: SHA-256 of the public key, base64, for Chromium's `--ignore-certificate-errors-spki-list`.
    """

    file: Path
    key: Path
    fingerprint: str


@contextmanager
def temporary_certificate(host: str) -> Iterator[Certificate]:
    """Create a certificate for *host* with a new key, and remove both when the block ends."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host[:64])])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, SHA256())
    )
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with TemporaryDirectory(prefix="dogfood-recorder-") as folder:
        certificate = Certificate(
            Path(folder) / "recorder.pem",
            Path(folder) / "recorder.key",
            base64.b64encode(sha256(public).digest()).decode(),
        )
        certificate.file.write_bytes(signed.public_bytes(Encoding.PEM))
        certificate.key.touch(0o600)
        certificate.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        yield certificate
