"""A second verifier of Bartizan's ledger, written from docs/reference/ledger-format.md alone; standard library only.

usage: verify_ledger.py --vkey VKEY [--ledger DIR] [--head NOTES] [--proof FILE]
VKEY may be any of the log's keys: the others are followed from it.
Prints one JSON object; exit status 0 only if nothing is wrong.
"""
import argparse, base64, hashlib, json, pathlib, re, struct, sys, zlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
EMPTY = hashlib.sha256(b"").digest()


def recover_x(y, sign):
    """RFC 8032 section 5.1.3."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def decompress(raw):
    number = int.from_bytes(raw, "little")
    y = number & (1 << 255) - 1
    x = recover_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


BASE = decompress(bytes.fromhex("58" + "66" * 31))


def ed25519(key, message, signature):
    """RFC 8032 section 5.1.7, without cofactor."""
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = decompress(key), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(h, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


class Fault(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Fault(what)


class Key:
    def __init__(self, vkey):
        self.vkey = vkey.strip()
        self.origin, number, raw = self.vkey.split("+", 2)
        raw = base64.b64decode(raw, validate=True)
        need(len(raw) == 33 and raw[0] == 1, "not an Ed25519 verifier key")
        self.id, self.key = hashlib.sha256(self.origin.encode() + b"\n" + raw).digest()[:4], raw[1:]
        need(self.id.hex() == number, "the verifier key's hash is not its own")

    def signed(self, note):
        """Whether this key signed a note; a wrong signature in its name is a fault."""
        text, signatures = parts(note)
        found = False
        for line in signatures.splitlines():
            dash, name, blob = line.split(" ")
            blob = base64.b64decode(blob, validate=True)
            if dash == "\u2014" and name == self.origin and blob[:4] == self.id:
                need(ed25519(self.key, text.encode(), blob[4:]), "a signature is wrong")
                found = True
        return found


def parts(note):
    text, found, signatures = note.rpartition("\n\n")
    need(found and signatures, "not a signed note")
    return text + "\n", signatures


STATEMENT = "bartizan log key succession v1"


def statement(note):
    """(old vkey, new vkey, index) of a statement that both keys signed; None for a note that is no statement."""
    text, _ = parts(note)
    lines = text.split("\n")
    if lines[0] != STATEMENT:
        return None
    need(len(lines) == 7 and not lines[6], "a statement is malformed")
    old, new = Key(lines[2]), Key(lines[3])
    need(all(re.fullmatch("0|[1-9][0-9]*", line) for line in lines[4:6]), "a statement's numbers are malformed")
    need(old.origin == new.origin == lines[1] and old.vkey != new.vkey, "a statement of another log")
    need(old.signed(note) and new.signed(note), "a statement that a key did not sign")
    return old.vkey, new.vkey, int(lines[4])


class Keys:
    """The keys of a log, oldest first, followed from one that is known."""

    def __init__(self, known, stated):
        first = newest = known.vkey
        self.changes = []
        while before := [one for one in stated if one[1] == first]:
            self.changes.insert(0, before[0])
            first = before[0][0]
            need(len(self.changes) <= 1024, "too many changes of key")
        while after := [one for one in stated if one[0] == newest]:
            self.changes.append(after[0])
            newest = after[0][1]
            need(len(self.changes) <= 1024, "too many changes of key")
        self.all = [Key(first)] + [Key(new) for _, new, _ in self.changes]
        self.origin = known.origin
        indices = [index for *_, index in self.changes]
        need(all(a < b for a, b in zip(indices, indices[1:])), "changes of key are out of order")
        mine = {key.vkey for key in self.all}
        for one in stated:
            need(one in self.changes or not mine & {one[0], one[1]}, "a key has two successors")

    def at(self, size):
        return self.all[sum(index < size for *_, index in self.changes)]

    def head(self, note):
        """Size and root of a checkpoint, signed by the key whose turn it is."""
        text, _ = parts(note)
        origin, size, root = text.split("\n")[:3]
        need(origin == self.origin, "a head of another log")
        need(re.fullmatch("0|[1-9][0-9]*", size), "a head's size is malformed")
        signed = [key.vkey for key in self.all if key.signed(note)]
        need(self.at(int(size)).vkey in signed, "a head is not signed by the key whose turn it is")
        return int(size), base64.b64decode(root, validate=True)


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    def __init__(self):
        self.size, self.edge = 0, []

    def append(self, leaf):
        size = self.size
        while size & 1:
            leaf, size = node(self.edge.pop(), leaf), size >> 1
        self.edge.append(leaf)
        self.size += 1

    def root(self):
        if not self.edge:
            return EMPTY
        root = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            root = node(left, root)
        return root


def frame(data, at):
    """(type, state, batch, payload, next) of the frame at an offset, or None."""
    if data[at:at + 4] != b"BZF1" or at + 24 > len(data):
        return None
    kind, state, zero, length, batch, crc = struct.unpack(">BBHIQI", data[at + 4:at + 24])
    payload = data[at + 24:at + 24 + length]
    covered = payload[:100] if kind == 2 else payload
    if zero or len(payload) != length or length > 4 << 20:
        return None
    if zlib.crc32(struct.pack(">BIQ", kind, length, batch) + covered) != crc or (kind != 2 and state):
        return None
    return kind, state, batch, payload, at + 24 + length


class Log:
    def __init__(self, key, heads):
        self.key, self.heads, self.tree, self.batch = key, heads, Tree(), 0
        self.absent, self.broken, self.tombs, self.lasting, self.changed = set(), set(), {}, set(), []
        self.compare(self.tree)

    def compare(self, tree):
        for size, root in self.heads:
            need(size != tree.size or root == tree.root(), f"a head held elsewhere at {size} has another root")

    def segment(self, data, last):
        first = frame(data, 0)
        need(first and first[0] == 1 and first[2] == self.batch, "a segment's header is not there or out of order")
        payload = first[3]
        count = struct.unpack(">H", payload[48:50])[0]
        edge = [payload[50 + 32 * n:82 + 32 * n] for n in range(count)]
        need(payload[:8] == b"\x01" + bytes(7), "a segment of another version")
        need(struct.unpack(">Q", payload[8:16])[0] == self.tree.size and edge == self.tree.edge, "a segment does not follow")
        need(payload[50 + 32 * count:].decode() == self.key.origin, "a segment of another log")
        at = end = first[4]
        began = False
        while (done := self.one_batch(data, at, last)) is not None:
            at = end = done
            began = True
        need(began, "a segment's first checkpoint is not there")
        tail = data[end:].rstrip(b"\0")
        later = [found[2] for mark in re.finditer(b"BZF1", tail) if (found := frame(tail, mark.start()))]
        need(not tail or last and all(batch <= self.batch for batch in later), "damage before the last head")
        return len(tail)

    def one_batch(self, data, at, last):
        tree, records, broken = Tree(), [], False
        tree.size, tree.edge = self.tree.size, list(self.tree.edge)
        while True:
            found = frame(data, at)
            if not found or found[2] != self.batch or found[0] == 1:
                return None
            kind, state, _, payload, at = found
            if kind == 3:
                break
            index, entry, crc, blob = struct.unpack(">Q", payload[:8])[0], payload[8:96], payload[96:100], payload[100:]
            if kind != 2 or index != tree.size:
                return None
            whole = state == 0xA5 and zlib.crc32(blob) == int.from_bytes(crc, "big")
            gone = state == 0x5A and not any(blob)
            broken |= not (whole or gone)
            tree.append(hashlib.sha256(b"\0" + entry).digest())
            records.append((index, entry, blob, whole, gone))
        for index, entry, blob, whole, _ in records:
            if entry[1] == 9:
                old, new, at_index = public_statement(entry, blob, whole)
                need(at_index == index and (old, new, index) in self.key.changes, f"the change of key at {index} is elsewhere")
                need(Key(old).signed(payload.decode()), "the head over a change of key is not the old key's too")
                self.changed.append(index)
        size, root = self.key.head(payload.decode())
        need(size == tree.size and root == tree.root(), "a head is not over the records before it")
        end = -(-at // 512) * 512
        if len(data) < end or any(data[at:end]):
            return None
        rest = data[end:].rstrip(b"\0")
        if broken and last and not any((f := frame(rest, m.start())) and f[2] > self.batch for m in re.finditer(b"BZF1", rest)):
            return None
        for index, entry, blob, whole, gone in records:
            self.record(index, entry, blob, whole, gone)
        self.batch += 1
        return end

    def record(self, index, entry, blob, whole, gone):
        version, kind, flag, zeros, _, about = struct.unpack(">BBB5sQQ", entry[:24])
        need(version == 1 and 1 <= kind <= 9 and not any(zeros) and flag <= 1, f"entry {index} is malformed")
        need(flag == (kind == 6) and (about < index if flag else not about), f"record {index} is about what it may not be")
        if flag:
            self.tombs.setdefault(about, index)
        if flag or kind == 9:
            self.lasting.add(index)
        if gone:
            self.absent.add(index)
        elif not whole or hashlib.sha256(blob).digest() != entry[56:88]:
            self.broken.add(index)
        self.tree.append(hashlib.sha256(b"\0" + entry).digest())
        self.compare(self.tree)

    def finish(self):
        size = self.tree.size
        for held, _ in self.heads:
            need(held <= size, f"a head held elsewhere covers {held} records, the log has {size}")
        for *_, index in self.key.changes:
            need(index in self.changed or index >= size, f"record {index} is not the change of key that is known")
        need(not self.lasting & self.tombs.keys(), "what can't be erased is erased")
        missing = self.absent - self.tombs.keys()
        need(not missing, f"records {sorted(missing)[:5]} are erased and no tombstone says so")
        changed = [i for i in self.broken if self.tombs.get(i, -9) + 2 < size]
        need(not changed, f"records {sorted(changed)[:5]} were modified")


def public_statement(entry, blob, whole):
    """The statement in the payload of a change of key, which is in clear: salt and body."""
    salt, body = blob[:32], blob[32:]
    fits = whole and hashlib.sha256(blob).digest() == entry[56:88]
    fits = fits and hashlib.sha256(b"bartizan/ledger/commitment/v1\0" + salt + body).digest() == entry[24:56]
    need(fits, "a change of key is not what its entry commits to")
    return statement(json.loads(body)["statement"])


def statements_in(data):
    """Those that a segment's frames hold."""
    at, found = 0, []
    while (one := frame(data, at)) is not None:
        kind, state, _, payload, at = one
        if kind == 2 and payload[9] == 9:
            found.append(public_statement(payload[8:96], payload[100:], state == 0xA5))
        if kind == 3:
            at = -(-at // 512) * 512
    return found


def split(notes):
    """Notes in a row: a signature line followed by another line ends one."""
    return [note for note in re.findall("(?:(?!\u2014 ).*\n)+(?:\u2014 .*\n)+", notes)]


def prove(key, stated, proof):
    told = proof.get("succession", [])
    need(proof["version"] == 2 or proof["version"] == 1 and not told, "a proof of another version")
    keys = Keys(key, stated + [statement(note) for note in told])
    size, root = keys.head(proof["checkpoint"])
    index, last = proof["index"], size - 1
    need(0 <= index < size, "the proof's index is outside the log")
    found = hashlib.sha256(b"\0" + base64.b64decode(proof["entry"], validate=True)).digest()
    for step in map(bytes.fromhex, proof["path"]):
        need(last, "the proof is too long")
        if index & 1 or index == last:
            found = node(step, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = node(found, step)
        index, last = index >> 1, last >> 1
    need(not last and found == root, "the proof leads to another root")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vkey", required=True)
    parser.add_argument("--ledger", type=pathlib.Path)
    parser.add_argument("--head", type=pathlib.Path)
    parser.add_argument("--proof", type=pathlib.Path)
    asked = parser.parse_args()
    said = {"ok": False}
    try:
        known = Key(asked.vkey)
        notes = split(asked.head.read_text()) if asked.head else []
        need(not asked.head or notes, "the head file holds no head")
        held = [one for note in notes if (one := statement(note))]
        stated = list(held)
        if asked.ledger:
            for file in sorted((asked.ledger / "wal").glob("*.seg")):
                stated += statements_in(file.read_bytes())
        key = Keys(known, stated)
        heads = [key.head(note) for note in notes if not statement(note)]
        said["keys"] = [one.vkey for one in key.all]
        if asked.ledger:
            log = Log(key, heads)
            files = sorted((asked.ledger / "wal").glob("*.seg"))
            need(files, "there are no segments")
            for number, file in enumerate(files, 1):
                need(file.stem == f"{number:08}", "a segment is missing")
                data = file.read_bytes()
                if number == len(files) > 1 and not frame(data, 0):
                    later = [f[2] for m in re.finditer(b"BZF1", data) if (f := frame(data, m.start()))]
                    need(all(batch <= log.batch for batch in later), "a segment's header is damaged")
                    continue
                said["torn_bytes"] = log.segment(data, number == len(files))
            log.finish()
            last = max([index for old, *_, index in held if old in said["keys"]], default=-1)
            need(last < log.tree.size, f"a statement held elsewhere covers {last + 1} records, the log has {log.tree.size}")
            said |= {"records": log.tree.size, "root": log.tree.root().hex(), "erased": len(log.absent), "self_only": not heads}
        if asked.proof:
            prove(known, stated, json.loads(asked.proof.read_text()))
            said["proof"] = True
        need(asked.ledger or asked.proof, "nothing to verify")
        said["ok"] = True
    except (Fault, ValueError, KeyError, struct.error) as fault:
        said["fault"] = str(fault)
    print(json.dumps(said))
    return 0 if said["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
