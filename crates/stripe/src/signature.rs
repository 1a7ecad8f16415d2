//! Stripe's webhook signature: `Stripe-Signature: t=…,v1=…[,v1=…]`, HMAC-SHA256 over `{t}.{raw body}`.
//! Source: docs.stripe.com/webhooks/signature.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use time::OffsetDateTime;

/// How far the signature's time may lie from our clock, to both sides, in seconds.
const TOLERANCE_SECONDS: u64 = 300;

/// The signature is missing, wrong or too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidSignature;

/// Checks that one of `secrets` made one of the header's `v1` signatures over `body` within the tolerance, and
/// gives the time of signing. Other schemes (`v0`) are ignored: accepting a weaker one would be a downgrade.
pub(crate) fn verify(
    secrets: &[SecretString],
    header: &str,
    body: &[u8],
    now: OffsetDateTime,
) -> Result<OffsetDateTime, InvalidSignature> {
    let timestamp = values(header, "t").next().ok_or(InvalidSignature)?;
    let seconds: i64 = timestamp.parse().map_err(|_| InvalidSignature)?;
    let signed_at = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| InvalidSignature)?;
    if now.unix_timestamp().abs_diff(seconds) > TOLERANCE_SECONDS {
        return Err(InvalidSignature);
    }
    let signatures: Vec<Vec<u8>> = values(header, "v1").filter_map(|value| hex::decode(value).ok()).collect();
    let is_ours = secrets.iter().any(|secret| {
        let mac = mac(secret, timestamp, body);
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if is_ours { Ok(signed_at) } else { Err(InvalidSignature) }
}

/// The values of a repeated `key=value` of the header.
fn values<'a>(header: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    header
        .split(',')
        .filter_map(move |pair| pair.split_once('=').filter(|(name, _)| *name == key))
        .map(|(_, v)| v)
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(secret: &SecretString, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let key = secret.expose_secret().as_bytes();
    Hmac::<Sha256>::new_from_slice(key)
        .expect("any key length")
        .chain_update(timestamp.as_bytes())
        .chain_update(b".")
        .chain_update(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const NOW: i64 = 1_790_000_000;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn sign(secret: &str, seconds: i64, body: &[u8]) -> String {
        hex::encode(mac(&secret.into(), &seconds.to_string(), body).finalize().into_bytes())
    }

    fn is_accepted(header: &str, body: &[u8]) -> bool {
        verify(&["whsec_new".into(), "whsec_old".into()], header, body, at(NOW)).is_ok()
    }

    #[test]
    fn agrees_with_a_signature_made_elsewhere() {
        // printf '1790000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_new
        let signature = "a8d78c58874a6b2e5d89493e1b6dbe9f5a71790e5f2f2ce02d06c84076e09fe9";
        assert_eq!(sign("whsec_new", NOW, BODY), signature);
        assert!(is_accepted(&format!("t={NOW},v1={signature}"), BODY));
    }

    #[test]
    fn accepts_any_v1_under_any_of_the_secrets() {
        let (new, old) = (sign("whsec_new", NOW, BODY), sign("whsec_old", NOW, BODY));
        let foreign = sign("whsec_other", NOW, BODY);
        assert!(is_accepted(&format!("t={NOW},v1={new}"), BODY));
        assert!(is_accepted(&format!("t={NOW},v1={old}"), BODY));
        assert!(is_accepted(&format!("t={NOW},v1={foreign},v1={old},v0=00"), BODY));
        assert!(!is_accepted(&format!("t={NOW},v1={foreign}"), BODY));
    }

    #[test]
    fn ignores_other_schemes() {
        let good = sign("whsec_new", NOW, BODY);
        assert!(!is_accepted(&format!("t={NOW},v0={good}"), BODY));
        assert!(!is_accepted(&format!("t={NOW},v2={good},v11={good}"), BODY));
    }

    #[test]
    fn refuses_what_was_changed_on_the_way() {
        let good = sign("whsec_new", NOW, BODY);
        assert!(!is_accepted(&format!("t={NOW},v1={good}"), br#"{"id":"evt_2"}"#));
        assert!(!is_accepted(&format!("t={},v1={good}", NOW + 1), BODY), "another time");
        assert!(!is_accepted(&format!("t=0{NOW},v1={good}"), BODY), "the same time in other bytes");
        assert!(!is_accepted(&format!("t={NOW},v1={}", &good[..62]), BODY), "cut short");
        assert!(!is_accepted(&format!("t={NOW},v1={good}00"), BODY), "longer");
    }

    #[test]
    fn tolerates_five_minutes_to_both_sides() {
        for (offset, accepted) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
            let seconds = NOW + offset;
            let header = format!("t={seconds},v1={}", sign("whsec_new", seconds, BODY));
            assert_eq!(is_accepted(&header, BODY), accepted, "{offset} s");
        }
    }

    #[test]
    fn refuses_headers_that_are_none() {
        let good = sign("whsec_new", NOW, BODY);
        for header in [
            "",
            "garbage",
            "t=",
            "t=,v1=",
            "v1=00",
            &format!("v1={good}"),
            &format!("t=x,v1={good}"),
            &format!("t={NOW}"),
            &format!("t={NOW},v1=xyz"),
            "t=9223372036854775807,v1=00",
        ] {
            assert!(!is_accepted(header, BODY), "{header}");
        }
    }
}
