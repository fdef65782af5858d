"""Generated data for every task, without network, and the `corpus` that the embedded encoder is pre-trained on."""

from gluetune.data.embedded.source import EmbeddedSource
from gluetune.data.embedded.stories import corpus

__all__ = ["EmbeddedSource", "corpus"]
