"""Writes the files beside it with pyarrow (26.0.1): one table in the encodings and packings that writers use, and its rows."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

HERE = Path(__file__).parent
draw = random.Random(11)
WORDS = ["alpha", "beta", "gamma", "delta", "ünïcode", "omega"]
rows = []
for number in range(300):
    rows.append({
        "id": number * 7 - 900,
        "maybe": None if number % 5 == 0 else draw.randrange(-(10**12), 10**12),
        "share": draw.gauss(0, 1),
        "half": float(draw.randrange(100)) / 4,
        "flag": number % 3 == 0,
        "label": WORDS[number % 4],
        "text": None if number % 11 == 0 else " ".join(draw.choice(WORDS) for _ in range(draw.randrange(9))) + f" {number}",
        "turns": [draw.choice(WORDS) for _ in range(number % 4)],
        "who": None if number % 13 == 0 else {"name": draw.choice(WORDS), "age": number % 90},
    })
schema = pa.schema([
    ("id", pa.int32()), ("maybe", pa.int64()), ("share", pa.float64()), ("half", pa.float32()), ("flag", pa.bool_()), ("label", pa.string()),
    ("text", pa.string()), ("turns", pa.list_(pa.string())), ("who", pa.struct([("name", pa.string()), ("age", pa.int32())])),
])
table = pa.Table.from_pylist(rows, schema=schema)
plain = dict(use_dictionary=False)
delta = {"id": "DELTA_BINARY_PACKED", "maybe": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY", "label": "DELTA_LENGTH_BYTE_ARRAY", "share": "BYTE_STREAM_SPLIT", "half": "BYTE_STREAM_SPLIT"}
files = {
    "snappy": dict(compression="snappy"),
    "zstd_v2": dict(compression="zstd", data_page_version="2.0", **plain),
    "gzip_delta": dict(compression="gzip", column_encoding=delta, **plain),
    "none_v2_delta": dict(compression="none", data_page_version="2.0", column_encoding=delta, **plain),
    "lz4_groups": dict(compression="lz4", row_group_size=70, data_page_size=200),
    "brotli": dict(compression="brotli"),
}
for name, options in files.items():
    pq.write_table(table, HERE / f"{name}.parquet", **options)
coded = table.set_column(5, "label", table["label"].dictionary_encode())
for name, opened, kept, packing in [
    ("file.arrow", ipc.new_file, coded, "zstd"), ("stream.arrow", ipc.new_stream, table, None), ("lz4.arrow", ipc.new_stream, coded, "lz4"),
]:
    with opened(str(HERE / name), kept.schema, options=ipc.IpcWriteOptions(compression=packing)) as writer:
        writer.write_table(kept, max_chunksize=128)
with (HERE / "rows.jsonl").open("w") as out:
    for row in rows:
        who = row.pop("who") or {"name": None, "age": None}
        turns = "\n".join(row.pop("turns")) or None
        out.write(json.dumps({**row, "turns": turns, "who.name": who["name"], "who.age": who["age"]}) + "\n")
