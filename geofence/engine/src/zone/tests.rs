//! Tests of compiled zones.
