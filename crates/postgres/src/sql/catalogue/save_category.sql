-- All nodes are locked in one order: two moves at once could close a circle that neither of them sees.
WITH RECURSIVE input AS (
    SELECT $1 AS id, $2 AS name, $3 AS name_en, $4 AS parent_id
), tree AS MATERIALIZED (
    SELECT c.id, c.parent_id FROM categories c ORDER BY c.id FOR NO KEY UPDATE
), above (id) AS (
    SELECT parent_id FROM input
    UNION
    SELECT tree.parent_id FROM above JOIN tree ON tree.id = above.id
), saved AS (
    UPDATE categories c
    SET name = input.name, name_en = input.name_en, parent_id = input.parent_id
    FROM input
    WHERE c.id = input.id AND NOT EXISTS (SELECT FROM above WHERE above.id = input.id)
    RETURNING c.id, c.name, c.name_en, c.parent_id
)
SELECT EXISTS (SELECT FROM input JOIN tree ON tree.id = input.id) AS known, to_jsonb(saved) AS doc
FROM input LEFT JOIN saved ON true
