"""Keys of a control plane: they fit together, nobody else reads them, and a broken set is made anew."""

import datetime as dt
import ipaddress
import shutil
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from springtide.local.plane.certificates import ADMINISTRATORS, AUTHORITY, FRONT_AUTHORITY, Keys, keys

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
LEAVES = {
    "kube-apiserver": AUTHORITY,
    "admin": AUTHORITY,
    "kube-controller-manager": AUTHORITY,
    "kube-scheduler": AUTHORITY,
    "kubelet-client": AUTHORITY,
    "keda": AUTHORITY,
    "front-proxy-client": FRONT_AUTHORITY,
}
SERVERS = {
    "kube-apiserver": ["localhost", "127.0.0.1", "kubernetes.default.svc", "kubernetes.default", "10.96.0.1"],
    "keda": ["localhost", "127.0.0.1", "keda-adapter.keda.svc"],
}
FILES = ("ca.crt", "ca.key", "admin.crt", "admin.key", "front-proxy-ca.crt", "accounts.key", "accounts.pub")


@pytest.fixture(name="made", scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(tmp_path_factory.mktemp("made") / "keys", NOW)


@pytest.fixture(name="mine")
def a_copy(made: Keys, tmp_path: Path) -> Keys:
    shutil.copytree(made.folder, tmp_path / "keys")
    return Keys(folder=tmp_path / "keys")


def read(found: Keys, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(found.certificate(name).read_bytes())


def contents(found: Keys) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in found.folder.iterdir()}


def sound(found: Keys) -> bool:
    """Whether each certificate belongs to its key and its authority, as their users will check."""
    try:
        for name, authority in LEAVES.items():
            read(found, name).verify_directly_issued_by(read(found, authority))
            key = serialization.load_pem_private_key(found.key(name).read_bytes(), password=None)
            assert key.public_key() == read(found, name).public_key()
    except (ValueError, InvalidSignature):
        return False
    return True


def test_every_certificate_belongs_to_its_key_and_its_authority(made: Keys) -> None:
    assert sound(made)
    assert {file.stem for file in made.folder.glob("*.crt")} == {*LEAVES, AUTHORITY, FRONT_AUTHORITY}


@pytest.mark.parametrize("name", SERVERS)
def test_servers_are_believed_under_their_names(made: Keys, name: str) -> None:
    builder = PolicyBuilder().store(Store([read(made, AUTHORITY)])).time(NOW + dt.timedelta(days=300))
    for host in SERVERS[name]:
        try:
            subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            subject = x509.DNSName(host)
        chain = builder.build_server_verifier(subject).verify(read(made, name), [])  # type: ignore[arg-type]
        assert len(chain) == 2


def test_a_server_of_another_name_or_of_another_authority_is_not_believed(made: Keys, tmp_path: Path) -> None:
    other = keys(tmp_path / "other", NOW)
    for store, host in ((made, "example.org"), (other, "localhost")):
        verifier = (
            PolicyBuilder().store(Store([read(store, AUTHORITY)])).time(NOW).build_server_verifier(x509.DNSName(host))
        )
        with pytest.raises(VerificationError):
            verifier.verify(read(made, "kube-apiserver"), [])


def test_only_those_who_serve_may_serve_and_no_leaf_may_sign(made: Keys) -> None:
    for name in LEAVES:
        leaf = read(made, name)
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (ExtendedKeyUsageOID.SERVER_AUTH in uses) == (name in SERVERS)
        assert ExtendedKeyUsageOID.CLIENT_AUTH in uses
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_who_a_client_is_stands_in_its_certificate(made: Keys) -> None:
    def who(name: str) -> tuple[str, list[str]]:
        subject = read(made, name).subject
        groups = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value), groups

    assert who("admin") == ("admin", [ADMINISTRATORS])
    # No rights of its own: it only says for whom it asks.
    assert who("front-proxy-client") == ("front-proxy-client", [])
    assert who("keda") == ("keda", [])


def test_nobody_else_reads_them(made: Keys) -> None:
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in made.folder.iterdir()} == {0o600}


def test_tokens_of_service_accounts_are_checked_with_the_other_half(made: Keys) -> None:
    private = serialization.load_pem_private_key(made.key("accounts").read_bytes(), password=None)
    assert private.public_key() == serialization.load_pem_public_key(made.accounts_public.read_bytes())


def test_made_twice_changes_nothing(mine: Keys) -> None:
    before = contents(mine)
    keys(mine.folder, NOW + dt.timedelta(days=334))
    assert contents(mine) == before


def test_all_are_made_anew_a_month_before_they_end(mine: Keys) -> None:
    before = contents(mine)
    later = NOW + dt.timedelta(days=336)
    keys(mine.folder, later)
    assert not set(contents(mine).items()) & set(before.items())
    assert sound(mine)
    assert read(mine, "admin").not_valid_after_utc > later + dt.timedelta(days=300)


def test_they_are_good_a_little_before_now_for_clocks_that_disagree(made: Keys) -> None:
    assert NOW - dt.timedelta(minutes=6) < read(made, "admin").not_valid_before_utc < NOW


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("fate", ["gone", "empty", "damaged", "another's"])
def test_a_set_that_is_not_whole_is_made_anew(mine: Keys, other: Keys, file: str, fate: str) -> None:
    path = mine.folder / file
    path.unlink()
    if fate != "gone":
        path.write_bytes(
            {"empty": b"", "damaged": b"\x00-----BEGIN", "another's": (other.folder / file).read_bytes()}[fate]
        )
    before = contents(mine)
    keys(mine.folder, NOW)
    assert contents(mine) != before
    assert sound(mine)


def test_a_new_authority_with_what_the_old_one_signed_is_no_set(mine: Keys, other: Keys) -> None:
    """What a command leaves that was killed right after it had made the authority anew."""
    for file in ("ca.crt", "ca.key"):
        shutil.copy(other.folder / file, mine.folder / file)
    assert not sound(mine)
    keys(mine.folder, NOW)
    assert sound(mine)


@pytest.fixture(name="other", scope="module")
def another_set(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(tmp_path_factory.mktemp("another") / "keys", NOW)
