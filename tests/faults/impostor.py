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

    def close(self):
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
