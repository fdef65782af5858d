"""Folders, local or in a bucket, with writes that survive a power cut."""

from gluetune.storage.folder import CHUNK, Storage, folder_and_name

__all__ = ["CHUNK", "Storage", "folder_and_name"]
