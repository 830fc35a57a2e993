//! Texts that something builds, installs or shows: recipes, lists of packages, pages, rows, servers' configurations.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &[
    "Dockerfile", "Makefile", "requirements.txt", "pyproject.toml", "x.gin", "x.ipynb", "page.html", "config.pbtxt",
    "rows.jsonl", "MANIFEST.json", "package.json", "x.csv", "x.py", "data", "x.pdf", "x.png", "x.tflite", "x.pdmodel",
];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
