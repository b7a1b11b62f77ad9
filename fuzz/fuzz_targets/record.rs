#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evertoken_rules::fuzz_properties::hold(bytes));
