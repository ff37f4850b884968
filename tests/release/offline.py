"""Run a program out of reach of the network and of folders, such as the checkout: ``python -I -c TEXT PROGRAM FOLDER
REFUSED ...``, where TEXT is this file, with the package skelgraph of FOLDER. Files of the environment are always within
reach; a program that only swallows the refusal fails, too."""

import os
import sys
from pathlib import Path

program, package, *folders = sys.argv[1:]
# A file that may itself lie in a refused folder: read now, and without a name by which a traceback would look for it.
code = compile(Path(program).read_text(encoding="utf-8"), "<program>", "exec")
foreign = tuple(os.path.join(folder, "") for folder in folders)
own = tuple(os.path.join(folder, "") for folder in (sys.prefix, package))
network = {f"socket.{call}" for call in ("connect", "getaddrinfo", "gethostbyname", "sendto", "sendmsg")}
refused = []


def watch(event, arguments):
    path = ""
    if event == "open" and isinstance(arguments[0], str | bytes):
        path = os.path.abspath(os.fsdecode(arguments[0]))
    if event in network or (path.startswith(foreign) and not path.startswith(own)):
        refused.append((event, path or arguments))
        raise PermissionError(f"{event}: {path or arguments}")


sys.addaudithook(watch)
sys.path.insert(0, package)
sys.argv = [program, package]
exec(code, {"__name__": "__main__"})
if refused:
    sys.exit(f"refused: {refused}")
