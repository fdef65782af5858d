"""Hooks into names that Ray, torch and transformers do not document as public, and what runs without them.

Each hook is a small function behind a `gluetune.internals.guard.Hook`. The hook is used with the versions of the
library that it was verified with, if a probe finds that what it relies on is there and behaves as expected. Otherwise,
and with ``GLUETUNE_INTERNALS=off``, a fallback on the library's public interface does the same in more time. What each
hook gains stands in ``docs/explanation/internals.md``.
"""
