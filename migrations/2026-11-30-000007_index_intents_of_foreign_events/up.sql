CREATE INDEX CONCURRENTLY IF NOT EXISTS provider_events_foreign ON provider_events (foreign_intent_id)
    WHERE foreign_intent_id IS NOT NULL;
