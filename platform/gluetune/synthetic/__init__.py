"""Generated text, without network: rows of every task, and a corpus on which the synthetic encoder is pre-trained."""

from gluetune.synthetic.stories import corpus

__all__ = ["corpus"]
