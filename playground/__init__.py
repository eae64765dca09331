"""A Discord small enough to run on this machine, for tests and for trying the bot by hand."""

from playground.bodies import PersonError
from playground.faults import Fault
from playground.person import Asked, InteractionFailed, NothingHappened, Person, RefusedError
from playground.server import Playground

__all__ = [
    "Asked",
    "Fault",
    "InteractionFailed",
    "NothingHappened",
    "Person",
    "PersonError",
    "Playground",
    "RefusedError",
]
