"""An MCP client behind the gateway, for the official runner's client scenarios: `connect_client.py SERVER_URL`.

The client under test is the gateway: this program starts one in front of the server, speaks MCP to it as an agent, and
where the gateway says that its user must connect, runs `bartizan connect` with a browser of its own making: it follows
what the authorization server answers, one redirect at a time, to where `connect` listens.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from gateway import Gateway
from peers import PERMIT_ALL

ROUNDS = 8


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def fetch(request) -> tuple[int, dict, bytes]:
    try:
        with OPENER.open(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, dict(answer.headers), answer.read()


def browse(url: str):
    """A browser whose user says yes to everything."""
    for _ in range(5):
        status, headers, _ = fetch(url)
        location = {name.lower(): value for name, value in headers.items()}.get("location")
        if status not in (301, 302, 303, 307, 308) or not location:
            return status
        url = urllib.parse.urljoin(url, location)
    raise RuntimeError("too many redirects")


class Agent:
    def __init__(self, gateway: Gateway):
        self.gateway, self.session, self.number = gateway, None, 0

    def post(self, message: dict) -> dict | None:
        headers = {
            "Authorization": f"Bearer {self.gateway.key}", "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25",
        }
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        body = json.dumps(message).encode()
        _, answered, bytes_ = fetch(urllib.request.Request(self.gateway.mcp("fixture"), body, headers))
        self.session = {name.lower(): value for name, value in answered.items()}.get("mcp-session-id", self.session)
        text = bytes_.decode()
        lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
        messages = [json.loads(line) for line in lines] if lines else ([json.loads(text)] if text.strip() else [])
        return messages[-1] if messages else None

    def ask(self, method: str, params: dict) -> dict:
        self.number += 1
        return self.post({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})

    def begin(self) -> dict:
        self.session = None
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}
        answer = self.ask("initialize", params)
        if "result" in answer:
            self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer


def code_of(answer: dict) -> str | None:
    """The gateway's code, where it refused."""
    if "error" in answer:
        return answer["error"].get("data", {}).get("code", "error")
    return answer["result"].get("_meta", {}).get("bartizan/refusal", {}).get("code")


def connect(gateway: Gateway) -> bool:
    """Runs `bartizan connect`; whether the user is connected now."""
    command = [
        gateway.binary, "--config", str(gateway.config_path), "--state", str(gateway.state), "--json", "connect", "fixture",
        "--no-browser", "--port", "0", "--wait", "20",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=gateway.environment, cwd=gateway.directory
    ) as process:
        line = process.stdout.readline()
        if line.strip():
            begun = json.loads(line)
            print("sign in:", json.dumps(begun), file=sys.stderr)
            browse(begun["url"])
        rest, fault = process.communicate(timeout=40)
    print(rest, fault, file=sys.stderr)
    return process.returncode == 0


def reach(gateway: Gateway, step) -> dict:
    """Asks until it is answered, and connects where that is wanted."""
    for _ in range(ROUNDS):
        answer = step()
        code = code_of(answer)
        if code not in ("upstream.connect", "upstream.scope"):
            return answer
        if not connect(gateway):
            break
    return answer


def configuration(scenario: str, context: dict, url: str) -> tuple[dict, dict]:
    """The server's `oauth`, and secrets."""
    oauth, secrets = {}, {}
    if scenario == "auth/basic-cimd":
        oauth["client_document"] = "https://conformance-test.local/client-metadata.json"
    if "client_id" in context:
        oauth["client_id"] = context["client_id"]
    if "client_secret" in context:
        secrets["fixture-secret"] = context["client_secret"]
        oauth["client_secret"] = "secret:fixture-secret"
    if "private_key_pem" in context:
        secrets["fixture-key"] = context["private_key_pem"]
        oauth["client_key"] = "secret:fixture-key"
    if "idp_id_token" in context:
        secrets["fixture-id-token"] = context["idp_id_token"]
        oauth["exchange"] = {
            "token_endpoint": context["idp_token_endpoint"], "subject": "secret:fixture-id-token", "kind": "id_token",
            "client_id": context["idp_client_id"], "assertion": True,
        }
    if scenario.startswith("auth/client-credentials"):
        oauth["machine"] = True
    return oauth, secrets


def main() -> int:
    url = sys.argv[1]
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    oauth, secrets = configuration(scenario, context, url)
    with tempfile.TemporaryDirectory() as place:
        policy = Path(place) / "test.cedar"
        policy.write_text(PERMIT_ALL)
        server = {"name": "fixture", "url": url, **({"oauth": oauth} if oauth else {})}
        config = {"policy": {"pack": "balanced", "files": [str(policy)]}, "server": [server]}
        gateway = Gateway(os.environ["BARTIZAN_BIN"], Path(place) / "gateway", config)
        for name, value in secrets.items():
            gateway.set_secret(name, value)
        gateway.start()
        try:
            agent = Agent(gateway)
            steps = [agent.begin, lambda: agent.ask("tools/list", {}), lambda: agent.ask("tools/call", {"name": "test-tool", "arguments": {}})]
            for step in steps:
                answer = reach(gateway, step)
                print(json.dumps(answer), file=sys.stderr)
                if code_of(answer):
                    print(gateway.output()[-3000:], file=sys.stderr)
                    return 1
        finally:
            gateway.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
