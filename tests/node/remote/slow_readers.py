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
time.sleep(600)
