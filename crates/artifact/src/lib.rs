//! Judges artifacts before they are loaded: model files, and data sets in [`data`]. Every file is an attacker's program, so it is parsed and
//! never run, within bytes, members and steps. What can't be read to its end is never clean.
//!
//! This crate sees bytes through [`Source`] and gives back a [`Report`]. It opens nothing and knows no clock.

mod called;
mod carried;
mod config;
mod coreml;
mod cover;
pub mod data;
mod document;
mod encoding;
mod exported;
mod expression;
mod feed;
mod finding;
mod format;
mod gguf;
mod git;
mod hdf5;
mod hub;
mod inert;
mod jinja;
mod json;
mod keras;
mod lines;
mod literal;
mod msgpack;
mod names;
mod notebook;
mod npy;
mod objects;
mod onnx;
pub mod output;
mod pack;
mod packages;
mod paddle;
mod page;
mod pickle;
mod program;
mod protobuf;
mod prototxt;
mod python;
pub mod rule;
mod safetensors;
mod scan;
mod serving;
mod shell;
mod skops;
mod source;
mod sqlite;
mod tar;
mod template;
mod tensorflow;
mod tflite;
mod torchscript;
mod values;
mod xml;
mod yaml;
mod zip;

pub use cover::{Baseline, Suppression, cover};
pub use finding::{Finding, Place, Report, Verdict, shown};
pub use scan::{Limits, model, settle};
pub use source::Source;
