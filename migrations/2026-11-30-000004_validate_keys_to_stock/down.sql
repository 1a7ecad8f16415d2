-- A key that is valid does no harm.
SELECT 1;
