//! The one table from Stripe's errors to the domain's. Source: docs.stripe.com/error-codes, contract §5.

use serde::Deserialize;
use spicyjump_domain::gateway::{GatewayError, IntentReport};
use time::OffsetDateTime;

use crate::{
    objects::{Failure, Intent},
    requests::Operation,
    transport::Answer,
};

/// What a final answer outside 2xx means. `now` is when it came.
pub(crate) fn refusal(operation: Operation, answer: &Answer, now: OffsetDateTime) -> GatewayError {
    #[derive(Deserialize)]
    struct Envelope {
        error: Failure,
    }
    let Ok(Envelope { error }) = serde_json::from_slice(&answer.body) else {
        // Not Stripe's words: a proxy's page or a wrong base address. Its 404 says nothing about our objects.
        return rejected(operation, answer, format!("http_{}", answer.status));
    };
    let code = error.code.as_deref().unwrap_or_default();
    match code {
        "amount_too_small" | "invalid_charge_amount" => GatewayError::AmountTooSmall,
        "amount_too_large" if operation != Operation::CreateRefund => GatewayError::AmountTooLarge,
        _ if is_over_refund(operation, &error) => unexpected_state("amount_too_large", &error, now),
        "payment_intent_unexpected_state"
        | "charge_already_captured"
        | "charge_already_refunded"
        | "charge_disputed"
        | "charge_not_refundable"
        | "refund_disputed_payment" => unexpected_state(code, &error, now),
        _ if is_decline(answer.status, operation, &error) => {
            GatewayError::Declined { decline: error.decline(), intent: intent(&error, now) }
        }
        "resource_missing" => GatewayError::NotFound,
        _ => {
            let code = error.code.or(error.kind).unwrap_or_else(|| format!("http_{}", answer.status));
            rejected(operation, answer, code)
        }
    }
}

/// More than what is left of the charge: some versions say so by code, others by message alone.
fn is_over_refund(operation: Operation, error: &Failure) -> bool {
    operation == Operation::CreateRefund
        && (error.code.as_deref() == Some("amount_too_large")
            || error.message.as_deref().is_some_and(|message| message.starts_with("Refund amount")))
}

/// Whether the buyer's attempt failed, rather than our request. A method that Stripe does not know, or that does
/// not fit the intent, is the buyer's too: another one may follow.
fn is_decline(status: u16, operation: Operation, error: &Failure) -> bool {
    let is_about_the_method = || {
        error
            .param
            .as_deref()
            .is_some_and(|param| param == "payment_method" || param.starts_with("payment_method["))
    };
    status == 402
        || error.kind.as_deref() == Some("card_error")
        || matches!(
            error.code.as_deref(),
            Some("payment_intent_authentication_failure" | "payment_intent_payment_attempt_failed")
        )
        || (operation == Operation::ConfirmIntent && is_about_the_method())
}

fn unexpected_state(code: &str, error: &Failure, now: OffsetDateTime) -> GatewayError {
    GatewayError::UnexpectedState { code: code.to_owned(), intent: intent(error, now) }
}

fn intent(error: &Failure, now: OffsetDateTime) -> Option<Box<IntentReport>> {
    let raw = error.payment_intent.as_ref()?;
    let intent: Intent = serde_json::from_str(raw.get()).ok()?;
    let report = intent.report(now);
    Some(Box::new(IntentReport { failed_charge: report.failed_charge.or_else(|| error.charge()), ..report }))
}

/// Ours to repair, so it is logged as an error; the message is left out, it may quote what we sent.
fn rejected(operation: Operation, answer: &Answer, code: String) -> GatewayError {
    tracing::error!(
        operation = operation.name(),
        status = answer.status,
        stripe_request_id = answer.request_id,
        code,
        "Stripe refused a request of ours"
    );
    GatewayError::Rejected { code }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use spicyjump_domain::gateway::{Decline, DeclineReason, IntentStatus};

    use super::*;

    fn refused(operation: Operation, status: u16, error: &Value) -> GatewayError {
        let answer = Answer::new(status, json!({ "error": error }).to_string());
        refusal(operation, &answer, OffsetDateTime::UNIX_EPOCH)
    }

    fn rejected_as(code: &str) -> GatewayError {
        GatewayError::Rejected { code: code.to_owned() }
    }

    fn state(code: &str) -> GatewayError {
        GatewayError::UnexpectedState { code: code.to_owned(), intent: None }
    }

    fn decline(reason: DeclineReason, decline_code: &str) -> GatewayError {
        GatewayError::Declined {
            decline: Decline { reason, decline_code: decline_code.to_owned() },
            intent: None,
        }
    }

    #[test]
    fn every_error_has_its_place_in_the_table() {
        use Operation::{
            ConfirmIntent as Confirm, CreateIntent as Create, CreateRefund as Refund,
            RetrieveIntent as Retrieve,
        };
        let invalid = |code: &str| json!({"type": "invalid_request_error", "code": code});
        let cases = [
            (
                Confirm,
                402,
                json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}),
                decline(DeclineReason::InsufficientFunds, "insufficient_funds"),
            ),
            (
                Confirm,
                402,
                json!({"type": "card_error", "code": "expired_card"}),
                decline(DeclineReason::ExpiredCard, "expired_card"),
            ),
            (
                Confirm,
                402,
                json!({"type": "card_error", "code": "incorrect_cvc"}),
                decline(DeclineReason::IncorrectCvc, "incorrect_cvc"),
            ),
            (
                Confirm,
                402,
                json!({"type": "card_error", "code": "card_declined", "decline_code": "stolen_card"}),
                decline(DeclineReason::CardDeclined, "generic_decline"),
            ),
            (
                Confirm,
                402,
                json!({"type": "card_error", "code": "authentication_required"}),
                decline(DeclineReason::CardDeclined, "authentication_required"),
            ),
            (
                Confirm,
                400,
                invalid("payment_intent_authentication_failure"),
                decline(DeclineReason::CardDeclined, "payment_intent_authentication_failure"),
            ),
            (
                Confirm,
                400,
                json!({"type": "invalid_request_error", "code": "resource_missing", "param": "payment_method"}),
                decline(DeclineReason::CardDeclined, "resource_missing"),
            ),
            (
                Confirm,
                404,
                json!({"type": "invalid_request_error", "code": "resource_missing", "param": "intent"}),
                GatewayError::NotFound,
            ),
            (Create, 400, invalid("amount_too_small"), GatewayError::AmountTooSmall),
            (Create, 400, invalid("amount_too_large"), GatewayError::AmountTooLarge),
            (
                Confirm,
                400,
                invalid("payment_intent_unexpected_state"),
                state("payment_intent_unexpected_state"),
            ),
            (Refund, 400, invalid("charge_already_refunded"), state("charge_already_refunded")),
            (Refund, 400, invalid("charge_disputed"), state("charge_disputed")),
            (Refund, 400, invalid("amount_too_large"), state("amount_too_large")),
            (
                Refund,
                400,
                json!({"type": "invalid_request_error", "param": "amount", "message": "Refund amount ($5.00) is greater than unrefunded amount on charge ($1.00)"}),
                state("amount_too_large"),
            ),
            (Retrieve, 404, invalid("resource_missing"), GatewayError::NotFound),
            (Create, 401, json!({"type": "invalid_request_error"}), rejected_as("invalid_request_error")),
            (
                Create,
                401,
                json!({"type": "invalid_request_error", "code": "api_key_expired"}),
                rejected_as("api_key_expired"),
            ),
            (Create, 403, json!({}), rejected_as("http_403")),
            (Create, 400, json!({"type": "idempotency_error"}), rejected_as("idempotency_error")),
            (Create, 400, invalid("parameter_missing"), rejected_as("parameter_missing")),
        ];
        for (operation, status, error, expected) in cases {
            assert_eq!(refused(operation, status, &error), expected, "{operation:?} {status} {error}");
        }
    }

    #[test]
    fn hands_on_the_intent_that_the_error_carries() {
        let error = json!({
            "type": "invalid_request_error", "code": "payment_intent_unexpected_state",
            "payment_intent": {"id": "pi_1", "status": "succeeded", "amount": 5, "amount_received": 5, "currency": "krw"},
        });
        let GatewayError::UnexpectedState { intent: Some(intent), .. } =
            refused(Operation::CancelIntent, 400, &error)
        else {
            panic!("carries no intent");
        };
        assert_eq!((intent.intent_id.as_str(), intent.status), ("pi_1", IntentStatus::Succeeded));
    }

    #[test]
    fn an_intent_that_cannot_be_read_does_not_hide_the_error() {
        let error = json!({"type": "card_error", "code": "expired_card", "payment_intent": {"id": 4}});
        assert_eq!(
            refused(Operation::ConfirmIntent, 402, &error),
            decline(DeclineReason::ExpiredCard, "expired_card")
        );
    }

    #[test]
    fn a_proxys_page_is_not_stripes_word() {
        let answer = Answer::new(404, "<html>Not Found</html>".to_owned());
        let error = refusal(Operation::RetrieveIntent, &answer, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(error, rejected_as("http_404"));
    }
}
