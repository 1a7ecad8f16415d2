"""Has Stripe's own library sign webhooks and check signatures: a JSON list of questions in, one of answers out."""

import json
import sys

from stripe import SignatureVerificationError, WebhookSignature


def answer(question):
    payload, secret = question["payload"], question["secret"]
    if "header" not in question:
        return WebhookSignature.generate_signature_header(payload, secret, question["timestamp"])
    try:
        return WebhookSignature.verify_header(payload, question["header"], secret)
    except SignatureVerificationError:
        return False


json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
