//! Opaque tokens for sessions and password resets.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use spicyjump_domain::accounts::{SecretTokens, TokenHash};

/// 256 bits from the operating system, in base64url: 43 characters.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomTokens;

impl SecretTokens for RandomTokens {
    /// # Panics
    /// When the operating system has no random numbers: then no token of any kind may be handed out.
    fn issue(&self) -> (String, TokenHash) {
        let mut bytes = [0; 32];
        if let Err(error) = getrandom::fill(&mut bytes) {
            panic!("the operating system has no random numbers: {error}");
        }
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let hash = self.hash(&token);
        (token, hash)
    }

    /// A plain hash is enough: 256 random bits cannot be guessed.
    fn hash(&self, token: &str) -> TokenHash {
        Sha256::digest(token).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_found_by_their_hash() {
        let ((first, hash), (second, _)) = (RandomTokens.issue(), RandomTokens.issue());
        assert_ne!(first, second);
        assert_eq!((first.len(), RandomTokens.hash(&first)), (43, hash));
    }
}
