"""One PyTAK client, driven by the Go package beside this file.

It is what a PyTAK gateway is: pytak.CLITool with the library's own TXWorker
and RXWorker, a QueueWorker that makes events and one that takes them. Orders
come on stdin and reports go to stdout, one JSON object a line; PyTAK's log
goes to stderr.

    pytak_client.py tcp://127.0.0.1:8087 UID CALLSIGN

    orders   {"sa": {"lat": 1.0, "lon": 2.0}}   send the client's position
             {"send": "<event …>"}              send an event as it is
             {"close": true}                    send what waits, then end; so does the end of stdin
    reports  {"missing": "…"}                   pytak cannot be imported; nothing follows
             {"open": true}                     connected
             {"event": "…"}                     what one call of RXWorker.readcot gave
             {"closed": "…"}                    the end, with the reason; nothing follows
"""

import asyncio
import configparser
import json
import sys
import xml.etree.ElementTree as ET


def report(**fact):
    """Write one report. The Go side always reads, so this does not block for long."""
    print(json.dumps(fact), flush=True)


try:
    import pytak
except Exception as exc:  # a half-installed library fails in many ways
    report(missing=f"{type(exc).__name__}: {exc}")
    sys.exit(0)

# Seconds that each step of the end waits for a server that takes nothing.
CLOSE_WAIT = 2.0

# Length of PyTAK's queues. Its default is some hundred events, and at the end
# of a queue it throws away the oldest.
QUEUE = "1000000"


class Ordered(Exception):
    """The driver ordered the end."""


class Orders(pytak.QueueWorker):
    """Makes events of the orders on stdin and queues them for the TXWorker."""

    async def run(self, _=-1):
        loop = asyncio.get_running_loop()
        stdin = asyncio.StreamReader(limit=64 << 20)  # of one line
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        while line := await stdin.readline():
            order = json.loads(line)
            if "close" in order:
                break
            await self.handle_data(order)
        # When the queue is empty, its last event is in the socket's buffer.
        until = loop.time() + CLOSE_WAIT
        while not self.queue.empty() and loop.time() < until:
            await asyncio.sleep(0.01)
        raise Ordered

    async def handle_data(self, data):
        if "sa" in data:
            cot = self.position(**data["sa"])
        else:
            cot = data["send"].encode()
        await self.put_queue(cot)

    def position(self, lat, lon):
        # PyTAK's own callsign argument writes a contact without an endpoint,
        # which TAK servers do not take for a presence report.
        contact = ET.Element("contact", callsign=self.config["CALLSIGN"], endpoint="*:-1:stcp")
        event = pytak.cot_event(
            lat=lat,
            lon=lon,
            uid=self.config["COT_HOST_ID"],
            cot_type="a-f-G-U-C",
            detail=pytak.cot_detail(contact, flow_tag_host_id=self.config["COT_HOST_ID"]),
        )
        return pytak.serialize_cot(event, trailing_newline=True)


class Reports(pytak.QueueWorker):
    """Reports what the RXWorker queued."""

    async def handle_data(self, data):
        report(event=data.decode("utf-8"))


class Watch(pytak.Worker):
    """Ends the client when the server closed the connection.

    PyTAK's RXWorker does not: at the end of the stream it reads again for ever.
    """

    def __init__(self, queue, config, reader):
        super().__init__(queue, config)
        self.reader = reader

    async def run(self, _=-1):
        while not self.reader.at_eof():
            await asyncio.sleep(0.02)
        raise ConnectionAbortedError("closed by the server")


async def main(url, uid, callsign):
    parser = configparser.ConfigParser(interpolation=None)
    parser["pytak"] = {
        "COT_URL": url,
        "COT_HOST_ID": uid,
        "CALLSIGN": callsign,
        "TAK_PROTO": "0",
        "MAX_IN_QUEUE": QUEUE,
        "MAX_OUT_QUEUE": QUEUE,
    }
    config = parser["pytak"]
    tool = pytak.CLITool(config)
    await tool.setup()
    rx = next(t for t in tool.tasks if isinstance(t, pytak.RXWorker))
    tx = next(t for t in tool.tasks if isinstance(t, pytak.TXWorker))
    reports = Reports(tool.rx_queue, config)
    tool.add_tasks({Orders(tool.tx_queue, config), reports, Watch(tool.rx_queue, config, rx.reader)})
    report(open=True)
    reason = "all workers ended"
    try:
        await tool.run()
    except Ordered:
        reason = "ordered"
    except Exception as exc:
        reason = f"{type(exc).__name__}: {exc}"
    while not tool.rx_queue.empty():
        await reports.handle_data(tool.rx_queue.get_nowait())
    # What is in the socket's buffer is still sent. A server that is gone or
    # takes nothing does not matter any more: the reason for the end is known.
    tx.writer.close()
    try:
        await asyncio.wait_for(tx.writer.wait_closed(), CLOSE_WAIT)
    except (OSError, asyncio.TimeoutError):
        tx.writer.transport.abort()
    return reason


if __name__ == "__main__":
    try:
        ended = asyncio.run(main(*sys.argv[1:4]))
    except Exception as exc:
        ended = f"{type(exc).__name__}: {exc}"
    report(closed=ended)
