"""What the flow bench's runs share: servers and a model behind one port, a gateway of its own, and a plain agent loop
that knows of neither. Needs PyJWT and cryptography."""
import http.client, json, re, secrets, subprocess, tempfile, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519

VERSION = "2025-06-18"


class Backend:
    """MCP servers at /mcp/NAME and a model at /v1. `tools(server)` lists, `call(server, tool, arguments)` gives a result,
    and what stands in `next`, (tool, arguments), is what the model proposes."""

    def __init__(self, tools, call):
        self.tools, self.call, self.next = tools, call, None
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body leave as one, at once: no answer waits for an acknowledgement.
            disable_nagle_algorithm, wbufsize = True, -1

            def log_message(self, *_): pass

            def answer(self, status, value):
                body = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                if body: self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def do_GET(self): self.answer(405, None)

            def do_DELETE(self): self.answer(405, None)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path.startswith("/v1/"): return self.answer(200, backend.think())
                if "id" not in body: return self.answer(202, None)
                answer = backend.serve(self.path.rsplit("/", 1)[1], body["method"], body.get("params") or {})
                self.answer(200, {"jsonrpc": "2.0", "id": body["id"], **answer})

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def think(self):
        message = {"role": "assistant", "content": None if self.next else "Done."}
        if self.next:
            name, arguments = self.next
            message["tool_calls"] = [{"id": "call_" + secrets.token_hex(8), "type": "function",
                                      "function": {"name": name, "arguments": json.dumps(arguments)}}]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if self.next else "stop"}
        return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "usage": usage, "choices": [choice]}

    def serve(self, server, method, params):
        if method == "initialize":
            return {"result": {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": server, "version": "1"}}}
        if method == "tools/list": return {"result": {"tools": self.tools(server)}}
        if method == "tools/call": return {"result": self.call(server, params["name"], params.get("arguments") or {})}
        return {"result": {}} if method == "ping" else {"error": {"code": -32601, "message": "no such method"}}


class Gateway:
    """A gateway with a state of its own. `servers` gives each server's manifest lines by tool, none for inferred ones."""

    def __init__(self, binary, backend, servers, domains=()):
        self.binary, self.backend, self.dir = binary, backend, tempfile.TemporaryDirectory(prefix="bartizan-flow-")
        at, self.servers = self.dir.name, list(servers)
        self.key = ed25519.Ed25519PrivateKey.generate()
        public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(self.key.public_key()))
        with open(f"{at}/jwks.json", "w") as file:
            json.dump({"keys": [{**public, "kid": "k", "alg": "EdDSA", "use": "sig"}]}, file)
        url = f"http://127.0.0.1:{backend.port}"
        config = [f'[listen]\naddress = "127.0.0.1:0"\n[session]\nprompt = "first"\ndomains = {json.dumps(list(domains))}\n',
                  f'[[upstream]]\nname = "m"\napi = "openai"\nurl = "{url}"\ncredential = "none"\n',
                  f'[[jwt]]\nissuer = "https://bench.example"\naudience = ["bench"]\njwks = "{at}/jwks.json"\nalgorithms = ["EdDSA"]\nuser_claim = "user"\n']
        for name, lines in servers.items():
            config.append(f'[[server]]\nname = "{name}"\nurl = "{url}/mcp/{name}"\n')
            for tool, line in lines.items():
                config.append(f'[server.tools.{tool}]\neffect = "{line["effect"]}"\nreviewed = true\n')
                for part in ("arguments", "results"):
                    if line[part]:
                        config.append(f"[server.tools.{tool}.{part}]\n" + "".join(f"{json.dumps(path)} = \"{word}\"\n" for path, word in line[part]))
        self.config, self.state = f"{at}/bartizan.toml", f"{at}/state"
        with open(self.config, "w") as file: file.write("\n".join(config))
        self.log = open(f"{at}/log", "w")
        self.process = subprocess.Popen([binary, "--config", self.config, "--state", self.state, "up", "--json"], stdout=subprocess.PIPE, stderr=self.log, text=True)
        first = self.process.stdout.readline()
        if not first: raise RuntimeError("the gateway did not start: " + open(f"{at}/log").read()[-500:])
        self.address = json.loads(first)["listen"]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        # The first listing pins the tools.
        try: Agent(self, self.servers).close()
        except BaseException:
            self.stop()
            raise

    def command(self, *words):
        run = subprocess.run([self.binary, "--config", self.config, "--state", self.state, *words], capture_output=True, text=True, timeout=60)
        if run.returncode: raise RuntimeError(f"bartizan {' '.join(words)}: {run.stdout} {run.stderr}")
        return run.stdout

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        self.dir.cleanup()


class Agent:
    """One task's agent: an ordinary loop over chat completions and MCP, as a fresh user unless `user` is given."""

    def __init__(self, gateway, servers, prompt=None, own_tools=(), user=None):
        now, self.user = int(time.time()), user or "u" + secrets.token_hex(8)
        claims = {"iss": "https://bench.example", "aud": "bench", "sub": "assistant", "user": self.user, "iat": now, "exp": now + 3600}
        token = jwt.encode(claims, gateway.key, algorithm="EdDSA", headers={"kid": "k"})
        self.gateway, self.backend, self.number = gateway, gateway.backend, 0
        self.http = http.client.HTTPConnection(gateway.address, timeout=60)
        self.headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json, text/event-stream", "mcp-protocol-version": VERSION}
        self.messages = [{"role": "user", "content": prompt}]
        self.sessions, self.server_of = {}, {}
        self.tools = [{"type": "function", "function": tool} for tool in own_tools]
        for server in servers:
            hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
            self.sessions[server] = {"mcp-session-id": self.mcp(server, "initialize", hello)[1]}
            self.post(f"/mcp/{server}", {"jsonrpc": "2.0", "method": "notifications/initialized"}, self.sessions[server])
            for tool in self.mcp(server, "tools/list", {})[0]["result"]["tools"]:
                self.server_of[tool["name"]] = server
                self.tools.append({"type": "function", "function": {"name": tool["name"], "description": tool.get("description", ""), "parameters": tool["inputSchema"]}})

    def post(self, path, value, more={}):
        self.http.request("POST", path, json.dumps(value), {**self.headers, **more})
        response = self.http.getresponse()
        body = response.read()
        if response.getheader("content-type", "").startswith("text/event-stream"):
            body = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")][-1]
        return response.status, (json.loads(body) if body else None), response.getheader("mcp-session-id")

    def mcp(self, server, method, params):
        self.number += 1
        body = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        return self.post(f"/mcp/{server}", body, self.sessions.get(server, {}))[1:]

    def propose(self, tool, arguments):
        """The model's turn; gives (tool call as the model made it, None) or (None, refusal)."""
        self.backend.next = (tool, arguments)
        status, answer, _ = self.post("/v1/chat/completions", {"model": "m", "messages": self.messages, "tools": self.tools})
        if status != 200: return None, refusal(answer.get("error") or {})
        message = answer["choices"][0]["message"]
        self.messages.append(message)
        return message["tool_calls"][0], None

    def act(self, proposed):
        """Calls what the model proposed over MCP; gives (text, None) or (None, refusal)."""
        function = proposed["function"]
        answer, _ = self.mcp(self.server_of[function["name"]], "tools/call", {"name": function["name"], "arguments": json.loads(function["arguments"])})
        if "error" in answer: return None, refusal({**(answer["error"].get("data") or {}), "message": answer["error"]["message"]})
        text = "\n".join(part["text"] for part in answer["result"]["content"])
        if answer["result"].get("isError") and "[policy." in text: return None, refusal({"message": text})
        return text, None

    def go(self, tool, arguments):
        """Proposes and makes a call: (result text, None) or (None, refusal)."""
        proposed, refused = self.propose(tool, arguments)
        if refused: return None, refused
        text, refused = self.act(proposed)
        self.messages.append({"role": "tool", "tool_call_id": proposed["id"], "content": text if refused is None else refused["text"]})
        return text, refused

    def close(self):
        for server, session in self.sessions.items():
            self.http.request("DELETE", f"/mcp/{server}", headers={**self.headers, **session})
            self.http.getresponse().read()
        self.http.close()


def refusal(error):
    text, whole = error.get("message") or json.dumps(error), json.dumps(error)
    code = error.get("code") if isinstance(error.get("code"), str) and "." in error["code"] else None
    found = re.search(r"\[([a-z_]+\.[a-z_]+), call ([0-9A-Z]{26})", text + " " + whole)
    question = re.search(r"approvals (?:show|allow) ([0-9A-Z]{26})", whole)
    return {"code": code or (found.group(1) if found else "?"), "call": error.get("call") or (found.group(2) if found else None), "text": text,
            "question": question.group(1) if question else (error.get("approval") or "")}
