//! Byte by byte, and against whatever comes.

use super::*;
use crate::Exchange;
use proptest::prelude::*;

const ME: u64 = 0x0102_0304_0506_0708;

fn ring() -> Keyring {
    Keyring::first([0x11; 32], [0x22; 32])
}
fn asked(ring: &Keyring) -> [u8; SIZE] {
    question(ring.current(), [0xaa; 16], ME)
}
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whoever writes another agent writes these bytes. The seals were computed by Python's hmac over the first 64 bytes.
#[test]
fn the_bytes_are_these() {
    let asks = asked(&ring());
    let head = "4d545001 01000000 00000001 00000000 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0102030405060708";
    let zeros = "000000000000000000000000000000000000000000000000";
    assert_eq!(hex(&asks[..64]), format!("{}{zeros}", head.replace(' ', "")));
    assert_eq!(hex(&asks[64..]), QUESTION_SEAL);
    let claim = Claim { synchronised: true, bound: Some(Nanos(410_123)) };
    let question = receive(&asks, ME, &ring()).unwrap();
    let (came, left) = (WallTime(1_795_303_500_000_000_000), WallTime(1_795_303_500_000_050_000));
    let answers = answer(&question, &ring(), came, left, claim).unwrap();
    assert_eq!(hex(&answers[..8]), "4d54500102010000");
    assert_eq!(hex(&answers[8..40]), hex(&asks[8..40]), "key, nonce and node are the question's");
    assert_eq!(hex(&answers[40..64]), "18ea33057583f80018ea33057584bb50000000000006420b");
    assert_eq!(hex(&answers[64..]), ANSWER_SEAL);
    assert_eq!(answers.len(), asks.len(), "an answer is never larger than its question");
}

const QUESTION_SEAL: &str = "6b93ca41f605b2def0f46c24bc0f23860b72064ade5469d335353b268b56675a";
const ANSWER_SEAL: &str = "6e8cbc24aef8110d1b35755b9f751775b21cda7b244526e6f3ee0a7175bc4d77";

#[test]
fn every_key_in_force_is_taken_and_answered_under_and_no_other() {
    let old = ring();
    let new = old.rotated([0x33; 32]);
    let newer = new.rotated([0x44; 32]);
    let question = receive(&asked(&old), ME, &new).unwrap();
    let packet = answer(&question, &new, WallTime(0), WallTime(0), Claim::default()).unwrap();
    assert!(
        reply(&packet, old.current(), &[0xaa; 16], ME).is_ok(),
        "who has not seen the rotation is understood"
    );
    assert!(receive(&asked(&new), ME, &old).is_ok(), "and understands");
    assert_eq!(receive(&asked(&old), ME, &newer), Err(Refusal::UnknownKey), "two rotations late");
    assert_eq!(answer(&question, &newer, WallTime(0), WallTime(0), Claim::default()), None);
    let others = Keyring::first([0x55; 32], [0x66; 32]);
    assert_eq!(
        receive(&asked(&others), ME, &old),
        Err(Refusal::Forged),
        "another cluster's key of the same id"
    );
}

#[test]
fn the_address_is_not_the_node() {
    assert_eq!(receive(&asked(&ring()), ME + 1, &ring()), Err(Refusal::NotThisNode));
    let question = receive(&asked(&ring()), ME, &ring()).unwrap();
    let packet = answer(&question, &ring(), WallTime(0), WallTime(0), Claim::default()).unwrap();
    assert_eq!(reply(&packet, ring().current(), &[0xaa; 16], ME + 1), Err(Refusal::NotThisNode));
}

#[test]
fn an_answer_is_no_question() {
    let question = receive(&asked(&ring()), ME, &ring()).unwrap();
    let packet = answer(&question, &ring(), WallTime(0), WallTime(0), Claim::default()).unwrap();
    assert_eq!(
        receive(&packet, ME, &ring()),
        Err(Refusal::Kind),
        "two responders cannot be set upon each other"
    );
}

proptest! {
    #[test]
    fn anything_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(receive(&bytes, ME, &ring()), Err(Refusal::Foreign));
        let (exchange, _) = Exchange::begin(WallTime(0), [1; 16], ME, ring().current());
        prop_assert_eq!(exchange.accept(&bytes, Nanos(1)), Err(Refusal::Foreign));
    }

    #[test]
    fn cut_off_or_with_more_behind_it_is_refused(length in 0_usize..300) {
        let mut packet = asked(&ring()).to_vec();
        packet.resize(length, 0);
        prop_assert_eq!(receive(&packet, ME, &ring()).is_ok(), length == SIZE);
    }

    /// No bit of either packet can be changed.
    #[test]
    fn one_bit_that_differs_is_refused(bit in 0_usize..SIZE * 8) {
        let mut asks = asked(&ring());
        let question = receive(&asks, ME, &ring()).unwrap();
        let mut answers = answer(&question, &ring(), WallTime(5), WallTime(9), Claim::default()).unwrap();
        for packet in [&mut asks, &mut answers] {
            packet[bit / 8] ^= 1 << (bit % 8);
        }
        prop_assert!(receive(&asks, ME, &ring()).is_err());
        prop_assert!(reply(&answers, ring().current(), &[0xaa; 16], ME).is_err());
    }

    #[test]
    fn what_is_said_arrives(came in any::<i64>(), left in any::<i64>(), bound in any::<Option<i64>>(), synchronised: bool) {
        let question = receive(&asked(&ring()), ME, &ring()).unwrap();
        let claim = Claim { synchronised, bound: bound.map(Nanos) };
        let packet = answer(&question, &ring(), WallTime(came), WallTime(left), claim).unwrap();
        let reply = reply(&packet, ring().current(), &[0xaa; 16], ME).unwrap();
        prop_assert_eq!((reply.received, reply.transmitted), (WallTime(came), WallTime(left)));
        let bound = bound.map(|bound| Nanos(bound.max(0)));
        prop_assert_eq!(reply.claim, Claim { synchronised, bound });
    }
}
