"""A Discord small enough to run on this machine, for tests and for trying the bot by hand."""

from playground.faults import Fault
from playground.server import Playground

__all__ = ["Fault", "Playground"]
