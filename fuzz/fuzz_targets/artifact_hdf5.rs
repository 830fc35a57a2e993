//! Groups, attributes and heaps of HDF5.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.h5"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
