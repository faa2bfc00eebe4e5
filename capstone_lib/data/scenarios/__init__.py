"""Things that go wrong, put into rows of the census on purpose, with the truth beside them.

A monitor that has only seen quiet years has proved nothing. Each scenario changes a frame as the
world, another coding or a broken pipeline would, and says exactly what it did. The control does
nothing. How well a monitor finds them is for its own tests to say.
"""

from capstone_lib.data.scenarios.catalogue import apply, describe, get, names
from capstone_lib.data.scenarios.record import Group, Scenario, Truth

__all__ = ["Group", "Scenario", "Truth", "apply", "describe", "get", "names"]
