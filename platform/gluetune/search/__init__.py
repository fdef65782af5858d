"""Search: the controller, search algorithms and schedulers, the adapters for Ray Tune, and the winners.

This package imports none of its modules, because some processes need only the search algorithms, without Ray.
"""
