-- Of refunds and disputes that were about nothing of ours when they came: asked for when their intent turns out to be ours.
ALTER TABLE provider_events ADD COLUMN foreign_intent_id text;
