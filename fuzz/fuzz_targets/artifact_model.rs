//! Any bytes under any name are judged within bounds, twice the same, and with findings wherever they are not clean.
//! The first byte picks the name, and with it the reader of formats that have no first bytes of their own.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &[
    "x.pkl", "x.pt", "x.joblib", "x.npy", "x.npz", "x.safetensors", "x.gguf", "x.onnx", "saved_model.pb", "x.keras", "x.h5",
    "keras_metadata.pb", "x.nemo", "model_config.yaml", "x.json", "x.xml",
];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
