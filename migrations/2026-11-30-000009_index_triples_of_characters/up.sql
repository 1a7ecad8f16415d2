-- For the products that were there before.
REINDEX INDEX CONCURRENTLY products_search;
