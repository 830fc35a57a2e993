//! Tests of the secret store.
