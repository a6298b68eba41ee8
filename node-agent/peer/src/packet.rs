//! The packet: its places, its seal, and why one is refused.

use meantime_core::clocks::WallTime;
use meantime_core::peers::keys::{Key, Keyring};
use meantime_core::units::Nanos;
use ring::hmac;

/// Bytes of every packet, asking or answering.
pub const SIZE: usize = 96;

const MAGIC: [u8; 4] = *b"MTP\x01";
const ASKS: u8 = 1;
const ANSWERS: u8 = 2;
const SYNCHRONISED: u8 = 1;
/// Places, see the crate's words.
const KIND: usize = 4;
const FLAGS: usize = 5;
const KEY_ID: usize = 8;
const NONCE: usize = 16;
const NODE: usize = 32;
const RECEIVED: usize = 40;
const TRANSMITTED: usize = 48;
const BOUND: usize = 56;
const SEAL: usize = 64;
/// In [`BOUND`]: not known.
const NO_BOUND: i64 = -1;

/// Why a datagram was refused. None of these is ever answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// Cut off, too long, or of another protocol or version.
    #[error("not a packet of this protocol")]
    Foreign,
    /// An answer where a question was expected, or the other way round.
    #[error("a packet of the wrong kind")]
    Kind,
    /// Somebody else is meant: the address was another node's.
    #[error("another node is meant")]
    NotThisNode,
    /// Made with a key that is not in force, or not with the one that was asked with.
    #[error("an unknown key")]
    UnknownKey,
    /// The seal is not of that key: forged, or changed on the way.
    #[error("the seal does not fit")]
    Forged,
    /// An answer to another question: late, repeated.
    #[error("an answer to another question")]
    NotOurs,
    /// It claims to have held the question for longer than the whole exchange took, or for less than no time.
    #[error("times that cannot be")]
    Impossible,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Foreign,
        Self::Kind,
        Self::NotThisNode,
        Self::UnknownKey,
        Self::Forged,
        Self::NotOurs,
        Self::Impossible,
    ];
    /// One word, for a metric.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Kind => "kind",
            Self::NotThisNode => "not_this_node",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::NotOurs => "not_ours",
            Self::Impossible => "impossible",
        }
    }
}

/// What the answerer says of its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// It judges itself synchronised.
    pub synchronised: bool,
    /// Its guaranteed bound; none = it does not know.
    pub bound: Option<Nanos>,
}

/// A question that may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    key: u32,
    nonce: [u8; 16],
    node: u64,
}

/// What an answer carries, its seal checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) received: WallTime,
    pub(crate) transmitted: WallTime,
    pub(crate) claim: Claim,
}

/// A question to the node of that mark.
pub(crate) fn question(key: &Key, nonce: [u8; 16], node: u64) -> [u8; SIZE] {
    let mut packet = head(ASKS, key.id, &nonce, node);
    seal(&mut packet, key);
    packet
}

/// A datagram as the node of mark `me` takes it.
pub fn receive(datagram: &[u8], me: u64, ring: &Keyring) -> Result<Question, Refusal> {
    let packet = whole(datagram, ASKS)?;
    if number(packet, NODE) != me {
        return Err(Refusal::NotThisNode);
    }
    let key = ring.find(key_id(packet)).ok_or(Refusal::UnknownKey)?;
    check(packet, key)?;
    Ok(Question { key: key.id, nonce: bytes(packet, NONCE), node: me })
}

/// The answer, under the key of the question: none if that is not in force any more. `received` and `transmitted` are
/// CLOCK_REALTIME when the question came and just now.
pub fn answer(
    question: &Question,
    ring: &Keyring,
    received: WallTime,
    transmitted: WallTime,
    claim: Claim,
) -> Option<[u8; SIZE]> {
    let key = ring.find(question.key)?;
    let mut packet = head(ANSWERS, key.id, &question.nonce, question.node);
    packet[FLAGS] = if claim.synchronised { SYNCHRONISED } else { 0 };
    put(&mut packet, RECEIVED, &received.0.to_be_bytes());
    put(&mut packet, TRANSMITTED, &transmitted.0.to_be_bytes());
    let bound = claim.bound.map_or(NO_BOUND, |bound| bound.0.max(0));
    put(&mut packet, BOUND, &bound.to_be_bytes());
    seal(&mut packet, key);
    Some(packet)
}

/// A datagram as whoever asked takes it.
pub(crate) fn reply(datagram: &[u8], key: &Key, nonce: &[u8; 16], node: u64) -> Result<Reply, Refusal> {
    let packet = whole(datagram, ANSWERS)?;
    if number(packet, NODE) != node {
        return Err(Refusal::NotThisNode);
    }
    if bytes::<16>(packet, NONCE) != *nonce {
        return Err(Refusal::NotOurs);
    }
    if key_id(packet) != key.id {
        return Err(Refusal::UnknownKey);
    }
    check(packet, key)?;
    let signed = |at| i64::from_be_bytes(bytes(packet, at));
    let bound = signed(BOUND);
    Ok(Reply {
        received: WallTime(signed(RECEIVED)),
        transmitted: WallTime(signed(TRANSMITTED)),
        claim: Claim {
            synchronised: packet[FLAGS] & SYNCHRONISED != 0,
            bound: (bound >= 0).then_some(Nanos(bound)),
        },
    })
}

fn head(kind: u8, key: u32, nonce: &[u8; 16], node: u64) -> [u8; SIZE] {
    let mut packet = [0; SIZE];
    put(&mut packet, 0, &MAGIC);
    packet[KIND] = kind;
    put(&mut packet, KEY_ID, &key.to_be_bytes());
    put(&mut packet, NONCE, nonce);
    put(&mut packet, NODE, &node.to_be_bytes());
    packet
}

fn whole(datagram: &[u8], kind: u8) -> Result<&[u8; SIZE], Refusal> {
    let packet: &[u8; SIZE] = datagram.try_into().map_err(|_| Refusal::Foreign)?;
    match (packet.starts_with(&MAGIC), packet[KIND]) {
        (true, found) if found == kind => Ok(packet),
        (true, ASKS | ANSWERS) => Err(Refusal::Kind),
        _ => Err(Refusal::Foreign),
    }
}

fn put(packet: &mut [u8; SIZE], at: usize, what: &[u8]) {
    packet[at..at + what.len()].copy_from_slice(what);
}

/// All places are constants below SIZE − N.
fn bytes<const N: usize>(packet: &[u8; SIZE], at: usize) -> [u8; N] {
    std::array::from_fn(|byte| packet[at + byte])
}

fn number(packet: &[u8; SIZE], at: usize) -> u64 {
    u64::from_be_bytes(bytes(packet, at))
}

fn key_id(packet: &[u8; SIZE]) -> u32 {
    u32::from_be_bytes(bytes(packet, KEY_ID))
}

fn seal(packet: &mut [u8; SIZE], key: &Key) {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.secret()), &packet[..SEAL]);
    put(packet, SEAL, tag.as_ref());
}

/// In constant time.
fn check(packet: &[u8; SIZE], key: &Key) -> Result<(), Refusal> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.secret());
    hmac::verify(&key, &packet[..SEAL], &packet[SEAL..]).map_err(|_| Refusal::Forged)
}

#[cfg(test)]
mod tests;
