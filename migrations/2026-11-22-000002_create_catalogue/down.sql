DROP TABLE stock_movements, stock, products, categories;
DROP FUNCTION search_grams;
