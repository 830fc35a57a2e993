"""Planted secrets: nothing the gateway prints, logs, records, answers or stores may show one."""

import base64
import json

import jwt as pyjwt
import pytest
import raw
from cryptography.hazmat.primitives.asymmetric import ec
from peers import PERMIT_ALL, leaves, mcp_client, stdio_office
from test_identity import Issuer, ISSUER, AUDIENCE

pytestmark = pytest.mark.anyio

PLANTED = {
    "openai": "sk-planted-openai-7Qm2vXe9", "anthropic": "sk-ant-planted-b81kZzR4", "server-token": "tok-planted-Jw3nPq6s",
    "unused": "unused-planted-Yt5cLd0g",
}


def spellings(secret: str) -> list[bytes]:
    data = secret.encode()
    whole = base64.b64encode(data).rstrip(b"=")
    return [data, whole, base64.urlsafe_b64encode(data).rstrip(b"="), data.hex().encode(), data[::-1], json.dumps(list(data)).encode(), json.dumps(list(data), separators=(",", ":")).encode()]


async def test_no_planted_secret_shows_anywhere(gateway, provider, tmp_path):
    issuer = Issuer(tmp_path)
    through = gateway(
        upstreams=[
            {"name": "openai", "api": "openai", "url": provider.url, "secret": "openai"},
            {"name": "anthropic", "api": "anthropic", "url": provider.url, "secret": "anthropic"},
        ],
        secrets=PLANTED,
        servers=[{**stdio_office(), "env": {"OFFICE_TOKEN": "secret:server-token"}}],
        jwt=[{"issuer": ISSUER, "audience": [AUDIENCE], "jwks": str(issuer.path), "agent_claim": "sub"}],
        policy=PERMIT_ALL + '@id("t") @reason("no") forbid (principal, action == Bartizan::Action::"call_tool", resource) when { resource.name == "pay" };',
    )
    token = issuer.token()
    stranger = pyjwt.encode(issuer.claims(), ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "ec-1"})
    second = through.add_agent("second")
    through.cli("agent", "revoke", "_".join(second.split("_")[:2]))
    answers = []
    for key in (through.key, token, stranger, second, PLANTED["openai"], None):
        for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages"):
            for model in ("text", "status500", "status429", "badjson", "cut", "nothing-known"):
                body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "input": "x", "stream": model == "cut"}
                answers.append(raw.post(through.address, path, json.dumps(body).encode(), key=key).body)
    async with mcp_client(through.mcp(), through.key) as client:
        environment = json.loads((await client.call_tool("environment")).content[0].text)
        assert environment["OFFICE_TOKEN"] == "[credential withheld]", "the server was not given its secret, or handed it on"
        assert not {"openai", "anthropic"} & {name.lower() for name in environment} and PLANTED["openai"] not in environment.values()
        try:
            await client.call_tool("pay", {"to": "x", "amount": 1})
        except Exception as fault:  # noqa: BLE001
            answers.append(" ".join(str(leaf) for leaf in leaves(fault)).encode())
    through.cli("secret", "rotate", "unused", given="rotated-planted-Xx1")
    commands = [
        ("status",), ("secret", "list"), ("agent", "list"), ("audit", "search", "--limit", "1000"), ("audit", "export"),
        ("audit", "export", "--format", "ocsf"), ("tools", "list"), ("policy", "show"), ("config", "check"), ("--verbose", "status"), ("-vv", "--log-json", "status"),
    ]
    for command in commands:
        done = through.cli(*command, check=False)
        answers.append((done.stdout + done.stderr).encode())
        answers.append(through.cli(*command, "--json", check=False).stdout.encode())
    metrics = raw.get(through.address, "/metrics", key=through.key)
    answers.append(metrics.body if metrics else b"")
    through.stop()
    answers.append(through.output().encode())

    credentials = {"token": token.split(".")[2], "stranger": stranger.split(".")[2], "second": second, "key": through.key}
    leaks = []
    for name, secret in {**PLANTED, "rotated": "rotated-planted-Xx1", **credentials}.items():
        for spelling in spellings(secret):
            leaks += [f"{name} in an answer" for answer in answers if spelling in answer and not (name == "server-token" and b"OFFICE_TOKEN" in answer)]
            leaks += [f"{name} in {path}" for path in through.files() if spelling in path.read_bytes()]
    assert not leaks, sorted(set(leaks))


async def test_logs_at_their_loudest_hold_no_secret_and_no_content(gateway, provider):
    through = gateway(provider, start=False)
    through.start("-vv")
    marker = "content-marker-8Hd2"
    body = {"model": "text", "messages": [{"role": "user", "content": marker}]}
    assert raw.post(through.address, "/v1/chat/completions", json.dumps(body).encode(), key=through.key).status == 200
    through.stop()
    printed = through.output()
    assert marker not in printed and through.key not in printed and "sk-planted" not in printed


async def test_content_lies_sealed(gateway, provider):
    """What an agent said is nowhere on disk in clear."""
    through = gateway(provider)
    marker = "content-marker-Zk47"
    body = {"model": "obedient", "messages": [{"role": "user", "content": f'CALL pay {{"to":"{marker}"}}'}]}
    assert raw.post(through.address, "/v1/chat/completions", json.dumps(body).encode(), key=through.key).status == 200
    through.stop()
    for path in through.files():
        assert marker.encode() not in path.read_bytes(), path


async def test_who_used_which_secret_is_told_and_no_value(gateway, provider):
    through = gateway(
        upstreams=[{"name": "openai", "api": "openai", "url": provider.url, "secret": "openai"}],
        secrets=PLANTED,
        servers=[{**stdio_office(), "env": {"OFFICE_TOKEN": "secret:server-token"}}],
        policy=PERMIT_ALL,
    )
    body = {"model": "text", "messages": [{"role": "user", "content": "x"}]}
    assert raw.post(through.address, "/v1/chat/completions", json.dumps(body).encode(), key=through.key).status == 200
    async with mcp_client(through.mcp(), through.key) as client:
        await client.call_tool("environment")
    told = through.json("secret", "usage")["uses"]
    assert {(one["secret"], one["action"]) for one in told} == {("openai", "generate"), ("server-token", "connect")}
    assert all(one["agent"] and one["call"] and isinstance(one["record"], int) for one in told)
    one = through.json("secret", "usage", "openai", "--since", "1h")["uses"]
    assert [use["secret"] for use in one] == ["openai"]
    assert through.json("audit", "show", str(one[0]["record"]))["record"]["facts"]["secrets"] == ["openai"]
    through.stop()
    done = through.cli("secret", "usage")
    assert "server-token" in done.stdout and not any(secret in done.stdout + done.stderr for secret in PLANTED.values())
    assert through.json("secret", "usage", "unused")["uses"] == []


async def test_secrets_are_listed_by_name_alone(gateway):
    through = gateway(start=False)
    through.set_secret("one", "value-planted-1")
    listed = through.cli("secret", "list").stdout
    assert "one" in listed and "value" not in listed
    through.cli("secret", "rm", "one")
    assert "one" not in json.dumps(through.json("secret", "list"))
    assert through.cli("secret", "set", "empty", given="", check=False).returncode != 0
