#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evertoken_store::file_fuzz_properties::hold(bytes));
