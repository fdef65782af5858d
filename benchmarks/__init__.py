"""Comparisons of gluetune's speed and memory with the programs that it replaces."""
