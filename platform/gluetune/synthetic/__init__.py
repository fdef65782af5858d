"""Text that gluetune generates: rows of every task, and a corpus on which the synthetic encoder is pre-trained.

The text comes from a small grammar: `gluetune.synthetic.scenes` draws the meaning of a sentence, and
`gluetune.synthetic.realization` turns a meaning into words. Every random choice is drawn from a `random.Random` that
the caller seeds, so the same seed gives the same text.
"""

from gluetune.synthetic.documents import generate_corpus

__all__ = ["generate_corpus"]
