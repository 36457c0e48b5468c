"""The trolley command: the whole shop on one machine."""
