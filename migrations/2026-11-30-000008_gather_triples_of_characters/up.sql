-- Triples of characters as well: a number of six digits has five pairs, each in every tenth product, and four triples,
-- each in every two hundredth. Words of two syllables keep their pair.
CREATE OR REPLACE FUNCTION search_terms(document text, facets bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000
    AS $$
        SELECT coalesce(array_agg((a << 42) | (b << 21) | c) FILTER (WHERE a > 32 AND b > 32 AND c > 32), '{}')
            || coalesce(array_agg((a << 21) | b) FILTER (WHERE a > 32 AND b > 32), '{}')
            || coalesce(array_agg(a) FILTER (WHERE a > 32), '{}')
            || facets
        FROM (SELECT string_to_array(document, NULL) AS characters) AS read,
             unnest(characters, characters[2:], characters[3:]) AS neighbours (one, next, third),
             LATERAL (VALUES (ascii(one)::bigint, ascii(next)::bigint, ascii(third)::bigint)) AS codes (a, b, c)
    $$;
