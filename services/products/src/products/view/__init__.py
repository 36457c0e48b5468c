"""The read view: what answers reads of the catalogue, without the store."""
