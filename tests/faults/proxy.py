"""proxy.py - a TCP proxy to a server that can spoil what the server says at any byte.

It runs in a thread of its own.  A Fault sees the bytes from the server to the client in order and
yields what to do; positions count from the start of a connection.  A fault applies to the connections
that begin after it was set.
"""
import asyncio
import threading


class Fault:
    """Nothing goes wrong. Steps: bytes to pass on, a float to sleep, "end", "reset" or "stall"."""

    def steps(self, start, data):
        """What becomes of DATA, which begins at byte START of the stream."""
        yield data


class At(Fault):
    """Something happens once, before byte AT."""

    def __init__(self, at):
        self.at = at

    def steps(self, start, data):
        here = self.at - start
        if not 0 <= here < len(data):
            yield data
            return
        yield data[:here]
        yield from self.happen(data[here:])

    def happen(self, rest):
        raise NotImplementedError


class Cut(At):
    """The connection ends, with FIN and RST in turn."""

    def happen(self, rest):
        yield "reset" if self.at % 2 else "end"


class Stall(At):
    """The server says nothing more."""

    def happen(self, rest):
        yield "stall"


class Delay(At):
    def happen(self, rest):
        yield 0.05
        yield rest


class Dribble(Fault):
    """Every byte is a packet of its own."""

    def steps(self, start, data):
        for i in range(len(data)):
            yield data[i:i + 1]
            yield 0.0


class Corrupt(At):
    """Bits of one byte are flipped."""

    def __init__(self, at, mask):
        super().__init__(at)
        self.mask = mask

    def happen(self, rest):
        yield bytes([rest[0] ^ self.mask]) + rest[1:]


class Duplicate(At):
    """Some bytes come twice."""

    def __init__(self, at, length):
        super().__init__(at)
        self.length = length

    def happen(self, rest):
        yield rest[:self.length] + rest


class Insert(At):
    """Bytes that the server has not said."""

    def __init__(self, at, words):
        super().__init__(at)
        self.words = words

    def happen(self, rest):
        yield self.words + rest


class Replace(At):
    """Bytes in place of some, or as many, of the server's."""

    def __init__(self, at, words, length=None):
        super().__init__(at)
        self.words, self.length = words, len(words) if length is None else length

    def happen(self, rest):
        yield self.words + rest[self.length:]


class Proxy:
    def __init__(self, host, port):
        self._target = (host, port)
        self._fault = Fault()
        self._writers = set()
        self._mistakes = []        # of a fault's own code
        self.streams = []          # what the server said on each connection since begin()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()

    def begin(self, fault=None):
        """Ends all connections; those to come have this fault, or none."""
        assert not self._mistakes, self._mistakes

        async def change():
            for writer in list(self._writers):
                writer.transport.abort()
            self._fault = fault or Fault()
            self.streams = []
        asyncio.run_coroutine_threadsafe(change(), self._loop).result(10)

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        fault, said = self._fault, bytearray()
        self.streams.append(said)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(up_writer)
        upward = asyncio.ensure_future(self._pass_up(reader, up_writer))
        try:
            await self._pass_down(up_reader, writer, fault, said)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        except Exception as e:
            self._mistakes.append(e)
        finally:
            upward.cancel()
            up_writer.close()
            writer.close()
            self._writers -= {writer, up_writer}

    @staticmethod
    async def _pass_up(reader, up_writer):
        try:
            while data := await reader.read(65536):
                up_writer.write(data)
                await up_writer.drain()
        except OSError:
            pass
        up_writer.close()

    async def _pass_down(self, up_reader, writer, fault, said):
        while data := await up_reader.read(65536):
            start = len(said)
            said += data
            for step in fault.steps(start, data):
                if step == "end":
                    return
                if step == "reset":
                    writer.transport.abort()
                    return
                if step == "stall":
                    await asyncio.sleep(60)
                    return
                if isinstance(step, float):
                    await writer.drain()
                    await asyncio.sleep(step)
                else:
                    writer.write(step)
                    await writer.drain()
