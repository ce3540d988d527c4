-- Put-away: tasks from the receiving bins to the shelves.
SELECT 1;
