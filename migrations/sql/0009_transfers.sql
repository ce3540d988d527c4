-- Transfers between locations and bins.
SELECT 1;
