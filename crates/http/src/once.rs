//! `Idempotency-Key`: a request that is repeated has its effect once (contract §4).

use std::{sync::Arc, time::Duration};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header::HeaderName},
};
use sha2::{Digest, Sha256};
use spicyjump_domain::{
    idempotency::{Claim, IdempotencyStore, Once, OnceConflict, OnceKey},
    ids::UserId,
};
use uuid::Uuid;

use crate::{
    answer::Answer,
    context::RequestContext,
    error::{ApiError, ErrorCode},
    problem::Problem,
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_LENGTH: usize = 255;

/// How soon an answer that could not be stored is tried again; twice as late each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// After this long the key is free anyway.
const GIVE_UP: Duration = Duration::from_hours(24);

/// The client's key for this request, if it sent one: 1 to 255 printable ASCII characters, else 422.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    key: Option<String>,
    path: String,
}

impl IdempotencyKey {
    /// What identifies repetitions of this request by `user` with this `body`, as sent.
    #[must_use]
    pub fn once(&self, user: UserId, body: &[u8]) -> Option<Once> {
        let key = OnceKey { user, path: self.path.clone(), key: self.key.clone()? };
        Some(Once { key, fingerprint: Sha256::digest(body).into() })
    }
}

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let path = format!("{} {}", request.method(), request.path());
        let key = match request.headers().get(HEADER) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                // A header's text may hold tabs, which are not printed.
                Ok(text) if (1..=MAX_LENGTH).contains(&text.len()) && !text.contains('\t') => {
                    Ok(Some(text.to_owned()))
                }
                _ => Err(ApiError::field("Idempotency-Key", Problem::Printable { max: MAX_LENGTH })),
            },
        };
        std::future::ready(key.map(|key| Self { key, path }))
    }
}

/// Whether a refusal is an answer to be repeated: what the handler decided, not how the request was formed.
#[must_use]
pub fn is_kept(code: ErrorCode) -> bool {
    let status = code.status();
    let decided = [
        StatusCode::PAYMENT_REQUIRED,
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    let about_the_request =
        [ErrorCode::ValidationFailed, ErrorCode::IdempotencyInProgress, ErrorCode::IdempotencyKeyReused];
    decided.contains(&status) && !about_the_request.contains(&code)
}

impl From<OnceConflict> for ApiError {
    fn from(conflict: OnceConflict) -> Self {
        match conflict {
            OnceConflict::Reused => ErrorCode::IdempotencyKeyReused.into(),
            OnceConflict::InProgress => ErrorCode::IdempotencyInProgress.into(),
        }
    }
}

/// Runs a handler whose effect is at the payment provider: claims the key before, completes it after. The handler
/// gets the claim's id, from which the provider's keys derive. Whatever ends the handler early (the client went
/// away, time ran out) gives the claim back, so that the next request takes it up.
///
/// # Errors
/// Those of the handler, and what stands in the way of the key.
pub async fn claimed<F>(
    store: &Arc<dyn IdempotencyStore>,
    once: Option<Once>,
    context: &RequestContext,
    handler: impl FnOnce(Option<Uuid>) -> F,
) -> Result<Answer, ApiError>
where
    F: Future<Output = Result<Answer, ApiError>>,
{
    let Some(once) = once else { return handler(None).await };
    let id = match store.claim(&once).await? {
        Claim::Ours(id) => id,
        Claim::Replay(answer) => return Ok(Answer::replayed(answer)),
        Claim::Conflict(conflict) => return Err(conflict.into()),
    };
    let mut held = Held { store: Arc::clone(store), id, answer: None, is_settled: false };
    let outcome = handler(Some(id)).await;
    let kept = match &outcome {
        Ok(answer) => Some(answer.clone()),
        Err(error) if is_kept(error.code()) => Some(Answer::failure(error, context)),
        Err(_) => None,
    };
    let Some(answer) = kept else {
        // Before the client hears of it: its next try must not meet this one.
        held.is_settled = store.release(id).await.is_ok();
        return outcome;
    };
    let record = held.answer.insert(answer.to_record());
    store.complete(id, record).await?;
    held.is_settled = true;
    Ok(answer)
}

/// A claim that is settled in the background when it goes out of scope: completed if there is an answer, else given
/// back.
struct Held {
    store: Arc<dyn IdempotencyStore>,
    id: Uuid,
    answer: Option<spicyjump_domain::idempotency::Answer>,
    is_settled: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let (store, id, answer) = (Arc::clone(&self.store), self.id, self.answer.take());
        tokio::spawn(async move {
            let started = tokio::time::Instant::now();
            let mut pause = FIRST_PAUSE;
            while started.elapsed() < GIVE_UP {
                let settled = match &answer {
                    Some(answer) => store.complete(id, answer).await,
                    None => store.release(id).await,
                };
                if settled.is_ok() {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            tracing::error!(claim = %id, "an idempotency claim could not be settled");
        });
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use spicyjump_domain::testing::{FixedClock, MemoryShop};

    use super::*;
    use crate::{answer::ok, client_address::TrustedProxies};

    fn once() -> Option<Once> {
        let key = OnceKey { user: UserId::new(1)?, path: "POST /v1/payments".into(), key: "k".into() };
        Some(Once { key, fingerprint: [7; 32] })
    }

    fn context() -> RequestContext {
        RequestContext::read(&TestRequest::default().to_srv_request(), &TrustedProxies::default())
    }

    #[actix_web::test]
    async fn a_key_is_printable_ascii() {
        for (key, fits) in [("k", true), ("order 7: \"a\"", true), ("", false), ("a\tb", false), ("é", false)]
        {
            let request = TestRequest::default().insert_header((HEADER, key)).to_http_request();
            assert_eq!(IdempotencyKey::extract(&request).await.is_ok(), fits, "{key}");
        }
    }

    #[actix_web::test]
    async fn a_key_whose_answer_is_not_kept_is_free_before_the_answer_is_out() {
        let shop: Arc<dyn IdempotencyStore> = Arc::new(MemoryShop::new(Arc::new(FixedClock::default())));
        let away = async |_| Err(ErrorCode::PaymentProviderUnavailable.into());
        let refused = claimed(&shop, once(), &context(), away).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::PaymentProviderUnavailable);
        // Nothing that runs in the background has had its turn yet.
        let again = claimed(&shop, once(), &context(), async |_| ok("done")).await.unwrap();
        let replayed = claimed(&shop, once(), &context(), async |_| ok("twice")).await.unwrap();
        assert_eq!(replayed.to_record(), again.to_record());
        assert_eq!(Arc::strong_count(&shop), 1, "what is settled is let go");
    }
}
