//! Any bytes under any name are judged within bounds, twice the same, and with findings wherever they are not clean.
//! The first byte picks the name, and with it the reader of formats that have no first bytes of their own.
#![no_main]

use bartizan_artifact::{Limits, Verdict, model};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 16] = [
    "x.pkl", "x.pt", "x.joblib", "x.npy", "x.npz", "x.safetensors", "x.gguf", "x.onnx", "saved_model.pb", "x.keras", "x.h5",
    "keras_metadata.pb", "x.nemo", "model_config.yaml", "x.json", "x.xml",
];

fuzz_target!(|data: &[u8]| {
    let [pick, data @ ..] = data else { return };
    let name = NAMES[usize::from(*pick) % NAMES.len()];
    let limits = Limits {
        unpacked_bytes: 1 << 22,
        held_bytes: 1 << 20,
        document_bytes: 1 << 20,
        members: 1 << 10,
        depth: 6,
        findings: 100,
    };
    let bytes = data.to_vec();
    let first = model(name, &bytes, &limits);
    let again = model(name, &bytes, &limits);
    assert_eq!(first.verdict, again.verdict);
    assert_eq!(first.findings.len(), again.findings.len());
    assert!(first.findings.len() <= 101);
    assert_eq!(first.verdict == Verdict::Clean, first.findings.iter().all(|finding| finding.severity == Verdict::Clean));
});
