//! See `homeward_engine_fuzz::replay_input`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeward_engine_fuzz::replay_input(data));
