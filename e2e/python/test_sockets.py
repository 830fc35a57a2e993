"""Opened tunnels, with the clients that agents use: httpx over HTTP/2, and the library websockets at both ends."""

import http.server
import json
import ssl
import threading
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from test_egress import Site
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve as serve_socket

SECRET = """
@id("test.no_plan") @reason("nobody says that")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
when { context.args.hasTag("body") && context.args.getTag("body") like "*the plan*" };
@id("test.all") permit (principal, action, resource);
"""


def issued(directory):
    """What a site of the name localhost speaks TLS with, and the root that it is verified by."""
    now = datetime.now(timezone.utc)

    def made(name, issuer, key, by, is_root, names=()):
        called = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer)]
        built = (
            x509.CertificateBuilder().subject_name(called[0]).issuer_name(called[1]).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1)).add_extension(x509.BasicConstraints(is_root, None), True)
        )
        if names:
            built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
        return built.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    above, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root, leaf, secret = directory / "root.pem", directory / "leaf.pem", directory / "leaf.key"
    name = f"root of {directory.name}"
    root.write_bytes(made(name, name, above, above, True))
    leaf.write_bytes(made("site", name, key, above, False, ["localhost"]))
    secret.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, secret)
    return context, str(root)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A WebSocket server that says everything back, and remembers it."""
    context, root = issued(tmp_path_factory.mktemp("talk"))
    heard = []

    def back(socket):
        for said in socket:
            heard.append(said)
            socket.send(said)

    server = serve_socket(back, "127.0.0.1", 0, ssl=context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.heard, server.roots, server.port = heard, root, server.socket.getsockname()[1]
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    context, root = issued(tmp_path_factory.mktemp("site"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.seen, server.roots, server.port = [], root, server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def opened(gateway, talk, site, tmp_path):
    roots = tmp_path / "roots.pem"
    roots.write_text(open(talk.roots).read() + open(site.roots).read())
    sites = [f"localhost:{talk.port}", f"localhost:{site.port}"]
    opened = gateway(policy=SECRET, egress={
        "address": "127.0.0.1:0", "inside": sites, "danger_intercept": sites, "roots": str(roots),
    })
    opened.proxy = opened.web.replace("://", f"://agent:{opened.key}@")
    root = tmp_path / "web.pem"
    opened.cli("egress", "ca", "--out", str(root))
    opened.tls = ssl.create_default_context(cafile=root)
    return opened


def test_httpx_speaks_http_2_in_an_opened_tunnel(opened, site):
    with httpx.Client(http2=True, proxy=opened.proxy, verify=opened.tls, timeout=20) as client:
        answer = client.get(f"https://localhost:{site.port}/a?b=c", cookies={"one": "1", "two": "2"})
        assert (answer.http_version, answer.status_code, answer.text) == ("HTTP/2", 200, "here is the site")
        method, path, headers = site.seen[-1]
        assert (method, path) == ("GET", "/a?b=c")
        headers = {name.lower(): value for name, value in headers.items()}
        assert headers["cookie"].replace(" ", "") == "one=1;two=2"
        assert headers["host"] == f"localhost:{site.port}"
        before = len(site.seen)
        answer = client.post(f"https://localhost:{site.port}/a", content="this is the plan")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy.denied")
        assert len(site.seen) == before


def test_a_websocket_is_carried_message_by_message_and_refused_by_one(opened, talk):
    talk.heard.clear()
    with connect(f"wss://localhost:{talk.port}/chat", proxy=opened.proxy, ssl=opened.tls) as socket:
        for said in ("hello", "x" * 300_000, b"\xff\xfe", json.dumps({"to": "you"})):
            socket.send(said)
            assert socket.recv(timeout=20) == said
        assert socket.ping().wait(20)
        assert socket.protocol.extensions == []
        socket.send("this is the plan")
        with pytest.raises(ConnectionClosed) as ended:
            socket.recv(timeout=20)
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1008, "policy.denied")
    assert len(talk.heard) == 4
    found = opened.json("audit", "search", "--limit", "50")
    assert "test.no_plan" in json.dumps(found)


def test_a_revocation_closes_a_websocket_and_opens_none(opened, talk):
    url = f"wss://localhost:{talk.port}/chat"
    with connect(url, proxy=opened.proxy, ssl=opened.tls) as socket:
        socket.send("hello")
        assert socket.recv(timeout=20) == "hello"
        opened.cli("revoke", f"site:localhost:{talk.port}", "--reason", "test")
        with pytest.raises(ConnectionClosed) as ended:
            socket.recv(timeout=20)
        assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1008, "revoked")
    with pytest.raises(Exception) as refused:
        connect(url, proxy=opened.proxy, ssl=opened.tls)
    assert not isinstance(refused.value, (InvalidStatus, AssertionError)) or "403" in str(refused.value)
