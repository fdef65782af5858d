"""Searches, single runs and pre-training without a terminal: what the command line and Python programs call."""
