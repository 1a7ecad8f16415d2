ALTER TABLE provider_events DROP COLUMN foreign_intent_id;
