"""impostor.py - servers that speak just enough of a protocol to be believed, and then lie.

A part is a function of a connected socket, in a thread of its own for each connection.
"""
import socket
import struct
import threading


class Impostor:
    """Listens on a port of 127.0.0.1; `heard` is what clients have said so far."""

    def __init__(self, part):
        self._part = part
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection):
        with connection:
            connection.settimeout(10)
            try:
                self._part(connection, self)
                while self.hear(connection):
                    pass
            except OSError:
                pass

    def hear(self, connection):
        said = connection.recv(65536)
        self.heard += said
        return said

    def hear_exactly(self, connection, length):
        said = b""
        while len(said) < length:
            part = connection.recv(length - len(said))
            if not part:
                raise OSError("the client has left")
            said += part
        self.heard += said
        return said

    def close(self):
        # close() alone leaves the thread in accept(), where Linux keeps a descriptor for it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


# --- PostgreSQL ------------------------------------------------------------------------------

def pg_message(kind, body=b""):
    return kind + struct.pack(">i", len(body) + 4) + body


def pg_startup(connection, impostor):
    """Reads the startup packet; TLS is declined."""
    while struct.unpack(">i", impostor.hear(connection)[4:8])[0] in (80877103, 80877104):
        connection.sendall(b"N")


PG_WELCOME = (pg_message(b"R", struct.pack(">i", 0)) +
              b"".join(pg_message(b"S", k + b"\0" + v + b"\0") for k, v in (
                  (b"server_version", b"15.0"), (b"client_encoding", b"UTF8"), (b"server_encoding", b"UTF8"),
                  (b"standard_conforming_strings", b"on"), (b"integer_datetimes", b"on"))) +
              pg_message(b"K", struct.pack(">ii", 77, 77)) + pg_message(b"Z", b"I"))


def pg_answers(answer):
    """Lets everybody in and says ANSWER to the first request."""
    def part(connection, impostor):
        pg_startup(connection, impostor)
        connection.sendall(PG_WELCOME)
        impostor.hear(connection)
        connection.sendall(answer)
    return part


def pg_asks_for_clear_text(connection, impostor):
    pg_startup(connection, impostor)
    connection.sendall(pg_message(b"R", struct.pack(">i", 3)))


# --- MySQL -----------------------------------------------------------------------------------

def my_packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number & 255]) + body


MY_OK = b"\0\0\0\2\0\0\0"
MY_CAPABILITIES = 0x81bff7df             # all that a client may want but TLS and compression


def my_greeting(version=b"5.5.5-10.11.0-MariaDB", capabilities=MY_CAPABILITIES):
    return my_packet(0, b"\x0a" + version + b"\0" + struct.pack("<I", 77) + b"saltsalt\0" +
                     struct.pack("<HBHHB", capabilities & 0xffff, 45, 2, capabilities >> 16, 21) +
                     b"\0" * 10 + b"saltsaltsalt\0" + b"mysql_native_password\0")


def my_answers(answer, from_request=1):
    """Lets everybody in, says yes to requests, and ANSWER from the Nth on."""
    def part(connection, impostor):
        connection.sendall(my_greeting())
        impostor.hear(connection)
        connection.sendall(my_packet(2, MY_OK))
        number = 0
        while impostor.hear(connection):
            number += 1
            connection.sendall(answer if number >= from_request else my_packet(1, MY_OK))
    return part


def my_asks_for_clear_text(connection, impostor):
    connection.sendall(my_greeting())
    impostor.hear(connection)
    connection.sendall(my_packet(2, b"\xfemysql_clear_password\0"))


# --- MongoDB ---------------------------------------------------------------------------------

OP_REPLY, OP_COMPRESSED, OP_MSG = 1, 2012, 2013


def mongo_document(document):
    import bson
    return bson.encode(document)


def mongo_message(document, answers=0, code=OP_MSG, length=None, kind=0):
    """A reply; DOCUMENT is a dict, or bytes that claim to be one."""
    body = document if isinstance(document, bytes) else mongo_document(document)
    front = struct.pack("<iqii", 0, 0, 0, 1) if code == OP_REPLY else struct.pack("<iB", 0, kind)
    whole = 16 + len(front) + len(body) if length is None else length
    return struct.pack("<iiii", whole, 1, answers, code) + front + body


def mongo_hears(connection, impostor):
    """The next request: its id, its code and its command's name."""
    head = impostor.hear_exactly(connection, 16)
    length, id, _, code = struct.unpack("<iiii", head)
    body = impostor.hear_exactly(connection, length - 16)
    at = 5 if code == OP_MSG else body.index(b"\0", 4) + 9
    return id, code, body[at + 5:body.index(b"\0", at + 5)].decode("latin-1").lower()


MONGO_HELLO = {"ismaster": True, "helloOk": True, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000,
               "maxWriteBatchSize": 100000, "logicalSessionTimeoutMinutes": 30, "minWireVersion": 0,
               "maxWireVersion": 17, "ok": 1.0}


def mongo_cursor(*documents, id=0):
    return {"cursor": {"id": id, "ns": "somewhere.t", "firstBatch": list(documents)}, "ok": 1.0}


def mongo_empty_page(id=5):
    return {"cursor": {"id": id, "ns": "somewhere.t", "nextBatch": []}, "ok": 1.0}


MONGO_GOOD = {
    "ismaster": MONGO_HELLO,
    "hello": MONGO_HELLO,
    "buildinfo": {"version": "6.0.5", "versionArray": [6, 0, 5, 0], "ok": 1.0},
    "listcollections": mongo_cursor({"name": "t", "type": "collection", "options": {}}),
    "aggregate": mongo_cursor(),
    "getmore": mongo_empty_page(),
    "find": mongo_cursor({"_id": 1, "a": 5}, {"_id": 2, "a": 6}),
}


def mongo_answers(command, answer):
    """Behaves but for one COMMAND, to which it says ANSWER: bytes, or a function of the request's id
    and the code of a reply to it."""
    def part(connection, impostor):
        while True:
            id, code, name = mongo_hears(connection, impostor)
            code = OP_MSG if code == OP_MSG else OP_REPLY
            if name == command or name == "ismaster" and command == "hello":
                connection.sendall(answer if isinstance(answer, bytes) else answer(id, code))
            else:
                connection.sendall(mongo_message(MONGO_GOOD.get(name, {"ok": 1.0}), id, code))
    return part


# --- Redis -----------------------------------------------------------------------------------

def redis_hears(connection, impostor):
    """The next command's name."""
    def line():
        said = b""
        while not said.endswith(b"\r\n"):
            said += impostor.hear_exactly(connection, 1)
        return int(said[1:-2])
    words = []
    for _ in range(line()):
        words.append(bytes(impostor.hear_exactly(connection, line() + 2)[:-2]))
    return words[0].decode() + (" " + words[1].decode() if words[0] == b"CLUSTER" else "")


def redis_string(bytes_):
    return b"$%d\r\n%s\r\n" % (len(bytes_), bytes_)


def redis_info(mode):
    return redis_string(b"redis_version:7.0.15\r\nredis_mode:" + mode + b"\r\n")


REDIS_GOOD = {
    "INFO": redis_info(b"standalone"),
    "DBSIZE": b":2\r\n",
    "SCAN": b"*2\r\n$1\r\n0\r\n*2\r\n$3\r\nu:1\r\n$3\r\nu:2\r\n",
    "TYPE": b"+hash\r\n",
    "HSCAN": b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n5\r\n",
    "HMGET": b"*1\r\n$1\r\n5\r\n",
}


def redis_answers(command, answer, **others):
    """Behaves but for one COMMAND, to which it says ANSWER."""
    answers = {**REDIS_GOOD, **others, command: answer}

    def part(connection, impostor):
        while True:
            name = redis_hears(connection, impostor)
            connection.sendall(answers.get(name, b"+OK\r\n"))
    return part
