DROP TABLE transfer_receipts, transfer_picks, transfer_lines, transfers;
