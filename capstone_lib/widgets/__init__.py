"""Pictures with sliders for the notebooks, which stay pictures where no kernel runs."""

from capstone_lib.widgets.explore import Explorer, explore

__all__ = ["Explorer", "explore"]
