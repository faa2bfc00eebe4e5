"""The measurement, which stands on the floor of the store: that is where it is kept."""

from capstone_lib.store.measurement import Measurement, measurements_frame, moment_text, within

__all__ = ["Measurement", "measurements_frame", "moment_text", "within"]
