"""Expired stock: reads, disposal, destruction, trace, and what barcodes say."""
