DROP TABLE document_history, document_numbers;
