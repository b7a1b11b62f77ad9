#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evertoken::fuzzing::file_record(bytes));
