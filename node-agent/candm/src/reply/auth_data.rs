//! AUTH_DATA (20): how the packets of one association are authenticated.

use crate::bytes::{Ended, Reader};
use meantime_core::units::Nanos;

/// The way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Not at all.
    None,
    /// A shared key.
    Key,
    /// Network time security.
    Nts,
    /// A number that this build does not know.
    Unknown(u16),
}

/// The report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthData {
    /// The way.
    pub mode: AuthMode,
    /// Algorithm of the key.
    pub key_type: u16,
    /// Key id.
    pub key_id: u32,
    /// Key length, bits.
    pub key_bits: u16,
    /// Key exchanges tried since the last success.
    pub exchange_attempts: u16,
    /// Age of the last key exchange; none = never.
    pub exchange_age: Option<Nanos>,
    /// NTS cookies at hand.
    pub cookies: u16,
    /// Length of one, bytes.
    pub cookie_length: u16,
    /// NTS NAKs since the last exchange.
    pub naks: u16,
}

impl AuthData {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Ended> {
        let mode = match reader.u16()? {
            0 => AuthMode::None,
            1 => AuthMode::Key,
            2 => AuthMode::Nts,
            other => AuthMode::Unknown(other),
        };
        let data = Self {
            mode,
            key_type: reader.u16()?,
            key_id: reader.u32()?,
            key_bits: reader.u16()?,
            exchange_attempts: reader.u16()?,
            exchange_age: reader.age()?,
            cookies: reader.u16()?,
            cookie_length: reader.u16()?,
            naks: reader.u16()?,
        };
        reader.skip::<2>()?;
        Ok(data)
    }
}
