"""Services of the operator's, from a configuration file: guards that judge texts, and a webhook that is told of questions."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from peers import PERMIT_ALL, mcp_client, seen_calls, stdio_office
from test_story import model_client

pytestmark = pytest.mark.anyio

KEY = "guard-key-of-more-than-sixteen-bytes"
SECRET = "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"
JUDGED = PERMIT_ALL + """
@id("house.flagged") @reason("a guard flagged it")
forbid (principal, action == Bartizan::Action::"generate", resource) when { context.findings.contains("flagged") };
@id("house.judged") @reason("nobody judged it")
forbid (principal, action == Bartizan::Action::"generate", resource) when { context.findings.contains("guard_unanswered") };
"""


class Service:
    """Answers each POST by what `answer` says of its JSON, and keeps what came."""

    def __init__(self, answer):
        self.seen, service = [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                service.seen.append((dict(self.headers), body))
                status, said = answer(json.loads(body))
                said = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def moderation(asked):
    flag = lambda text: {"flagged": "dragon" in text, "categories": {"illicit": "dragon" in text}}
    return 200, {"id": "m", "model": asked["model"], "results": [flag(text) for text in asked["input"]]}


def guard(address, **more):
    return {"guard": [{"name": "far", "shape": "moderations", "url": address, "model": "mod", "key": "secret:guard", **more}]}


async def say(through, text):
    async with model_client(through) as model:
        return await model.chat.completions.create(model="text", messages=[{"role": "user", "content": text}])


async def test_what_a_guard_flags_and_what_it_does_not_say(gateway, provider):
    with Service(moderation) as service:
        through = gateway(provider, policy=JUDGED, inspect=guard(service.address), secrets={"guard": KEY})
        await say(through, f"a castle, and the key {SECRET}")
        with pytest.raises(openai.APIStatusError) as refused:
            await say(through, "a dragon lives in the castle")
        assert refused.value.status_code == 403 and "a guard flagged it" in str(refused.value)
        headers, body = service.seen[0]
        assert headers["authorization"] == f"Bearer {KEY}" and SECRET.encode() not in body and b"a castle" in body
        count = len(service.seen)
        await say(through, f"a castle, and the key {SECRET}")
        assert len(service.seen) == count, "known by its hash"
    # The service is gone.
    began = time.monotonic()
    with pytest.raises(openai.APIStatusError) as refused:
        await say(through, "a knight lives in the castle")
    assert "nobody judged it" in str(refused.value) and time.monotonic() - began < 5
    # What is not waited for is written in a moment.
    until = time.monotonic() + 10
    while True:
        records = through.cli("audit", "search", "--limit", "1000", "--json").stdout
        if "guard:far" in records and '"guard_unanswered"' in records or time.monotonic() > until:
            break
    assert "guard:far" in records and '"guard_unanswered"' in records
    assert KEY not in records + through.output()


async def test_a_slow_guard_costs_its_box(gateway, provider):
    def slow(asked):
        time.sleep(3)
        return moderation(asked)

    with Service(slow) as service:
        through = gateway(provider, policy=None, inspect=guard(service.address, timeout_ms=200), secrets={"guard": KEY})
        began = time.monotonic()
        await say(through, "a castle")
        assert time.monotonic() - began < 2.5
        assert '"guard_unanswered"' in through.cli("audit", "search", "--limit", "1000", "--json").stdout


async def test_services_in_the_clear_elsewhere_are_a_wrong_configuration(gateway):
    away = "http://guards.example/x"
    through = gateway(
        start=False, inspect=guard(away, timeout_ms=5), approvals={"webhook": {"url": away, "key": "plain"}},
    )
    done = through.cli("config", "check", check=False)
    told = done.stdout + done.stderr
    assert done.returncode != 0
    for wanted in ("inspect.guard", "timeout_ms", "approvals.webhook", "secret:NAME", "https"):
        assert wanted in told, told


async def test_a_webhook_is_told_of_a_question(gateway, provider, tmp_path):
    calls = tmp_path / "calls.jsonl"
    with Service(lambda asked: (200, {"allow": True})) as service:
        through = gateway(
            provider, servers=[stdio_office(calls)], policy=PERMIT_ALL, secrets={"hook": KEY},
            approvals={"webhook": {"url": service.address, "key": "secret:hook"}},
        )
        async with mcp_client(through.mcp(), through.key) as client:
            refused = await client.call_tool("send_mail", {"to": "ann", "text": f"my key is {SECRET}"})
            assert refused.is_error and "policy.ask" in refused.content[0].text
            for _ in range(100):
                if service.seen:
                    break
                await asyncio.sleep(0.1)
            headers, body = service.seen[0]
            again = await client.call_tool("send_mail", {"to": "ann", "text": f"my key is {SECRET}"})
            assert again.is_error, "what the service said is no yes"
        headers = {name.lower(): value for name, value in headers.items()}
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        told = json.loads(body)["data"]
        assert told["tool"] == "send_mail" and told["id"] in through.cli("approvals", "list").stdout
        assert SECRET.encode() not in body and b"my key" not in body
    assert seen_calls(calls) == []
