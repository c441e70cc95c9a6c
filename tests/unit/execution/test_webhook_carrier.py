"""Where messages go, where they never go, and what a hostile receiver gets out of it. Receivers are real."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from incumbent.base.errors import InvalidInput
from incumbent.execution.webhook_carrier import HttpCarrier
from incumbent.usecases.webhook_address import judge_address, parse_url
from incumbent.usecases.webhook_ports import Sent
from receivers import open_receiver

HEADERS = {"content-type": "application/json"}


def post(url, *, carrier=None, private=True, http=True):
    return (carrier or HttpCarrier(timeout_s=5)).post(url, HEADERS, b"{}", may_be_private=private, may_be_http=http)


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example.com", "//hooks.example.com", "file:///etc/passwd", "ftp://a.example/", "gopher://a.example/", "http://a.example/",
        "https://", "https:///x", "https://user@a.example/", "https://user:secret@a.example/", "https://a.example@evil.example/",
        "https://a.example/#x", "https://a.example\\@evil.example/", "https://a.example/\r\nHost: evil", "https://a.example/ x",
        "https://a.example:99999/", "https://a.example:0/", "https://a.example:x/", "https://ä.example/", "https://a.exam\0ple/",
        "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://0x7f.1/",
        "https://0/", "https://0.0.0.0/", "https://127.0.0.1./", "https://1.2.3.4.5/", "https://[::1]/", "https://[::]/",
        "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/", "https://[fe80::1%25eth0]/", "https://[fe80::1]/", "https://[fd00::1]/", "https://[fd00:ec2::254]/",
        "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/", "https://169.254.169.254/latest/",
        "https://168.63.129.16/", "https://224.0.0.1/", "https://255.255.255.255/", "https://240.0.0.1/", "https://192.0.2.1/",
        "https://[ff02::1]/", "https://a..example/", "https://-a.example/", f"https://a.example/{'x' * 2_000}",
    ],
)  # fmt: skip
def test_no_message_may_go_to_a_hostile_url(url):
    with pytest.raises(InvalidInput):
        parse_url(url, may_be_private=False, may_be_http=False)
    assert post(url, private=False, http=False).status == 0


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254", "fe80::1", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "168.63.129.16",
        "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::a9fe:a9fe",
    ],
)  # fmt: skip
def test_some_addresses_are_for_no_webhook_also_not_for_a_private_one(text):
    assert "that no webhook may have" in judge_address(ipaddress.ip_address(text), may_be_private=True)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fd12::1", "100.64.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]
)
def test_private_addresses_are_for_webhooks_that_may_have_them(text):
    address = ipaddress.ip_address(text)
    assert "--allow-private" in judge_address(address, may_be_private=False)
    assert judge_address(address, may_be_private=True) == ""


@pytest.mark.parametrize("text", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_for_all(text):
    assert judge_address(ipaddress.ip_address(text), may_be_private=False) == ""


def answers(*addresses):
    """Return a resolver that gives these, and the list of what it was asked."""
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve, asked


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.1"]])
def test_a_name_that_leads_to_one_bad_address_is_not_connected_to_at_all(addresses):
    with open_receiver() as receiver:
        resolve, _ = answers(*addresses)
        sent = post(f"http://a.example:{receiver.port}/", carrier=HttpCarrier(resolve=resolve), private=False)
        assert (sent.status, receiver.got) == (0, [])
        assert sent.detail.startswith("a.example leads to ")


def test_a_name_is_resolved_once_so_that_it_cannot_change_between_the_check_and_the_connection():
    with open_receiver() as receiver:
        resolve, asked = answers("127.0.0.1")
        assert post(f"http://localhost.example:{receiver.port}/x?y=1", carrier=HttpCarrier(resolve=resolve)) == Sent(204)
        assert asked == ["localhost.example"]  # a second look would have gone to the system's resolver, which knows no such name
        path, headers, body = receiver.got[0]
        assert (path, headers["host"], body) == ("/x?y=1", f"localhost.example:{receiver.port}", b"{}")


def test_a_redirect_is_an_answer_and_is_not_followed():
    with open_receiver() as second, open_receiver(status=307, headers={"location": second.url}) as first:
        assert post(first.url) == Sent(307)
        assert (len(first.got), second.got) == (1, [])


def test_proxy_variables_change_nothing(monkeypatch):
    with open_receiver() as proxy, open_receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(receiver.url) == Sent(204)
        assert proxy.got == []


def endless_body(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        handler.wfile.write(b"x" * 65_536)


def endless_head(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"x: y\r\n" * 1_000)


def endless_promises(handler):
    while True:
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (endless_body, Sent(200)),
        (endless_head, 0),
        (endless_promises, 0),
        (lambda handler: handler.wfile.write(b"220 mail.example ESMTP\r\n\r\n"), 0),
        (lambda handler: None, 0),
    ],
    ids=["endless body", "endless head", "endless promises", "no HTTP", "nothing"],
)
def test_a_receiver_that_misbehaves_ends_the_attempt(answer, expected):
    with open_receiver(answer=answer) as receiver:
        sent = post(receiver.url)
    if expected:
        assert sent == expected
    else:
        assert sent.status == 0
        assert sent.detail


def test_a_receiver_that_drips_is_given_one_time_for_all():
    done = threading.Event()

    def drip(handler):
        while not done.wait(0.05):
            handler.wfile.write(b"H")

    with open_receiver(answer=drip) as receiver:
        assert post(receiver.url, carrier=HttpCarrier(timeout_s=0.4)) == Sent(0, "it did not answer within 0.4 s")
        done.set()


def test_nobody_there_is_told_in_words():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "cannot be reached" in post(f"http://127.0.0.1:{taken.getsockname()[1]}/").detail


def test_tls_vouches_for_the_name_of_the_url(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = tmp_path / "both.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    trusting = ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())
    resolve, _ = answers("127.0.0.1")

    def ask(host, tls=None):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve():
                plain, _ = listener.accept()
                try:
                    with server.wrap_socket(plain, server_side=True) as connection:
                        connection.recv(10_000)
                        connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                except OSError:
                    plain.close()

            thread = threading.Thread(target=serve)
            thread.start()
            sent = post(f"https://{host}:{listener.getsockname()[1]}/", carrier=HttpCarrier(tls=tls, resolve=resolve), http=False)
            thread.join()
            return sent

    assert ask("hooks.example", trusting) == Sent(202)
    assert ask("hooks.example").detail.startswith("TLS: ")
    assert ask("other.example", trusting).detail.startswith("TLS: ")
