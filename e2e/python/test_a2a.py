"""Agents that speak to agents: the official A2A SDKs as client and as peer, unchanged, with the gateway between them."""

import json
import subprocess
import sys

import httpx
import pytest
from peers import HERE, node, script

pytestmark = pytest.mark.anyio


@pytest.fixture
def billing(peers, tmp_path):
    calls = tmp_path / "calls.jsonl"
    started = peers.spawn([sys.executable, HERE / "billing_agent.py", calls], "billing")
    started["calls"] = calls
    yield started
    peers.end(started)


def peer(started, **more) -> dict:
    return {"name": "billing", "url": f"{started['url']}/rpc", "headers": {"authorization": "secret:billing"}, **more}


def behind(gateway, started, pack="balanced", **more):
    return gateway(policy=None, pack=pack, secrets={"billing": "Bearer peers-own-token"}, peer=[peer(started, **more)])


def address(through) -> str:
    host, port = through.address
    return f"http://{host}:{port}/a2a/billing"


async def client_of(through, http):
    from a2a.client import A2ACardResolver, ClientConfig, ClientFactory

    card = await A2ACardResolver(http, address(through)).get_agent_card()
    assert [interface.url for interface in card.supported_interfaces] == [address(through)]
    return ClientFactory(ClientConfig(httpx_client=http)).create(card)


def ask(text):
    from a2a.helpers.proto_helpers import new_text_message
    from a2a.types import Role, SendMessageRequest

    return SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER))


async def texts(client, text) -> str:
    return "\n".join([str(event) async for event in client.send_message(ask(text))])


def asked(started) -> list[dict]:
    return [json.loads(line) for line in started["calls"].read_text().splitlines()]


async def test_the_python_sdk_reaches_an_agent_on_the_python_sdk(gateway, billing):
    through = behind(gateway, billing)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
        client = await client_of(through, http)
        said = await texts(client, "the invoices of March")
        for number in range(3):
            assert f"invoice {number}: the invoices of March" in said
        assert "TASK_STATE_COMPLETED" in said
        # A talk with one peer goes on unasked, though what it says is nobody's word.
        assert "one line" in await texts(client, "short, please")
    heard = asked(billing)
    assert [call["asked"] for call in heard] == ["the invoices of March", "short, please"]
    assert {call["authorization"] for call in heard} == {"Bearer peers-own-token"}
    found = through.json("audit", "search", "--limit", "50")
    text = json.dumps(found)
    assert "send_message" in text and "read_card" in text
    assert "peers-own-token" not in text and through.key not in text


async def test_the_javascript_sdk_reaches_it_too(gateway, billing):
    through = behind(gateway, billing)
    done = subprocess.run(
        [node(), script("a2a.mjs"), address(through) + "/", through.key], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert "invoice 2: the invoices of March" in seen["whole"]
    assert any("invoice 0: the invoices of April" in event for event in seen["streamed"])
    assert len(seen["streamed"]) > 2


async def test_both_sdks_reach_an_agent_on_the_javascript_sdk(gateway, peers, tmp_path):
    calls = tmp_path / "calls.jsonl"
    started = peers.spawn([node(), script("billing.mjs"), calls], "billing-js")
    started["calls"] = calls
    try:
        through = behind(gateway, started)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
            client = await client_of(through, http)
            said = await texts(client, "the invoices of March")
            for number in range(3):
                assert f"invoice {number}: the invoices of March" in said
            assert "TASK_STATE_COMPLETED" in said
            assert "one line" in await texts(client, "short, please")
        done = subprocess.run(
            [node(), script("a2a.mjs"), address(through) + "/", through.key], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr[-3000:]
        seen = json.loads(done.stdout)
        assert "invoice 2: the invoices of March" in seen["whole"]
        assert any("invoice 0: the invoices of April" in event for event in seen["streamed"])
    finally:
        peers.end(started)
    heard = asked(started)
    assert [call["asked"] for call in heard] == [
        "the invoices of March", "short, please", "the invoices of March", "the invoices of April"
    ]
    assert {call["authorization"] for call in heard} == {"Bearer peers-own-token"}


async def test_a_refusal_is_told_in_the_sdks_own_errors(gateway, billing):
    through = behind(gateway, billing, pack="strict")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
        client = await client_of(through, http)
        with pytest.raises(Exception) as refused:
            await texts(client, "short, please")
    assert "policy." in str(refused.value)
    assert not billing["calls"].exists()


async def test_a_token_stays_one_on_its_way_to_a_peer_and_the_record_says_so(gateway, billing):
    through = gateway(
        policy=None, pack="balanced", secrets={"billing": "Bearer peers-own-token"}, peer=[peer(billing)],
        **{"privacy.rule": [{"kinds": ["email"], "models": ["*"], "results": True}]},
    )
    token = "bz-email-" + "b" * 20
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {through.key}"}, timeout=30) as http:
        await texts(await client_of(through, http), f"short, please: {token}")
    assert [call["asked"] for call in asked(billing)] == [f"short, please: {token}"]
    found = through.cli("audit", "search", "--limit", "50", "--json").stdout
    assert '"unrestored"' in found and '"peer"' in found


async def test_a_signed_card_is_verified_and_another_ones_is_not(gateway, peers, tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from jwt.algorithms import ECAlgorithm

    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("own", "other")}
    pem = tmp_path / "key.pem"
    pem.write_bytes(keys["own"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))
    calls = tmp_path / "calls.jsonl"
    started = peers.spawn([sys.executable, HERE / "billing_agent.py", calls, pem], "billing-signed")
    started["calls"] = calls
    try:
        for name, key in keys.items():
            public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
            held = tmp_path / f"{name}.json"
            held.write_text(json.dumps({"keys": [{**public, "kid": "billing", "alg": "ES256", "use": "sig"}]}))
            through = behind(gateway, started, card_keys=str(held))
            headers = {"Authorization": f"Bearer {through.key}"}
            async with httpx.AsyncClient(headers=headers, timeout=30) as http:
                if name == "own":
                    assert "one line" in await texts(await client_of(through, http), "short, please")
                else:
                    answer = await http.get(address(through) + "/.well-known/agent-card.json")
                    assert answer.status_code == 502 and "a2a.card" in answer.text
    finally:
        peers.end(started)
    assert len(asked(started)) == 1
