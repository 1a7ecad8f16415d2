DROP INDEX CONCURRENTLY products_of_seller;
