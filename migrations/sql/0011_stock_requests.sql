-- Stock requests: the workflow, approval plans and lines.
SELECT 1;
