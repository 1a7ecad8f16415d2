CREATE OR REPLACE FUNCTION search_word(word text) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT coalesce(array_agg(DISTINCT term) FILTER (WHERE char_length(word) = 1 OR term >= 1 << 21), '{}')
        FROM unnest(search_terms(lower(word), '{}')) AS term
    $$;
