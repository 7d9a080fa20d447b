"""Arms of an experiment, and where a session falls among them: by its name alone, without a state.

A session is a point in [0, 1), the same on every replica and at every hash seed; arms are
stretches of that line. Whoever moves a border moves the sessions between, and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, TypeAlias

Arm: TypeAlias = Literal["treated", "holdout", "shadow", "off"]

DIGEST_BYTES: Final = 16
PLACE_BITS: Final = 53  # what a float holds exactly


@dataclass(frozen=True, slots=True)
class Assignment:
    """The arm of a session.

    Attributes:
        treated_share: the probability with which it could have been treated.
    """

    arm: Arm
    treated_share: float

    @property
    def is_random(self) -> bool:
        """Whether chance decided, so that the arms can be compared."""
        return 0 < self.treated_share < 1


def place_of(session: str, salt: str) -> float:
    """Where a session lies in [0, 1), uniform over sessions; another salt shuffles them."""
    seed = blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
    name = session.encode("utf-8", "surrogatepass")
    digest = blake2b(name, digest_size=8, key=seed).digest()
    return (int.from_bytes(digest) >> (64 - PLACE_BITS)) / float(2**PLACE_BITS)
