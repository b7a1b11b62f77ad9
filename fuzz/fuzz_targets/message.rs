#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evertoken_store::redis_fuzz_properties::hold(bytes));
