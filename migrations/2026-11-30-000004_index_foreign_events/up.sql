-- Events that are about nothing of ours, few where an account is ours alone: asked for when an intent turns out to be ours.
CREATE INDEX CONCURRENTLY provider_events_foreign ON provider_events (received_at) WHERE order_id IS NULL;
