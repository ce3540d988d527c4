-- Replenishment: levels, and what follows from them.
SELECT 1;
