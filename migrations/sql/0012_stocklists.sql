-- Stocklists, and what supervisors read of stock requests.
SELECT 1;
