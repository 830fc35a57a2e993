//! Documents beside weights: JSON, XML, YAML, templates.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["config.json", "x.xml", "x.pmml", "x.yaml", "x.jinja", "MLmodel", "x.ipynb", "x.prototxt", "x.cfg"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
