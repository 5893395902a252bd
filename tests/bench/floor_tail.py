"""The floor of "metric printed -> frame": tail files by inotify and push each line over a raw WebSocket.

No regex, no database, no broker, no access check, no replay. `metric_to_screen.py` runs it beside the service, on the
same machine and with the same printers, and reports both.

    python -m tests.bench.floor_tail FOLDER PORT
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import inotify_simple
import orjson
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(folder: Path, port: int) -> None:
    sockets: set[ServerConnection] = set()
    files = {path.name: path.open("rb") for path in folder.glob("*.log")}
    watch = inotify_simple.INotify(nonblocking=True)
    watch.add_watch(folder, inotify_simple.flags.MODIFY)

    def changed() -> None:
        for name in {event.name for event in watch.read(timeout=0)}:
            lines = files[name].read().splitlines() if name in files else []
            values = [float(line.removeprefix(b"stamp=")) for line in lines if line.startswith(b"stamp=")]
            if values:
                event = {"seq": 0, "kind": "points", "data": {"trial": name, "values": values}}
                broadcast(sockets, orjson.dumps({"type": "events", "events": [event]}).decode())

    async def attend(socket: ServerConnection) -> None:
        sockets.add(socket)
        await socket.wait_closed()
        sockets.discard(socket)

    asyncio.get_running_loop().add_reader(watch.fileno(), changed)
    async with serve(attend, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
