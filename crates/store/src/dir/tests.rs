//! Tests of the state directory.
