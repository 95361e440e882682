//! See `homeward_engine_fuzz::zone_import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeward_engine_fuzz::zone_import(data));
