CREATE OR REPLACE FUNCTION search_terms(document text, facets bigint[]) RETURNS bigint[]
    -- Dear: no plan should compute it for rows that the index can find.
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000
    AS $$
        SELECT coalesce(array_agg(a << 21 | b) FILTER (WHERE a > 32 AND b > 32), '{}')
            || coalesce(array_agg(a) FILTER (WHERE a > 32), '{}')
            || facets
        FROM unnest(string_to_array(document, NULL), (string_to_array(document, NULL))[2:]) AS neighbours (one, next)
        CROSS JOIN LATERAL (VALUES (ascii(one)::bigint, ascii(next)::bigint)) AS codes (a, b)
    $$;
