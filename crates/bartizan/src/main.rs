//! The Bartizan command.

fn main() {}
