//! Access tokens: JWT, HS256 and nothing else, short-lived, checked without asking the database.

use std::{collections::HashSet, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use spicyjump_domain::{
    account::{Actor, Role},
    clock::Clock,
    ids::UserId,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    ended_sessions::EndedSessions,
    error::{ApiError, ErrorCode},
    hs256,
};

/// Who issues the tokens and whom they are for: this API, both times.
const ISSUER: &str = "spicyjump";

/// How far another instance's clock may be ahead, in seconds. Not that of the end: a token ends to the second.
const CLOCK_SKEW: i64 = 5;

/// What a token says (RFC 7519, section 4.1). Times are Unix seconds.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    role: Role,
    /// The session: the family of refresh tokens that it came with.
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
}

/// The subject of a verified token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub actor: Actor,
    /// Their session.
    pub family: Uuid,
}

/// Issues and verifies access tokens.
pub struct AccessTokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    ended: EndedSessions,
}

impl AccessTokens {
    /// With this secret of 32 bytes or more.
    #[must_use]
    pub fn new(secret: &SecretString, lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        hs256::install();
        let secret = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        validation.required_spec_claims = HashSet::from(["iss", "aud", "sub", "exp"].map(str::to_owned));
        // Times are judged below, by our own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let (signing, verifying) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Self { signing, verifying, validation, lifetime, clock, ended: EndedSessions::default() }
    }

    /// How long a token is good.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A new token.
    ///
    /// # Errors
    /// When it cannot be written: a defect.
    pub fn issue(&self, session: Session) -> Result<String, ApiError> {
        let now = self.clock.now();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: session.actor.id.to_string(),
            role: session.actor.role,
            sid: session.family,
            jti: Uuid::new_v4(),
            iat: now.unix_timestamp(),
            nbf: None,
            exp: (now + self.lifetime).unix_timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|error| ApiError::new(ErrorCode::InternalError).because(error))
    }

    /// Refuses the tokens of a session that is over, for as long as one can be good.
    pub fn end(&self, family: Uuid, ended_at: OffsetDateTime) {
        self.ended.insert(family, ended_at, self.clock.now() - self.lifetime);
    }

    /// What time it is for tokens.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The subject of a token.
    ///
    /// # Errors
    /// [`ErrorCode::TokenExpired`] for a token that was good, [`ErrorCode::InvalidToken`] for any other.
    pub fn verify(&self, token: &str) -> Result<Session, ErrorCode> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|_| ErrorCode::InvalidToken)?
            .claims;
        let now = self.clock.now().unix_timestamp();
        if claims.iat.max(claims.nbf.unwrap_or(i64::MIN)) > now + CLOCK_SKEW {
            return Err(ErrorCode::InvalidToken);
        }
        let id: UserId = claims.sub.parse().map_err(|_| ErrorCode::InvalidToken)?;
        if claims.exp <= now {
            return Err(ErrorCode::TokenExpired);
        }
        if self.ended.contains(claims.sid) {
            return Err(ErrorCode::InvalidToken);
        }
        Ok(Session { actor: Actor { id, role: claims.role }, family: claims.sid })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::FixedClock;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_763_546_400;

    fn tokens(secret: &str, now: i64) -> AccessTokens {
        let clock = FixedClock::at(OffsetDateTime::from_unix_timestamp(now).unwrap());
        AccessTokens::new(&SecretString::from(secret), Duration::minutes(15), Arc::new(clock))
    }

    fn session() -> Session {
        let actor = Actor { id: UserId::new(7).unwrap(), role: Role::Seller };
        Session { actor, family: Uuid::from_u128(9) }
    }

    fn sign(change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": "spicyjump", "aud": "spicyjump", "sub": "7", "role": "seller",
            "sid": Uuid::from_u128(9), "jti": Uuid::from_u128(1), "iat": NOW, "exp": NOW + 900
        });
        change(&mut claims);
        hs256::install();
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    }

    #[test]
    fn a_token_brings_back_who_it_was_issued_to() {
        let token = tokens(SECRET, NOW).issue(session()).unwrap();
        assert_eq!(tokens(SECRET, NOW).verify(&token), Ok(session()));
        assert_eq!(tokens(SECRET, NOW + 899).verify(&token), Ok(session()));
    }

    #[test]
    fn a_token_of_a_session_that_is_over_is_invalid() {
        let tokens = tokens(SECRET, NOW);
        let token = tokens.issue(session()).unwrap();
        tokens.end(Uuid::from_u128(8), tokens.now());
        assert_eq!(tokens.verify(&token), Ok(session()));
        tokens.end(session().family, tokens.now());
        assert_eq!(tokens.verify(&token), Err(ErrorCode::InvalidToken));
    }

    #[test]
    fn a_token_ends_to_the_second() {
        let token = tokens(SECRET, NOW).issue(session()).unwrap();
        assert_eq!(tokens(SECRET, NOW + 900).verify(&token), Err(ErrorCode::TokenExpired));
        let stranger = tokens("another secret of thirty-two bytes", NOW);
        assert_eq!(stranger.verify(&token), Err(ErrorCode::InvalidToken));
    }

    #[test]
    fn a_token_of_an_instance_whose_clock_is_a_little_ahead_is_good() {
        let ahead = |seconds| tokens(SECRET, NOW + seconds).issue(session()).unwrap();
        assert_eq!(tokens(SECRET, NOW).verify(&ahead(5)), Ok(session()));
        assert_eq!(tokens(SECRET, NOW).verify(&ahead(6)), Err(ErrorCode::InvalidToken));
    }

    #[test]
    fn what_is_not_ours_is_invalid() {
        let refused = |change: fn(&mut Value)| tokens(SECRET, NOW).verify(&sign(change));
        assert_eq!(refused(|_| {}), Ok(session()));
        for change in [
            (|c| c["iss"] = json!("someone")) as fn(&mut Value),
            |c| c["aud"] = json!("other-api"),
            |c| c["sub"] = json!("0"),
            |c| c["sub"] = json!("x"),
            |c| c["role"] = json!("king"),
            |c| c["iat"] = json!(NOW + 6),
            |c| c["nbf"] = json!(NOW + 6),
            |c| _ = c.as_object_mut().unwrap().remove("exp"),
            |c| _ = c.as_object_mut().unwrap().remove("iss"),
            |c| _ = c.as_object_mut().unwrap().remove("aud"),
        ] {
            assert_eq!(refused(change), Err(ErrorCode::InvalidToken));
        }
    }

    #[test]
    fn no_other_algorithm_is_taken() {
        let good = tokens(SECRET, NOW).issue(session()).unwrap();
        let parts: Vec<&str> = good.split('.').collect();
        for algorithm in ["none", "HS384", "HS512", "RS256", "ES256"] {
            let header = URL_SAFE_NO_PAD.encode(json!({ "typ": "JWT", "alg": algorithm }).to_string());
            for signature in ["", parts[2]] {
                let forged = format!("{header}.{}.{signature}", parts[1]);
                assert_eq!(tokens(SECRET, NOW).verify(&forged), Err(ErrorCode::InvalidToken), "{algorithm}");
            }
        }
        for nonsense in ["", ".", "..", "a.b.c", &good[1..], &format!("{good}.x")] {
            assert_eq!(tokens(SECRET, NOW).verify(nonsense), Err(ErrorCode::InvalidToken), "{nonsense}");
        }
    }
}
