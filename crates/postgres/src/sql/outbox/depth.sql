SELECT (SELECT count(*) FROM outbox WHERE status = 'pending') AS pending,
       (SELECT count(*) FROM outbox WHERE status = 'dead') AS dead,
       coalesce((SELECT floor(extract(epoch FROM now() - min(created_at)))::bigint FROM outbox WHERE status = 'pending'), 0)
           AS oldest_pending_seconds
