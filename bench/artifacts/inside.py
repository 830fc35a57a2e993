"""Payloads packed or written in letters somewhere inside other bytes, values of a database that lie in pieces, and what is
made of a number: `attacks()` gives (name, class, bytes), `honest()` the same kinds of files that carry nothing.

The database is written here, page by page, so that the bytes are the same everywhere.
"""

import base64
import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib

from opcodes import PROTO, call, glob, stack_glob, text

EVIL = PROTO + call(glob("os", "system"), text("true")) + b"."
# Bytes that say nothing, before the import: what is in front of it fills a page of a database.
FILLER = bytes((place * 7919 + place // 251) % 251 for place in range(9000))
LATE = b"\x80\x04B" + struct.pack("<I", len(FILLER)) + FILLER + b"0" + EVIL[2:]
HEADS = {
    "x.gif": b"GIF89a" + bytes(100), "x.wav": b"RIFF\x24\0\0\0WAVE" + bytes(50), "x.index": b"IxFI" + bytes(30),
    "x.arrow": b"ARROW1\0\0" + bytes(40), "x.ttf": b"\0\1\0\0\0\x10" + bytes(200),
}


def varint(number):
    out = bytes([number & 0x7F])
    while number > 0x7F:
        number >>= 7
        out = bytes([number & 0x7F | 0x80]) + out
    return out


def sqlite(value, page=4096):
    """A database of SQLite with one table and this one value, which goes on in pages of its own where it is too long."""
    kind = len(value) * 2 + (13 if isinstance(value, str) else 12)
    value = value.encode() if isinstance(value, str) else value
    schema = b"CREATE TABLE t(v)"
    row = lambda header, body: varint(len(header) + 1) + header + body
    master = row(varint(23) + varint(15) + varint(15) + varint(1) + varint(13 + 2 * len(schema)), b"table" + b"t" + b"t" + b"\x02" + schema)
    payload = row(varint(kind), value)
    most, least = page - 35, (page - 12) * 32 // 255 - 23
    here = len(payload)
    if here > most:
        here = least + (here - least) % (page - 4)
        here = here if here <= most else least
    rest = payload[here:]
    pieces = [rest[at:at + page - 4] for at in range(0, len(rest), page - 4)]
    cell = varint(len(payload)) + b"\x01" + payload[:here] + (struct.pack(">I", 3) if pieces else b"")
    leaf = lambda cell, start: (b"\x0d\0\0\0\1" + struct.pack(">H", page - len(cell)) + b"\0" + struct.pack(">H", page - len(cell))).ljust(page - start - len(cell), b"\0") + cell
    header = b"SQLite format 3\0" + struct.pack(">H", page) + b"\1\1\0\x40\x20\x20" + struct.pack(">IIIIIIII", 1, 2 + len(pieces), 0, 0, 1, 4, 0, 0)
    header = (header + struct.pack(">II", 1, 0)).ljust(92, b"\0") + struct.pack(">II", 1, 3045000)
    first = varint(len(master)) + b"\x01" + master
    after = lambda at: at + 4 if at + 1 < len(pieces) else 0
    chain = b"".join((struct.pack(">I", after(at)) + piece).ljust(page, b"\0") for at, piece in enumerate(pieces))
    return header + leaf(first, 100) + leaf(cell, 0) + chain


def zipped(members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name, body in members.items():
            file.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def tarred(name, body):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as file:
        member = tarfile.TarInfo(name)
        member.size = len(body)
        file.addfile(member, io.BytesIO(body))
    return data.getvalue()


def writings(value):
    """A value in every packing, and in letters."""
    yield "gzip", gzip.compress(value, mtime=0)
    yield "zlib", zlib.compress(value)
    yield "zlib_fast", zlib.compress(value, 1)
    yield "zlib_stored", zlib.compress(value, 0)
    yield "bzip2", bz2.compress(value)
    yield "xz", lzma.compress(value)
    yield "zip", zipped({"archive/data.pkl": value})
    yield "lzma", lzma.compress(value, lzma.FORMAT_ALONE)
    yield "base64", base64.b64encode(value)
    yield "hexadecimal", value.hex().encode()


def attacks():
    for how, value in writings(EVIL):
        for name, head in HEADS.items():
            yield f"packed/{how}/{name}", "packed inside other bytes", head + value + bytes(9)
        yield f"packed/{how}.sqlite", "packed inside other bytes", sqlite(value)
    for how, value in [("raw", LATE), *list(writings(LATE))[:2]]:
        for page in (512, 1024, 4096):
            yield f"pieces/{how}{page}.sqlite", "database: a value in pieces", sqlite(value, page)
    for name, head in HEADS.items():
        yield f"packed/lines/{name}", "packed inside other bytes", head + base64.b64encode(b"cposix\nsystem\n(S'true'\ntR.") + bytes(9)
        yield f"packed/program/{name}", "program", head + b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff" + bytes(50)
    yield "pieces/text.sqlite", "packed inside other bytes", sqlite(base64.b64encode(EVIL).decode())
    yield "along/sqlite.tar.gz", "pickle inside other bytes", gzip.compress(tarred("chroma.sqlite3", sqlite(EVIL)), mtime=0)
    yield "along/video.zip", "pickle inside other bytes", zipped({"x.mp4": b"\0\0\0\x18ftypmp42" + bytes(5 << 20) + EVIL})
    yield "along/index.tar.gz", "packed inside other bytes", gzip.compress(tarred("x.index", HEADS["x.index"] + bytes(9 << 20) + gzip.compress(EVIL, mtime=0)), mtime=0)
    yield "along/storage.pt", "torch zip", zipped({"a/data.pkl": b"\x80\x02}.", "a/data/0": EVIL, "a/version": b"3\n"})
    huge = b"J" + struct.pack("<i", 2**31 - 1)
    ranged = call(stack_glob("builtins", "range"), huge)
    for name, body in {
        "bytes": call(stack_glob("builtins", "bytes"), huge), "bytearray": call(stack_glob("builtins", "bytearray"), huge),
        "list": call(stack_glob("builtins", "list"), ranged), "deque": call(stack_glob("collections", "deque"), ranged),
        "count": call(stack_glob("builtins", "set"), call(stack_glob("itertools", "count"))),
    }.items():
        yield f"made/{name}.pkl", "more than there is memory for", PROTO + body + b"."
    try:
        import h5py
    except ImportError:
        return
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file.create_dataset("kernel", (10**6, 10**7), "f4", chunks=(1 << 10, 1 << 10), compression="gzip")
    yield "made/shape.h5", "more than there is memory for", data.getvalue()


def honest():
    import pickle

    value = pickle.dumps({"weights": [1.0] * 50, "words": ["os", "system", "posix"]}, 4)
    # A ZIP at the end of something else is one to whoever reads from the end, whatever it holds.
    for how, packed in [one for one in writings(value) if one[0] != "zip"]:
        for name, head in HEADS.items():
            yield f"inside/{how}/{name}", head + packed + bytes(9)
        yield f"inside/{how}.sqlite", sqlite(packed)
    for page in (512, 1024, 4096):
        yield f"inside/pieces{page}.sqlite", sqlite(gzip.compress(FILLER, mtime=0) + FILLER, page)
    yield "inside/numbers.sqlite", sqlite("8004 8003 80048c05706f7369 MZ Y2xpZW50IHNhaWQ gASomething " * 30)
    yield "inside/text.sqlite", sqlite("Pickles can call os.system; gASV is how they begin in base64.\ncos\nsystem is two lines of one.")
    yield "inside/sqlite.tar.gz", gzip.compress(tarred("chroma.sqlite3", sqlite(value)), mtime=0)
    yield "inside/video.zip", zipped({"x.mp4": b"\0\0\0\x18ftypmp42" + bytes(5 << 20)})
    yield "inside/range.pkl", pickle.dumps([range(10**9), bytearray(b"abc"), b"abc"], 2)
