DROP TABLE stock_movements, sold_out, stock, products, categories;
DROP FUNCTION note_sold_out, search_ranges, search_prices, search_facets, price_band, search_word, search_terms;
