"""Starts and stops the gateway under test, and calls its command line.

Everything the gateway prints, on either stream and in every run, is kept, so that the leak tests can search it.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

START_SECONDS = 30
CALL_ID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")


def toml(tables: dict) -> str:
    """Writes the subset of TOML that configurations need: tables, arrays of tables, inline tables."""

    def value(item) -> str:
        if isinstance(item, dict):
            return "{ " + ", ".join(f"{json.dumps(key)} = {value(inner)}" for key, inner in item.items()) + " }"
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(value(inner) for inner in item) + "]"
        return json.dumps(str(item) if isinstance(item, Path) else item)

    lines = []
    for name, content in tables.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{name}]]" if isinstance(content, list) else f"[{name}]")
            lines += [f"{key} = {value(item)}" for key, item in table.items() if item is not None]
            lines.append("")
    return "\n".join(lines)


class CommandFailed(Exception):
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        super().__init__(f"{done.args[1:]} ended with {done.returncode}: {done.stdout}{done.stderr}")


class Gateway:
    """One state directory and configuration; the process may be started many times."""

    def __init__(self, binary: str, directory: Path, config: dict, environment: dict | None = None):
        self.binary, self.directory = binary, directory
        directory.mkdir(parents=True, exist_ok=True)
        self.state = directory / "state"
        self.config_path = directory / "bartizan.toml"
        self.printed = directory / "printed.log"
        home = directory / "home"
        home.mkdir(exist_ok=True)
        # Nothing of the caller's environment but what a login would give.
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "RUST_BACKTRACE": "1", **(environment or {})
        }
        for name in ("LLVM_PROFILE_FILE",):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.write_config(config)
        self.process: subprocess.Popen | None = None
        self.listen = self.admin = self.key = None

    def write_config(self, config: dict):
        self.config = config
        self.config_path.write_text(toml(config), encoding="utf-8")

    # -- the process

    def start(self, *arguments: str, wrapper: list[str] | None = None) -> "Gateway":
        command = [
            *(wrapper or []), self.binary, "up", "--config", str(self.config_path), "--state", str(self.state),
            "--listen", "127.0.0.1:0", "--json", *arguments,
        ]
        log = open(self.printed, "ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=self.environment,
            cwd=self.directory, start_new_session=True,
        )
        log.close()
        line = self._first_line()
        with open(self.printed, "ab") as log:
            # The first start shows the agent's key once, by design: keep it out of what is searched for leaks.
            log.write(re.sub(rb'"agent_key":"[^"]*"', b'"agent_key":"(shown once)"', line))
        try:
            block = json.loads(line)
        except ValueError as fault:
            self.kill()
            raise RuntimeError(f"the gateway's first line is no JSON: {line!r}; {self.output()[-3000:]}") from fault
        self.listen, self.admin = block.get("url", block["listen"]).rstrip("/"), block.get("admin")
        self.key = block.get("agent_key") or self.key
        self.web = block.get("web")
        os.set_blocking(self.process.stdout.fileno(), False)
        return self

    def _first_line(self) -> bytes:
        line, deadline = b"", time.monotonic() + START_SECONDS
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not piece:
                code = self.process.poll()
                self.kill()
                raise RuntimeError(f"the gateway did not start (exit {code}): {line!r} {self.output()[-3000:]}")
            line += piece
        return line.split(b"\n")[0] + b"\n"

    def _drain_stdout(self):
        if self.process and self.process.stdout and not self.process.stdout.closed:
            try:
                rest = self.process.stdout.read() or b""
            except (OSError, ValueError):
                rest = b""
            with open(self.printed, "ab") as log:
                log.write(rest)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds: float = 40) -> int:
        """SIGTERM, and the exit status."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self._drain_stdout()
        return self.process.returncode

    def kill(self):
        """SIGKILL, to the gateway alone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self._drain_stdout()

    def close(self):
        """Ends whatever is left of the process and of the servers it spawned (they share its session)."""
        if self.process is None:
            return
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait(10)
        self._drain_stdout()

    def output(self) -> str:
        return self.printed.read_text("utf-8", "replace") if self.printed.exists() else ""

    # -- the command line

    def cli(self, *arguments: str, given: str | None = None, check: bool = True, state: bool = True, seconds: float = 60):
        where = ["--config", str(self.config_path), "--state", str(self.state)] if state else []
        command = [self.binary, *where, *arguments]
        done = subprocess.run(
            command, input=given, text=True, capture_output=True, timeout=seconds, env=self.environment, cwd=self.directory
        )
        with open(self.printed, "a", encoding="utf-8") as log:
            shown_once = arguments[:2] == ("agent", "add")
            log.write(f"{done.stderr}\n" if shown_once else f"{done.stdout}{done.stderr}\n")
        if check and done.returncode != 0:
            raise CommandFailed(done)
        return done

    def json(self, *arguments: str, **options):
        text = self.cli(*arguments, "--json", **options).stdout
        try:
            return json.loads(text)
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]

    def add_agent(self, name: str, *arguments: str) -> str:
        return self.json("agent", "add", name, *arguments)["key"]

    def set_secret(self, name: str, value: str):
        self.cli("secret", "set", name, given=value)

    # -- endpoints

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.listen.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    @property
    def openai(self) -> str:
        return f"{self.listen}/v1"

    @property
    def anthropic(self) -> str:
        return self.listen

    def mcp(self, server: str | None = None) -> str:
        return f"{self.listen}/mcp" + (f"/{server}" if server else "")

    def files(self) -> list[Path]:
        """Every file the gateway may have written."""
        return [path for path in self.directory.rglob("*") if path.is_file() and not path.is_symlink()]

    def copy_state(self, to: Path):
        shutil.copytree(self.state, to, ignore=lambda _, names: [name for name in names if name.endswith(".sock")])


def records(answer) -> list[dict]:
    """The records of an `audit search --json`, whether it prints a list, an object or lines."""
    if isinstance(answer, dict):
        for key in ("records", "results", "entries"):
            if key in answer:
                return answer[key]
        return [answer]
    return answer


def call_ids(text: str) -> list[str]:
    return CALL_ID.findall(text)
