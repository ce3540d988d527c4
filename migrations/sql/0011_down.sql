DROP TABLE stock_request_comments, stock_request_decisions, stock_request_tiers, stock_request_lines, stock_requests,
    approval_rules;
