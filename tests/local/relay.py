"""A way to an API server that can be cut."""

import contextlib
import socket
import threading
from pathlib import Path
from typing import Self

import yaml


class Relay:
    """Passes bytes on to an API server until it is cut: a server that goes away, as its clients see it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        [cluster] = config["clusters"]
        host, port = cluster["cluster"]["server"].removeprefix("https://").split(":")
        self._target = (host, int(port))
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        cluster["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        self.kubeconfig = folder / "relayed"
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()

    def cut(self) -> None:
        for end in (self._door, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            return
