//! See `src/conf.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = meantime_fuzz::conf::check_sources(data);
});
