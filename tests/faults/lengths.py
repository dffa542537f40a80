"""lengths.py - where a server's stream announces lengths, and what else could stand there.

lies(server, stream) yields (position, the lie, how many bytes it replaces) for each of them.
"""
import re
import struct

OP_REPLY, OP_MSG = 1, 2013
FIXED_WIDTHS = {1: 8, 6: 0, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 0xff: 0, 0x7f: 0}
STRINGS = (2, 13, 14)
BINARY, CODE_WITH_SCOPE = 5, 15
DOCUMENTS = (3, 4)


def number_at(stream, at):
    return struct.unpack_from("<i", stream, at)[0]


def bson_lengths(stream, at):
    """Positions of the lengths in the document at AT, its own first."""
    yield at
    end = at + number_at(stream, at) - 1
    at += 4
    while at < end:
        kind = stream[at]
        at = stream.index(b"\0", at + 1) + 1
        if kind in FIXED_WIDTHS:
            at += FIXED_WIDTHS[kind]
            continue
        if kind in DOCUMENTS:
            yield from bson_lengths(stream, at)
        else:
            assert kind in STRINGS or kind == BINARY, kind
            yield at
        at += number_at(stream, at) + (0 if kind in DOCUMENTS else 5 if kind == BINARY else 4)


def mongo_lengths(stream):
    at = 0
    while at < len(stream):
        length, _, _, code = struct.unpack_from("<iiii", stream, at)
        yield at
        yield from bson_lengths(stream, at + {OP_MSG: 21, OP_REPLY: 36}[code])
        at += length


def mongo_lies(stream):
    for at in mongo_lengths(stream):
        length = number_at(stream, at)
        for lie in (0, 1, -1, length + 1, length - 1, 2**31 - 1, -2**31, 47 * 2**20):
            yield at, struct.pack("<i", lie), 4


def redis_lies(stream):
    for header in re.finditer(rb"(?:^|(?<=\r\n))([*$])(\d+)\r\n", stream):
        kind, length = header[1], int(header[2])
        for lie in (-1, -2, 0, length + 1, length - 1, 2**31 - 1, 2**63 - 1, 10**20, -2**63, "", "x"):
            yield header.start(), kind + f"{lie}\r\n".encode(), len(header[0])
        for nested in (7, 100, 100000):
            yield header.start(), b"*1\r\n" * nested, len(header[0])


LYING = {"mongo": mongo_lies, "redis": redis_lies}


def lies(server, stream):
    return LYING[server](bytes(stream))
