-- The terms to look a word up by: its triples, which say all that its pairs do, or the pair or the character that it is.
CREATE OR REPLACE FUNCTION search_word(word text) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT coalesce(array_agg(DISTINCT term) FILTER (WHERE term >= CASE char_length(word)
            WHEN 1 THEN 0 WHEN 2 THEN 1::bigint << 21 ELSE 1::bigint << 42 END), '{}')
        FROM unnest(search_terms(lower(word), '{}')) AS term
    $$;
