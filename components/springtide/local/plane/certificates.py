"""Keys and certificates of one control plane, made here and known to nobody else."""

import datetime as dt
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADMINISTRATORS = "system:masters"
"""Group that RBAC refuses nothing."""
_VALID = dt.timedelta(days=365)
_RENEWED_BEFORE = dt.timedelta(days=30)
_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where the files of a control plane's keys are.

    Attributes:
        folder: Their folder, for nobody but its owner.
    """

    folder: Path

    def certificate(self, name: str) -> Path:
        """File of a certificate."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """File of a private key."""
        return self.folder / f"{name}.key"

    @property
    def accounts_public(self) -> Path:
        """With what tokens of service accounts are checked."""
        return self.folder / "accounts.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    name: str
    authority: str
    organization: str = ""
    hosts: Sequence[str] = ()
    client: bool = False


AUTHORITY, FRONT_AUTHORITY = "ca", "front-proxy-ca"
_CERTIFICATES: Sequence[_Wanted] = (
    _Wanted(
        name="kube-apiserver",
        authority=AUTHORITY,
        hosts=("localhost", "127.0.0.1", "kubernetes.default.svc", "kubernetes.default", "10.96.0.1"),
        # etcd's members are each other's clients.
        client=True,
    ),
    _Wanted(name="admin", authority=AUTHORITY, organization=ADMINISTRATORS, client=True),
    _Wanted(name="kube-controller-manager", authority=AUTHORITY, organization=ADMINISTRATORS, client=True),
    _Wanted(name="kube-scheduler", authority=AUTHORITY, organization=ADMINISTRATORS, client=True),
    _Wanted(name="kubelet-client", authority=AUTHORITY, organization=ADMINISTRATORS, client=True),
    _Wanted(name="front-proxy-client", authority=FRONT_AUTHORITY, client=True),
    _Wanted(name="keda", authority=AUTHORITY, hosts=("localhost", "127.0.0.1", "keda-adapter.keda.svc"), client=True),
)


def keys(folder: Path, now: dt.datetime) -> Keys:
    """The keys of a control plane. Those that are whole and good for another month stay; else all are made anew.

    All or none: a certificate is worth nothing without the authority that signed it.
    """
    found = Keys(folder=folder)
    if not _good(found, now):
        _make(found, now)
    return found


def _good(found: Keys, now: dt.datetime) -> bool:
    try:
        authorities = {name: _read(found, name) for name in (AUTHORITY, FRONT_AUTHORITY)}
        leaves = [(_read(found, item.name), authorities[item.authority]) for item in _CERTIFICATES]
        for certificate, authority in leaves:
            certificate.verify_directly_issued_by(authority)
        accounts = serialization.load_pem_private_key(found.key("accounts").read_bytes(), password=None)
        public = serialization.load_pem_public_key(found.accounts_public.read_bytes())
    except (OSError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    ends = [item.not_valid_after_utc for item in (*authorities.values(), *(leaf for leaf, _ in leaves))]
    return accounts.public_key() == public and min(ends) - now > _RENEWED_BEFORE


def _read(found: Keys, name: str) -> x509.Certificate:
    """A certificate.

    Raises:
        OSError, ValueError: it or its key cannot be read, or the two do not belong together.
    """
    certificate = x509.load_pem_x509_certificate(found.certificate(name).read_bytes())
    key = serialization.load_pem_private_key(found.key(name).read_bytes(), password=None)
    if key.public_key() != certificate.public_key():
        raise ValueError(name)
    return certificate


def _make(found: Keys, now: dt.datetime) -> None:
    found.folder.mkdir(parents=True, exist_ok=True)
    found.folder.chmod(0o700)
    authorities = {name: _authority(found, name, now) for name in (AUTHORITY, FRONT_AUTHORITY)}
    for item in _CERTIFICATES:
        signer, certificate = authorities[item.authority]
        _sign(found, item, signer, certificate, now)
    accounts = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    _write(found.key("accounts"), _private(accounts))
    public = accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write(found.accounts_public, public)


def _authority(found: Keys, name: str, now: dt.datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"springtide {name}", "")
    made = (
        _builder(subject, subject, now, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(found.key(name), _private(key))
    _write(found.certificate(name), made.public_bytes(serialization.Encoding.PEM))
    return key, made


def _sign(
    found: Keys, item: _Wanted, signer: ec.EllipticCurvePrivateKey, authority: x509.Certificate, now: dt.datetime
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [*([ExtendedKeyUsageOID.CLIENT_AUTH] if item.client else [])]
    uses += [ExtendedKeyUsageOID.SERVER_AUTH] if item.hosts else []
    builder = (
        _builder(_name(item.name, item.organization), authority.subject, now, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if item.hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_host(host) for host in item.hosts]), critical=False
        )
    _write(found.key(item.name), _private(key))
    _write(found.certificate(item.name), builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, now: dt.datetime, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of containers and of this machine need not agree to the second.
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )


def _name(common: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    parts += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name(parts)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.rename(file)
