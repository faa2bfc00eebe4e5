"""The window, which stands on the floor of the artifact: the passport holds one."""

from capstone_lib.artifact.window import Window

__all__ = ["Window"]
