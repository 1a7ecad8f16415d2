DROP TABLE stock_movements, sold_out, stock, products, categories;
DROP FUNCTION note_sold_out, search_ranges, search_facets, search_word, search_terms;
