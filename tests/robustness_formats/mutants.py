"""Damaged copies of files: the same seed always gives the same bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

Mutator = Callable[[bytearray, random.Random], bytearray]

INTEGERS = {1: (0, 1, 0x7F, 0x80, 0xFF), 2: (0, 1, 0x7FFF, 0x8000, 0xFFFF, 32, 64),
            4: (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 65536, 1 << 20, 1 << 28),
            8: (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 32, 1 << 40)}  # fmt: skip
"""Values at the ends of what a field can hold, and ones that ask for much memory."""


def extreme(size: int, rng: random.Random, order: str = "<") -> bytes:
    """Bytes of an extreme integer, or of any."""
    value = rng.choice([*INTEGERS[size], rng.getrandbits(8 * size)])
    return value.to_bytes(size, "little" if order == "<" else "big")


def extreme_float(rng: random.Random, order: str = "<", kind: str = "f") -> bytes:
    """Bytes of a float that no header should hold."""
    values = (0.0, -0.0, float("nan"), float("inf"), -float("inf"), -1.0, 1e-38, 3e38, 1e10, 1e-10)
    return struct.pack(order + kind, rng.choice(values))


def flip_bits(data: bytearray, rng: random.Random) -> bytearray:
    """Turn 1 to 20 bits round, more often near the beginning."""
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        end = len(data) if rng.random() < 0.4 else min(len(data), 600)
        data[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return data


def cut_off(data: bytearray, rng: random.Random) -> bytearray:
    """Keep the beginning only, perhaps nothing."""
    return data[: rng.randrange(len(data))]


def cut_out(data: bytearray, rng: random.Random) -> bytearray:
    """Take a range out."""
    start = rng.randrange(len(data))
    del data[start : start + rng.choice((1, 2, 4, 16, 100, 1000))]
    return data


def put_in(data: bytearray, rng: random.Random) -> bytearray:
    """Put random bytes in."""
    start = rng.randrange(len(data))
    data[start:start] = rng.randbytes(rng.choice((1, 2, 4, 16, 100)))
    return data


def fill(data: bytearray, rng: random.Random) -> bytearray:
    """Overwrite a range with zeros, ones or noise."""
    start, size = rng.randrange(len(data)), rng.choice((2, 4, 8, 64, 512))
    size = min(size, len(data) - start)
    data[start : start + size] = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
    return data


def repeat(data: bytearray, rng: random.Random) -> bytearray:
    """Write a range twice."""
    start, size = rng.randrange(len(data)), rng.choice((4, 12, 64, 1000))
    data[start:start] = data[start : start + size]
    return data


def overwrite_integer(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme number anywhere in the first 600 bytes."""
    size = rng.choice((1, 2, 4))
    place = rng.randrange(max(1, min(len(data), 600) - size))
    data[place : place + size] = extreme(size, rng, rng.choice("<>"))
    return data


ANY = (flip_bits, cut_off, cut_out, put_in, fill, repeat, overwrite_integer)


def mutant(sound: bytes, seed: int, special: tuple[Mutator, ...], weight: float = 0.6) -> bytes:
    """Damage a file once or twice.

    Parameters
    ----------
    sound : bytes
        An intact file.
    seed : int
        Names the mutant.
    special : tuple of callable
        Damage that knows the format; taken with probability `weight`.
    """
    rng = random.Random(seed)
    data = bytearray(sound)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        kinds = special if special and rng.random() < weight else ANY
        data = rng.choice(kinds)(data, rng)
    return bytes(data)
