-- Triples that are in the index do no harm.
SELECT 1;
