//! A plan's texts for chronyd.

use meantime_core::conf::{Main, Sources};

/// Never panics; what is read renders to the very text that was read: nothing can ride along unread.
pub fn check_main(bytes: &[u8]) -> Option<Main> {
    let text = std::str::from_utf8(bytes).ok()?;
    match Main::read(text) {
        Ok(main) => {
            assert_eq!(main.render(), text);
            Some(main)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

/// The same for the sources text.
pub fn check_sources(bytes: &[u8]) -> Option<Sources> {
    let text = std::str::from_utf8(bytes).ok()?;
    match Sources::read(text) {
        Ok(sources) => {
            assert_eq!(sources.render(), text);
            Some(sources)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
