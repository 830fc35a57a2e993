"""Who may call: our keys, JWTs against a key set, and everything that only looks like either."""

import base64
import hashlib
import hmac
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time

import jwt
import pytest
import raw
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from test_sockets import issued

ISSUER, AUDIENCE = "https://issuer.test", "bartizan"
CHAT = json.dumps({"model": "text", "messages": [{"role": "user", "content": "x"}]}).encode()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(key, kid: str, algorithm: str) -> dict:
    jwk = json.loads({"ES256": jwt.algorithms.ECAlgorithm, "EdDSA": jwt.algorithms.OKPAlgorithm, "RS256": jwt.algorithms.RSAAlgorithm}[algorithm].to_jwk(key.public_key()))
    return {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}


class Issuer:
    def __init__(self, directory):
        self.path = directory / "jwks.json"
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.ed = ed25519.Ed25519PrivateKey.generate()
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.stranger = ec.generate_private_key(ec.SECP256R1())
        self.keys = {"ES256": (self.ec, "ec-1"), "EdDSA": (self.ed, "ed-1"), "RS256": (self.rsa, "rsa-1")}
        self.publish(self.keys)

    def publish(self, keys):
        self.path.write_text(json.dumps({"keys": [public_jwk(key, kid, alg) for alg, (key, kid) in keys.items()]}))

    def claims(self, **changes) -> dict:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "worker", "email": "ann@example.test", "iat": now, "nbf": now - 5, "exp": now + 300}
        claims.update(changes)
        return {key: value for key, value in claims.items() if value is not None}

    def token(self, algorithm="ES256", key=None, kid=None, headers=None, **changes) -> str:
        own, own_kid = self.keys[algorithm]
        return jwt.encode(self.claims(**changes), key or own, algorithm, headers={"kid": kid or own_kid, **(headers or {})})

    def assembled(self, header: dict, claims: dict, signature: bytes = b"") -> str:
        parts = [b64(json.dumps(part).encode()) for part in (header, claims)]
        return ".".join([*parts, b64(signature)])

    def confused(self) -> str:
        """HS256 with the RSA public key as its secret."""
        pem = self.rsa.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        unsigned = self.assembled({"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}, self.claims()).rsplit(".", 1)[0]
        return f"{unsigned}.{b64(hmac.new(pem, unsigned.encode(), hashlib.sha256).digest())}"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def through(shared_gateway, provider, issuer):
    return shared_gateway(provider, jwt=[{
        "issuer": ISSUER, "audience": [AUDIENCE], "jwks": str(issuer.path), "algorithms": ["ES256", "EdDSA", "RS256"],
        "agent_claim": "sub", "user_claim": "email",
    }])


def ask(gateway, credential: str | None):
    return raw.post(gateway.address, "/v1/chat/completions", CHAT, key=credential)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_good_tokens_are_taken_and_recorded(through, issuer, algorithm):
    answer = ask(through, issuer.token(algorithm, sub=f"worker-{algorithm}"))
    assert answer.status == 200
    found = through.json("audit", "search", "--agent", f"worker-{algorithm}")
    text = json.dumps(found)
    assert f"worker-{algorithm}" in text and "ann@example.test" in text


NEGATIVE = {
    "no credential": (lambda i: None, "identity.credential_missing"),
    "nonsense": (lambda i: "nonsense", "identity.credential_malformed"),
    "two dots": (lambda i: "..", "identity."),
    "alg none": (lambda i: i.assembled({"alg": "none", "kid": "ec-1"}, i.claims()), "identity."),
    "alg None": (lambda i: i.assembled({"alg": "nOnE", "kid": "ec-1"}, i.claims()), "identity."),
    "no alg": (lambda i: i.assembled({"kid": "ec-1"}, i.claims()), "identity."),
    "hmac with the public key": (lambda i: i.confused(), "identity.token_algorithm"),
    "wrong issuer": (lambda i: i.token(iss="https://other.test"), "identity.token_issuer"),
    "issuer with a slash more": (lambda i: i.token(iss=ISSUER + "/"), "identity.token_issuer"),
    "no issuer": (lambda i: i.token(iss=None), "identity."),
    "issuer a list": (lambda i: i.assembled({"alg": "ES256", "kid": "ec-1"}, i.claims(iss=[ISSUER]), b"x" * 64), "identity."),
    "wrong audience": (lambda i: i.token(aud="other"), "identity.token_audience"),
    "no audience": (lambda i: i.token(aud=None), "identity."),
    "audience prefix": (lambda i: i.token(aud=["bartizan-staging"]), "identity.token_audience"),
    "expired": (lambda i: i.token(exp=int(time.time()) - 120), "identity.token_expired"),
    "no expiry": (lambda i: i.token(exp=None), "identity.token_claims"),
    "expiry text": (lambda i: i.assembled({"alg": "ES256", "kid": "ec-1"}, {**i.claims(), "exp": "tomorrow"}, b"x" * 64), "identity."),
    "not yet": (lambda i: i.token(nbf=int(time.time()) + 600), "identity.token_early"),
    "stranger's key, known kid": (lambda i: i.token(key=i.stranger), "identity.token_signature"),
    "unknown kid": (lambda i: i.token(key=i.stranger, kid="ec-2"), "identity.token_key"),
    "kid of another type": (lambda i: i.token(key=i.ec, kid="rsa-1"), "identity."),
    "no agent claim": (lambda i: i.token(sub=None), "identity.token_claims"),
    "agent claim empty": (lambda i: i.token(sub=""), "identity.token_claims"),
    "reserved agent": (lambda i: i.token(sub="bartizan"), "identity."),
    "no user claim": (lambda i: i.token(email=None), "identity.token_claims"),
    "crit header": (lambda i: i.token(headers={"crit": ["exp"]}), "identity."),
    "embedded key": (lambda i: jwt.encode(i.claims(), i.stranger, "ES256", headers={"jwk": public_jwk(i.stranger, "x", "ES256"), "kid": "x"}), "identity."),
    "jku header": (lambda i: jwt.encode(i.claims(), i.stranger, "ES256", headers={"jku": "http://127.0.0.1:1/jwks", "kid": "ec-1"}), "identity."),
    "signature stripped": (lambda i: i.token().rsplit(".", 1)[0] + ".", "identity."),
    "signature of zeroes": (lambda i: i.token().rsplit(".", 1)[0] + "." + b64(bytes(64)), "identity.token_signature"),
    "payload changed": (lambda i: ".".join([i.token().split(".")[0], b64(json.dumps(i.claims(sub="root")).encode()), i.token().split(".")[2]]), "identity.token_signature"),
    "four parts": (lambda i: i.token() + ".x", "identity."),
    "padding": (lambda i: i.token() + "==", "identity."),
    "duplicate claim": (lambda i: ".".join([b64(b'{"alg":"ES256","kid":"ec-1"}'), b64(b'{"iss":"%s","iss":"x"}' % ISSUER.encode()), b64(b"x" * 64)]), "identity."),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_bad_tokens_are_refused_with_their_code(through, issuer, provider, name):
    make, code = NEGATIVE[name]
    answer = ask(through, make(issuer))
    assert answer.status == 401, (answer.status, answer.text)
    assert code in answer.text, answer.text
    assert not provider.seen


def test_rotated_keys_are_read_and_old_ones_forgotten(gateway, provider, tmp_path):
    mine = Issuer(tmp_path)
    through = gateway(provider, jwt=[{
        "issuer": ISSUER, "audience": [AUDIENCE], "jwks": str(mine.path), "algorithms": ["ES256"], "agent_claim": "sub",
    }])
    old = mine.token()
    assert ask(through, old).status == 200
    fresh = ec.generate_private_key(ec.SECP256R1())
    mine.publish({"ES256": (fresh, "ec-9")})
    new = mine.token(key=fresh, kid="ec-9")
    # An unknown key asks for the set again, at most every 20 s: strangers can't make the gateway read all day.
    for _ in range(70):
        if ask(through, new).status == 200:
            break
        time.sleep(0.5)
    assert ask(through, new).status == 200
    assert ask(through, old).status == 401, "a token of a withdrawn key still passes"


class Metadata(http.server.BaseHTTPRequestHandler):
    """An issuer's own host: what it says of itself (OpenID Connect Discovery), and its key set."""

    def do_GET(self):
        keys, me = self.server.keys, f"https://localhost:{self.server.server_address[1]}"
        found = {
            "/.well-known/openid-configuration": json.dumps({"issuer": me, "jwks_uri": f"{me}/keys"}),
            "/keys": keys.path.read_text(),
        }.get(self.path, "{}")
        self.send_response(404 if found == "{}" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        self.wfile.write(found.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def private_issuer(tmp_path):
    """An issuer of a company's own, whose certificate no browser trusts."""
    context, root = issued(tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.keys, server.root = Issuer(tmp_path), root
    server.name = f"https://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.mark.parametrize("trusted", [True, False], ids=["its root is named", "its root is not"])
@pytest.mark.parametrize("named", [False, True], ids=["discovered", "key set named"])
def test_an_issuer_of_a_private_root_is_found_where_that_root_is_named(gateway, provider, private_issuer, trusted, named):
    table = {"issuer": private_issuer.name, "audience": [AUDIENCE], "algorithms": ["ES256"]}
    if named:
        table["jwks"] = f"{private_issuer.name}/keys"
    if trusted:
        table["roots"] = private_issuer.root
    through = gateway(provider, jwt=[table])
    token = private_issuer.keys.token(iss=private_issuer.name)
    deadline = time.monotonic() + (20 if trusted else 3)
    while (answer := ask(through, token)).status != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer.status == (200 if trusted else 503), (answer.text, through.output()[-3000:])


def test_roots_of_an_issuer_that_are_no_roots_are_told_at_the_start(gateway, provider, tmp_path):
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(RuntimeError, match="has no certificate"):
        gateway(provider, jwt=[{"issuer": "https://localhost:1", "audience": [AUDIENCE], "roots": str(tmp_path / "empty.pem")}])


# -- our own keys


def test_keys_are_shown_once_and_can_be_revoked(gateway, provider):
    through = gateway(provider)
    key = through.add_agent("mailer")
    assert key.startswith("bz_") and ask(through, key).status == 200
    listed = json.dumps(through.json("agent", "list"))
    assert "mailer" in listed and key not in listed
    through.cli("agent", "revoke", "_".join(key.split("_")[:2]))
    answer = ask(through, key)
    assert answer.status == 401 and "identity.key_revoked" in answer.text
    assert ask(through, through.key).status == 200
    for path in through.files():
        assert key.encode() not in path.read_bytes(), f"the key lies in {path}"


def test_keys_that_are_almost_right(through, provider):
    key = through.key
    flipped = key[:-1] + ("0" if key[-1] != "0" else "1")
    middle = len(key) // 2
    wrong = key[:middle] + ("A" if key[middle] != "A" else "B") + key[middle + 1 :]
    for candidate in (flipped, wrong, key[:-1], key + "x", key.upper(), f"{key} {key}", "bz_", "bz__", "bz_x_y_z"):
        answer = ask(through, candidate)
        assert answer.status == 401 and "identity." in answer.text, candidate
    assert not provider.seen


@pytest.mark.parametrize("headers", [
    [("Authorization", "Bearer {key}"), ("Authorization", "Bearer {key}")],
    [("Authorization", "Bearer {key}"), ("x-api-key", "{key}")],
    [("Authorization", "Basic {key}")],
    [("Authorization", "{key}")],
    [("x-api-key", "{key}"), ("x-api-key", "other")],
])
def test_ambiguous_credentials_are_refused(through, provider, headers):
    lines = [("Host", "%s:%d" % through.address), ("Content-Type", "application/json"), ("Content-Length", str(len(CHAT))), ("Connection", "close")]
    lines += [(name, value.format(key=through.key)) for name, value in headers]
    answer = raw.exchange(through.address, raw.head("POST", "/v1/chat/completions", lines) + CHAT)
    assert answer.status == 401 and "identity." in answer.text and not provider.seen


def test_a_key_in_the_address_is_no_credential(through, provider):
    answer = raw.post(through.address, f"/v1/chat/completions?key={through.key}&api_key={through.key}", CHAT)
    assert answer.status in (401, 404) and not provider.seen


def test_policy_sees_who_calls(gateway, provider):
    through = gateway(provider, policy='@id("test.only") @reason("only the mailer") forbid (principal, action == Bartizan::Action::"generate", resource) unless { principal == Bartizan::Agent::"mailer" };')
    mailer = through.add_agent("mailer")
    assert ask(through, mailer).status == 200
    answer = ask(through, through.key)
    assert answer.status == 403 and "only the mailer" in answer.text


def test_refusals_are_recorded_without_the_credential(through, issuer):
    token = issuer.token(iss="https://other.test")
    answer = ask(through, token)
    assert answer.status == 401
    found = through.json("audit", "search", "--kind", "rejection")
    assert "identity." in json.dumps(found)
    for path in through.files():
        assert token.split(".")[2].encode() not in path.read_bytes()


def test_the_gateways_own_name_is_taken(gateway):
    """`bartizan` has the housekeeping permits: nobody else may be called that."""
    idle = gateway(start=False)
    assert idle.cli("agent", "add", "bartizan", check=False).returncode != 0


def test_a_rotation_at_once_reaches_the_listener_and_who_renews(gateway, provider, tmp_path):
    """Both show what the new root signed within seconds: who trusts the new bundle believes nothing else."""
    through = gateway(provider, listen={"tls": {"clients": "optional"}})
    port, own = int(through.listen.rsplit(":", 1)[1]), tmp_path / "zed"

    def shown() -> str:
        bare = ssl.create_default_context()
        bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port)) as plain, bare.wrap_socket(plain) as tls:
            return x509.load_der_x509_certificate(tls.getpeercert(True)).issuer.rfc4514_string()

    def held() -> str:
        return x509.load_pem_x509_certificate((own / "svid.pem").read_bytes()).issuer.rfc4514_string()

    def until(true, seconds=30):
        deadline = time.monotonic() + seconds
        while not true() and time.monotonic() < deadline:
            time.sleep(0.5)
        return true()

    renewing = subprocess.Popen(
        [through.binary, "--config", str(through.config_path), "--state", str(through.state),
         "identity", "issue", "zed", "--out", str(own), "--renew"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=through.environment,
    )
    try:
        assert until((own / "svid.pem").exists)
        assert "root 1" in shown() and "root 1" in held()
        through.cli("identity", "rotate", "--at-once")
        assert until(lambda: "root 2" in shown()) and until(lambda: "root 2" in held())
        with ssl_to(port, own) as tls:
            assert "root 2" in x509.load_der_x509_certificate(tls.getpeercert(True)).issuer.rfc4514_string()
    finally:
        renewing.terminate()
        renewing.wait(timeout=10)


def ssl_to(port: int, own):
    """A connection by these files, which trusts their bundle alone."""
    context = ssl.create_default_context(cafile=str(own / "bundle.pem"))
    context.check_hostname = False
    context.load_cert_chain(str(own / "svid.pem"), str(own / "svid_key.pem"))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
