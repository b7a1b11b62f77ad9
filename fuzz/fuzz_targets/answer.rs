#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evertoken_provider::wechat::fuzz_answer(bytes));
