DROP FUNCTION product_search(text, integer);
SET LOCAL ROLE storekeeper_owner;
DROP POLICY for_search ON products;
REVOKE SELECT ON products FROM storekeeper_auth;
DROP INDEX ix_products_search, ix_stock_requests_deadline, ix_stock_requests_needed, ix_stock_requests_submitted,
    ix_stock_requests_created, ix_stock_request_lines_open, ix_stock_requests_of_stocklist;
DROP TRIGGER requests_are_counted ON stock_requests;
DROP FUNCTION stock_request_count(), stock_request_cells(stock_requests);
DROP TABLE stock_request_categories, stock_request_counted, stock_request_counts, stocklist_lines, stocklists;
RESET ROLE;
DROP EXTENSION btree_gin;
DROP EXTENSION pg_trgm;
