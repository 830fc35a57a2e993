"""The proxy to the web, with the clients that agents use: curl and Python's requests, against a TLS server of our own."""

import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from datetime import datetime, timedelta, timezone


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        body = b"x" * 200_000 if self.path == "/big" else b"here is the site"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def certificate(directory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("other.localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    )
    paths = directory / "site.pem", directory / "site.key"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


def serve(directory=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.seen = []
    if directory:
        chain, key = certificate(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.roots = str(chain)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.port = server.server_address[1]
    return server


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = serve(tmp_path_factory.mktemp("site"))
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def plain():
    server = serve()
    yield server
    server.shutdown()


@pytest.fixture
def through(gateway, site, plain):
    through = gateway(policy=None, egress={
        "address": "127.0.0.1:0",
        "inside": [f"localhost:{site.port}", f"localhost:{plain.port}"],
    })
    through.proxy = through.web.replace("://", f"://agent:{through.key}@")
    return through


def proxies(gateway) -> dict:
    return {"http": gateway.proxy, "https": gateway.proxy}


def test_requests_and_curl_reach_a_listed_site_and_no_other(through, site, plain):
    url = f"https://localhost:{site.port}/a?b=c"
    answer = requests.get(url, proxies=proxies(through), verify=site.roots, timeout=10)
    assert (answer.status_code, answer.text) == (200, "here is the site")
    assert requests.get(f"https://localhost:{site.port}/big", proxies=proxies(through), verify=site.roots, timeout=10).text == "x" * 200_000
    answer = requests.get(f"http://localhost:{plain.port}/p", proxies=proxies(through), timeout=10)
    assert (answer.status_code, answer.text) == (200, "here is the site")
    seen = plain.seen[-1][2]
    assert "Proxy-Authorization" not in seen and "Proxy-Connection" not in seen
    if curl := shutil.which("curl"):
        done = subprocess.run(
            [curl, "-sS", "--cacert", site.roots, url], capture_output=True, text=True, timeout=20,
            env={"PATH": os.environ["PATH"], "HTTPS_PROXY": through.proxy, "NO_PROXY": ""},
        )
        assert (done.returncode, done.stdout) == (0, "here is the site"), done.stderr
    before = len(site.seen)
    for other in (f"https://127.0.0.1:{site.port}/", f"https://localhost:{plain.port + 1}/", "https://example.com/"):
        with pytest.raises(requests.exceptions.ProxyError, match="403 policy.denied"):
            requests.get(other, proxies=proxies(through), verify=site.roots, timeout=10)
    nobody = f"http://agent:bz_wrong@{through.proxy.split('@')[1]}"
    with pytest.raises(requests.exceptions.ProxyError, match="407 identity"):
        requests.get(url, proxies={"https": nobody}, verify=site.roots, timeout=10)
    assert len(site.seen) == before


def test_a_tunnel_to_one_host_serves_no_other(through, site):
    """The site would answer for the other name, too: it is one machine and one certificate."""
    host, port = through.proxy.split("@")[1].split(":")
    token = through.key
    for name, passes in (("localhost", True), ("other.localhost", False), (None, False)):
        raw = socket.create_connection((host, int(port)), timeout=10)
        target = f"localhost:{site.port}"
        raw.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Bearer {token}\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 200")
        context = ssl.create_default_context(cafile=site.roots)
        context.check_hostname = False
        before = len(site.seen)
        try:
            with context.wrap_socket(raw, server_hostname=name) as secured:
                secured.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert secured.recv(4096).startswith(b"HTTP/1.1 200")
                assert passes, name
        except (ssl.SSLError, ConnectionError, OSError):
            assert not passes, name
            assert len(site.seen) == before


def test_a_revocation_cuts_an_open_tunnel_within_50_ms(through, site):
    host, port = through.proxy.split("@")[1].split(":")
    target = f"localhost:{site.port}"
    raw = socket.create_connection((host, int(port)), timeout=10)
    raw.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Bearer {through.key}\r\n\r\n".encode())
    assert raw.recv(4096).startswith(b"HTTP/1.1 200")
    secured = ssl.create_default_context(cafile=site.roots).wrap_socket(raw, server_hostname="localhost")
    secured.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert secured.recv(4096).startswith(b"HTTP/1.1 200")
    ended = []

    def wait():
        try:
            while secured.recv(4096):
                pass
        except OSError:
            pass
        ended.append(time.monotonic())

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.2)
    assert waiting.is_alive()
    through.cli("revoke", "agent:local", "--reason", "test")
    acknowledged = time.monotonic()
    waiting.join(5)
    assert ended and ended[0] - acknowledged < 0.05
    with pytest.raises(requests.exceptions.ProxyError, match="403 revoked"):
        requests.get(f"https://localhost:{site.port}/", proxies=proxies(through), verify=site.roots, timeout=10)


def test_what_happened_is_on_record_and_explained(through, site):
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://example.com/", proxies=proxies(through), timeout=10)
    requests.get(f"https://localhost:{site.port}/", proxies=proxies(through), verify=site.roots, timeout=10)
    rulings = {
        record["facts"]["resource"]["site"]: record
        for record in (row["record"] for row in through.json("audit", "search", "--kind", "ruling")["records"])
        if record["facts"]["surface"] == "egress"
    }
    denied, allowed = rulings["example.com:443"], rulings[f"localhost:{site.port}"]
    assert (denied["ruling"], allowed["ruling"]) == ("deny", "allow")
    explained = through.cli("explain", allowed["call"]).stdout
    assert "open_tunnel" in explained and "balanced.tunnels" in explained, explained
    assert "example.com:443" in through.cli("explain", denied["call"]).stdout
