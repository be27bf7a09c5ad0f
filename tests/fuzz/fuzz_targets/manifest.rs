#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tailor_fuzz::manifest(bytes));
