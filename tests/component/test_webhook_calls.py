"""A webhook's call goes to the checked address of its name and nowhere else, is short, and follows nobody."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.adapters import webhook_calls
from shared.adapters.webhook_calls import CallFailedError, ReceiverSilentError, call
from shared.domain.webhooks import UnsafeAddressError, chosen_address

pytestmark = pytest.mark.enable_socket
NAME = "recibe.example.com"
PUBLIC = "93.184.215.14"


class Receiving(ThreadingHTTPServer):
    """A receiver that answers as a test says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.drips = 204, False
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.done = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/relevo?of=ana"


class Answering(BaseHTTPRequestHandler):
    server: Receiving

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        if self.server.drips:
            while not self.server.done.wait(0.05):
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
        self.send_response(self.server.status)
        if 300 <= self.server.status < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@pytest.fixture
def receiver() -> Iterator[Receiving]:
    with Receiving() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.done.set()
        server.shutdown()
        thread.join()


def test_a_receiver_gets_body_headers_path_and_query(receiver: Receiving) -> None:
    call(receiver.url, b"{}", {"Relevo-Event-Id": "e"}, in_lab=True)
    ((path, headers, body),) = receiver.seen
    assert (path, body) == ("/relevo?of=ana", b"{}")
    assert headers["Relevo-Event-Id"] == "e"
    assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"


@pytest.mark.parametrize("status", [199, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503])
def test_anything_but_2xx_is_a_failure_and_a_redirect_is_not_followed(receiver: Receiving, status: int) -> None:
    receiver.status = status
    with pytest.raises(CallFailedError, match=r"answered|Error"):
        call(receiver.url, b"{}", {}, in_lab=True, seconds=1)
    assert len(receiver.seen) == 1


def test_a_receiver_that_drips_is_cut_off(receiver: Receiving) -> None:
    receiver.drips = True
    with pytest.raises(CallFailedError):
        call(receiver.url, b"{}", {}, in_lab=True, seconds=0.3)


def test_a_receiver_that_says_nothing_is_silent_and_not_just_unwilling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_calls, "STEP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(ReceiverSilentError):
        call(f"http://127.0.0.1:{listening.getsockname()[1]}/", b"{}", {}, in_lab=True)


def test_a_receiver_that_is_not_there_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(CallFailedError, match="ConnectionRefused"):
            call(f"http://127.0.0.1:{taken.getsockname()[1]}/", b"{}", {}, in_lab=True)


PRIVATE = [
    "10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "169.254.170.2", "100.64.0.1",
    "198.18.0.1", "192.0.2.1", "203.0.113.5", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "fec0::1",
    "::ffff:10.0.0.1", "::ffff:93.184.215.14", "64:ff9b::a00:1", "64:ff9b::5db8:d70e", "64:ff9b:1::1",
    "2002:a00:1::1", "2001:0:a00:1::1", "::10.0.0.1", "100::1", "not an address",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_no_address_but_a_public_one_is_connected_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []

    def connect(*asked: Any, **_: Any) -> None:
        connected.append(asked)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    for addresses in ([address], [PUBLIC, address], [address, PUBLIC]):
        with pytest.raises(CallFailedError, match="UnsafeAddress"):
            call(f"https://{NAME}/", b"{}", {}, in_lab=False, resolve=lambda *_, found=addresses: found)
    assert connected == []


def test_public_addresses_are_taken_and_ipv4_first() -> None:
    assert chosen_address([PUBLIC], in_lab=False) == PUBLIC
    assert chosen_address(["2600:1f18::1", PUBLIC], in_lab=False) == PUBLIC
    assert chosen_address(["2600:1f18::1"], in_lab=False) == "2600:1f18::1"
    with pytest.raises(UnsafeAddressError):
        chosen_address([], in_lab=False)


def test_loopback_is_called_in_the_lab_and_refused_on_aws(receiver: Receiving) -> None:
    call(receiver.url, b"{}", {}, in_lab=True)
    with pytest.raises(CallFailedError, match="expected https"):
        call(receiver.url, b"{}", {}, in_lab=False)
    for address in ("10.0.0.1", "169.254.169.254"):
        with pytest.raises(CallFailedError):
            call(f"http://{address}/", b"{}", {}, in_lab=True)
        with pytest.raises(CallFailedError, match="UnsafeAddress"):
            call(f"https://{NAME}/", b"{}", {}, in_lab=True, resolve=lambda *_, found=address: [found])
    assert len(receiver.seen) == 1


# The connection goes to the address that was checked, and the certificate is that of the name.


def certified(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a name, which signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.mark.parametrize(("name", "taken"), [(NAME, True), ("otro.example.com", False)])
def test_a_call_goes_to_the_checked_address_with_the_names_certificate(
    receiver: Receiving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, taken: bool
) -> None:
    certificate, private = certified(tmp_path, name)
    speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaks.load_cert_chain(certificate, private)
    receiver.socket = speaks.wrap_socket(receiver.socket, server_side=True)
    asked: list[Any] = []
    connect = socket.create_connection

    def connected(to: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(to)
        return connect(("127.0.0.1", receiver.server_port), timeout)

    names: list[Any] = []

    def resolve(host: str, port: int) -> list[str]:
        names.append((host, port))
        # A name that leads elsewhere the second time it is asked for.
        return [PUBLIC] if len(names) == 1 else ["10.0.0.1"]

    monkeypatch.setattr(socket, "create_connection", connected)
    trusting = webhook_calls.tls.__wrapped__()  # a context of its own
    trusting.load_verify_locations(certificate)
    monkeypatch.setattr(webhook_calls, "tls", lambda: trusting)
    if taken:
        call(f"https://{NAME}/relevo", b"{}", {}, in_lab=False, resolve=resolve)
        assert [headers["Host"] for _, headers, _ in receiver.seen] == [NAME]
    else:
        with pytest.raises(CallFailedError, match="CertVerification"):
            call(f"https://{NAME}/relevo", b"{}", {}, in_lab=False, resolve=resolve)
        assert receiver.seen == []
    assert names == [(NAME, 443)]
    assert asked == [(PUBLIC, 443)]


def test_certificates_and_names_are_checked_and_old_tls_refused() -> None:
    context = webhook_calls.tls()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_names_are_resolved_by_the_machine_and_told_once() -> None:
    found = webhook_calls.addresses_of("127.0.0.1", 80)
    assert [ipaddress.ip_address(address) for address in found] == [ipaddress.ip_address("127.0.0.1")]
