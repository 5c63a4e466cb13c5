"""slow_readers.py N: N connections to the agent that read nothing, half of them in the middle of a request."""

import socket
import sys
import time

connections = []
for i in range(int(sys.argv[1])):
    connection = socket.create_connection(("127.0.0.1", 9477))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + (b"\r\n" if i % 2 else b"X: "))
    connections.append(connection)
begun = time.monotonic()
while connections and time.monotonic() - begun < 170:
    time.sleep(5)
    for connection in list(connections):
        connection.setblocking(False)
        try:
            # What is left is read slowly; the end says that the agent has closed it.
            if not connection.recv(64):
                connections.remove(connection)
        except BlockingIOError:
            pass
        except OSError:
            connections.remove(connection)
print("all of them are closed" if not connections else f"{len(connections)} are still open", flush=True)
